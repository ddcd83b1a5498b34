"""First-order MAML: the same adaptation, its meta-gradient without the Hessian.

Finn et al. 2017 (arXiv:1703.03400, section 5.2); Nichol, Achiam and Schulman 2018
(arXiv:1803.02999) name it FOMAML. Adapting and scoring are MAML's; only what the outer loop is
told differs, at about two thirds of the cost of an outer step.
"""

from __future__ import annotations

from typing import ClassVar

from model.learners.maml import Maml


class FirstOrderMaml(Maml):
    """MAML whose inner gradients count as constants in the outer loop; options are MAML's.

    The meta-learned rates still learn: a step moves by rate times gradient, and that product
    depends on the rate.
    """

    name: ClassVar[str] = "fomaml"
    first_order: ClassVar[bool] = True
