"""One learner, one file, one interface (``model.learners.base``)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from model.errors import WeightsError
from model.learners.anil import Anil
from model.learners.base import Head, Learner
from model.learners.blended_prior import BlendedPrior
from model.learners.fine_tuning import FineTuning
from model.learners.first_order_maml import FirstOrderMaml
from model.learners.learned_optimiser import LearnedOptimiser
from model.learners.linear import LinearLearner
from model.learners.logistic import Logistic
from model.learners.logistic_prior import LogisticPrior
from model.learners.maml import Maml
from model.learners.matching import Matching
from model.learners.memory import MemoryAugmented
from model.learners.meta import MetaLearner
from model.learners.nearest_neighbour import NearestNeighbour
from model.learners.prior_mixture import PriorMixture
from model.learners.prototypical import Prototypical
from model.learners.ridge import Ridge
from model.learners.set_modulated import SetModulated
from model.learners.shrinkage import Shrinkage
from model.learners.siamese import Siamese

LEARNERS: dict[str, type[MetaLearner]] = {
    learner.name: learner
    for learner in (
        BlendedPrior,
        PriorMixture,
        Logistic,
        LearnedOptimiser,
        Siamese,
        Matching,
        Prototypical,
        Ridge,
        NearestNeighbour,
        LogisticPrior,
        MemoryAugmented,
        Shrinkage,
        SetModulated,
        Maml,
        FirstOrderMaml,
        Anil,
        FineTuning,
    )
}
DEFAULT = BlendedPrior.name


def from_state(
    name: str, config: Mapping[str, int | float], tensors: Mapping[str, Tensor]
) -> MetaLearner:
    """Build a learner from what its weights file holds.

    Args:
        config: the keyword arguments it was built with.
        tensors: its meta-learned parameters; any floating precision, computed in float32.
    Raises:
        WeightsError: unknown learner, unknown option, or tensors that are not its own.
    """
    if name not in LEARNERS:
        raise WeightsError(f"unknown learner {name!r}; known: {', '.join(sorted(LEARNERS))}")
    try:
        learner = LEARNERS[name](**config)  # type: ignore[arg-type]
        learner.load_state_dict({key: value.float() for key, value in tensors.items()})
    except (TypeError, RuntimeError) as error:
        raise WeightsError(f"these weights are not those of learner {name!r}: {error}") from error
    for parameter in learner.parameters():
        parameter.requires_grad_(False)
    learner.eval()
    return learner


__all__ = ["DEFAULT", "LEARNERS", "Head", "Learner", "LinearLearner", "MetaLearner", "from_state"]
