"""The top level answers for whoever has spoken, and for nobody else."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.metalearner.combination import Combination


def random_one(seed: int) -> tuple[Combination, torch.Generator]:
    """With random weights throughout: the zero ones at the start hide everything."""
    generator = torch.Generator().manual_seed(seed)
    combination = Combination(4, 10)
    with torch.no_grad():
        for parameter in combination.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
    return combination, generator


@given(st.integers(0, 10**6))
def test_who_did_not_speak_is_not_heard(seed: int) -> None:
    combination, generator = random_one(seed)
    answered = torch.rand(6, 4, generator=generator) < 0.5
    context = torch.randn(6, 10, generator=generator)
    logits = torch.randn(6, 4, generator=generator) * 5
    noise = torch.randn(6, 4, generator=generator) * 100
    said = combination(logits, answered, context)
    assert torch.equal(said, combination(torch.where(answered, logits, noise), answered, context))
    weight, _ = combination.weights(answered, context)
    assert (weight[~answered] == 0).all()
    assert (weight[answered] > 0).all()


@given(st.integers(0, 10**6))
def test_a_batch_is_one_by_one(seed: int) -> None:
    combination, generator = random_one(seed)
    answered = torch.rand(5, 4, generator=generator) < 0.7
    context = torch.randn(5, 10, generator=generator)
    logits = torch.randn(5, 4, generator=generator) * 5
    whole = combination(logits, answered, context)
    alone = torch.cat(
        [combination(logits[i : i + 1], answered[i : i + 1], context[i : i + 1]) for i in range(5)]
    )
    torch.testing.assert_close(whole, alone)


@given(st.integers(0, 10**6))
def test_looked_up_the_weights_are_those_of_the_network(seed: int) -> None:
    combination, generator = random_one(seed)
    contexts = torch.randn(3, 10, generator=generator)
    weighing = combination.weighing(contexts.numpy())
    for row in range(3):  # beside whomever
        alone = combination.weighing(contexts[row : row + 1].numpy())
        np.testing.assert_allclose(weighing.weights[row], alone.weights[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(weighing.offsets[row], alone.offsets[0], rtol=1e-5, atol=1e-6)
    of = torch.randint(0, 3, (8,), generator=generator)
    answered = torch.rand(8, 4, generator=generator) < 0.5
    logits = torch.where(answered, torch.randn(8, 4, generator=generator) * 9, 0.0)
    wanted = combination.weights(answered, contexts[of])
    found = weighing.of(of.numpy(), answered.numpy())
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other.detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        weighing.combined(of.numpy(), logits.numpy(), answered.numpy()),
        combination(logits, answered, contexts[of]).detach().numpy(),
        rtol=1e-4,
        atol=1e-5,
    )


def test_untrained_it_is_the_average_of_those_who_spoke() -> None:
    combination = Combination(4, 10)
    logits = torch.tensor([[2.0, -1.0, 5.0, 4.0]])
    answered = torch.tensor([[True, False, False, True]])
    assert combination(logits, answered, torch.randn(1, 10)).item() == 3.0
    assert combination(logits, torch.zeros(1, 4, dtype=torch.bool), torch.randn(1, 10)).item() == 0


def test_nobody_outvotes_the_others_by_being_sure_alone() -> None:
    combination = Combination(2, 1)
    answered, context = torch.ones(1, 2, dtype=torch.bool), torch.zeros(1, 1)
    loud = combination(torch.tensor([[1e9, -12.0]]), answered, context)
    assert loud.item() == 0
