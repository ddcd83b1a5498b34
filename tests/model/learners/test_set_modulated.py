"""Set modulation: the collapsed head against modulating and fitting picture by picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from model.errors import SupportError
from model.learners.ridge import MIN_PENALTY, ridge_weights
from model.learners.set_modulated import SetEncoder, SetModulated

DIM = 4
seeds = st.integers(0, 10_000)


def opinionated(dim: int = DIM, width: int = 3, seed: int = 0) -> SetModulated:
    """A learner in double precision whose every parameter says something."""
    torch.manual_seed(seed)
    learner = SetModulated(dim, width).double()
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return learner


def examples(n: int, seed: int, dim: int = DIM) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, dim, generator=g, dtype=torch.double)
    return nn.functional.normalize(x, dim=1), torch.rand(n, generator=g) < 0.5


def fit(learner: SetModulated, x: Tensor, y: Tensor) -> Tensor:
    return learner.fit_batch(x[None], y[None], torch.ones(1, len(x), dtype=torch.bool))[0]


@given(n=st.integers(0, 9), seed=seeds)
def test_the_state_answers_as_the_modulated_pictures_do(n: int, seed: int) -> None:
    """In numpy, picture by picture: encode the set, modulate, least squares, calibrate."""
    learner = opinionated(seed=seed)
    x, label = examples(n, seed)
    queries, _ = examples(5, seed + 1)
    state = fit(learner, x, label).detach()
    got = (queries @ state[:-1] + state[-1]).numpy()

    p = {name: value.detach().numpy() for name, value in learner.named_parameters()}
    rows, y = x.numpy(), label.numpy()
    pooled, counts = [], []
    for side in (True, False):
        own = [row for row, one in zip(rows, y, strict=True) if one == side]
        seen = [np.tanh(p["encode.phi.0.weight"] @ row + p["encode.phi.0.bias"]) for row in own]
        pooled.append(np.mean(seen, axis=0) if seen else np.zeros(3))
        counts.append(len(own))
    told = np.concatenate([*pooled, np.log1p(counts), [float(c > 0) for c in counts]])
    code = np.tanh(p["encode.rho.0.weight"] @ told + p["encode.rho.0.bias"])
    film = p["film.weight"] @ code + p["film.bias"]
    looser, raw_gain, shift = p["calibrate.weight"] @ code + p["calibrate.bias"]
    gamma, beta = 1 + film[:DIM], film[DIM:]

    def modulated(pictures: np.ndarray) -> np.ndarray:
        return np.array([np.append(gamma * row + beta, 1.0) for row in pictures]).reshape(-1, 5)

    penalty = np.exp(p["log_penalty"] + looser) + MIN_PENALTY
    stacked = np.vstack([modulated(rows), np.sqrt(penalty) * np.eye(5)])
    target = np.append(np.where(y, 1.0, -1.0), np.sqrt(penalty) * p["prior"])
    v = np.linalg.lstsq(stacked, target)[0]
    gain = 4 * np.log1p(np.exp(raw_gain + np.log(np.e - 1)))
    np.testing.assert_allclose(got, gain * modulated(queries.numpy()) @ v + shift, atol=1e-8)


@given(n=st.integers(1, 9), seed=seeds)
def test_untrained_it_is_ridge_regression(n: int, seed: int) -> None:
    learner = SetModulated(DIM).double()
    x, label = examples(n, seed)
    bare = nn.functional.pad(x, (0, 1), value=1.0)[None]
    y = label.double()[None, :, None] * 2 - 1
    present = torch.ones(1, n, dtype=torch.bool)
    expected = 4 * ridge_weights(bare, y, present, 1 + MIN_PENALTY)[0, :, 0]
    torch.testing.assert_close(fit(learner, x, label), expected)


def test_an_untrained_learner_says_half_where_it_knows_nothing() -> None:
    learner = SetModulated(DIM)
    head = learner.adapt(torch.zeros(0, DIM), torch.zeros(0, dtype=torch.bool))
    assert learner.score(head, torch.eye(DIM)).tolist() == [0.5] * DIM


@given(n=st.integers(1, 9), seed=seeds)
def test_the_code_of_a_set_knows_no_order_and_no_padding(n: int, seed: int) -> None:
    torch.manual_seed(seed)
    encode = SetEncoder(DIM, 6).double()
    x, label = examples(n, seed)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    padded = torch.cat([x[order], torch.ones(2, DIM, dtype=torch.double)])
    with_padding = torch.cat([label[order], torch.tensor([True, False])])
    present = torch.arange(n + 2) < n
    one = encode(x[None], label[None], present[None, :n])
    other = encode(padded[None], with_padding[None], present[None])
    torch.testing.assert_close(one, other)


def test_the_code_tells_labels_apart_and_how_many_there_are() -> None:
    encode = opinionated().encode
    x, _ = examples(4, 3)
    label = torch.tensor([True, True, False, False])
    here = torch.ones(1, 4, dtype=torch.bool)
    code = encode(x[None], label[None], here)
    assert not torch.allclose(code, encode(x[None], ~label[None], here))
    doubled = encode(x.repeat(2, 1)[None], label.repeat(2)[None], here.repeat(1, 2))
    assert not torch.allclose(code, doubled)


@pytest.mark.parametrize("labels", [[True, False, True], [False, False], []])
def test_gradients_of_the_learner_are_right(labels: list[bool]) -> None:
    learner = opinionated(dim=2, width=2)
    x, _ = examples(len(labels), 5, dim=2)
    y = torch.tensor([labels], dtype=torch.bool)
    present = torch.ones(1, len(labels), dtype=torch.bool)
    names = [name for name, _ in learner.named_parameters()]

    def head(x: Tensor, *values: Tensor) -> Tensor:
        given = dict(zip(names, values, strict=True))
        return torch.func.functional_call(learner, given, (x[None], y, present))

    learner.forward = learner.fit_batch  # type: ignore[method-assign]
    assert torch.autograd.gradcheck(head, (x.requires_grad_(), *learner.parameters()))


def test_modulation_alone_can_learn_which_feature_counts() -> None:
    """Feature 0 tells which of the others decides the labels: one ridge head cannot know."""
    torch.manual_seed(0)
    learner = SetModulated(3, 8)
    plain = SetModulated(3, 8)
    for layer in (plain.film, plain.calibrate):
        layer.requires_grad_(False)
    g = torch.Generator().manual_seed(0)
    found = {}
    for name, one in (("modulated", learner), ("plain", plain)):
        wanted = [p for p in one.parameters() if p.requires_grad]
        optimiser = torch.optim.Adam(wanted, lr=0.02)
        losses = []
        for _ in range(250):
            which = torch.randint(0, 2, (16,), generator=g)
            x = torch.randn(16, 14, 3, generator=g)
            y = x[torch.arange(16)[:, None], torch.arange(14)[None], 1 + which[:, None]] > 0
            x[..., 0] = which[:, None] * 2.0 - 1
            states = one.fit_batch(x[:, :4], y[:, :4], torch.ones(16, 4, dtype=torch.bool))
            logits = one.logits(states, x[:, 4:])
            loss = nn.functional.binary_cross_entropy_with_logits(logits, y[:, 4:].float())
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            losses.append(loss.item())
        found[name] = float(np.mean(losses[-50:]))
    assert found["modulated"] < 0.8 * found["plain"]


def test_an_impossible_width_is_refused() -> None:
    with pytest.raises(SupportError, match="at least 1 wide, got 0"):
        SetModulated(DIM, 0)
