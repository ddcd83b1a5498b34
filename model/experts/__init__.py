"""Experts: each looks at one sort of evidence, answers with a probability of its own or abstains.

In the order of what they cost, which is their order in every array. What an expert sees of a
picture does not depend on the category and is computed once (its *signal*); what that means in a
category follows from the category's labelled examples.
"""

from typing import Final, Literal

ExpertName = Literal["statistics", "sameness", "words", "visual"]
EXPERTS: Final[tuple[ExpertName, ...]] = ("statistics", "sameness", "words", "visual")
