"""Experts: each looks at one sort of evidence, answers with a probability of its own or abstains.

In the order of what they cost, which is their order in every array. What an expert sees of a
picture does not depend on the category and is computed once (its *signal*); what that means in a
category follows from the category's labelled examples.
"""

from typing import Final, Literal

ExpertName = Literal["statistics", "sameness", "words", "visual"]
EXPERTS: Final[tuple[ExpertName, ...]] = ("statistics", "sameness", "words", "visual")

AskName = Literal[ExpertName, "glance"]
ASKS: Final[tuple[AskName, ...]] = (*EXPERTS, "glance")
"""What a policy can ask for: every expert, and behind them a *glance*, which is the visual expert's
answer from fewer pixels (``model.experts.glance``). It speaks for that expert until the whole
picture has been looked at, and is part of what that says then. Releases without one end before
it."""
