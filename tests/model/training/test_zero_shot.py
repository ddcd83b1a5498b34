"""The zero-shot head against scikit-learn, and the projection against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from model.errors import EpisodeError, SupportError
from model.training.projection import principal_components
from model.training.sources import ViewLabel
from model.training.zero_shot import fit_zero_shot


def view(is_standin: bool, category: str, drawn: bool, hardtag: str = "") -> ViewLabel:
    return ViewLabel(is_standin, category, "", "", "", hardtag, "encoder", drawn)


def test_it_is_the_weighted_logistic_regression_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    n, d, c = 200, 6, 3.0
    x = rng.standard_normal((n, d))
    y = (x[:, 0] + rng.standard_normal(n)) > 0.6
    drawn = rng.random(n) < 0.5
    hard = rng.random(n) < 0.3
    labels = [
        view(bool(s), "" if s else "shoes", bool(g), "text-heavy" if h else "")
        for s, g, h in zip(y, drawn, hard, strict=True)
    ]
    weight = np.where(drawn, 0.2, np.where(hard & ~y, 3.0, 1.0))
    for side in (y, ~y):
        weight[side] *= n / 2 / weight[side].sum()
    peer = LogisticRegression(C=c, tol=1e-10, max_iter=5000).fit(x[:, :4], y, weight)
    head = fit_zero_shot(torch.from_numpy(x).float(), labels, 4, c, 0.5)
    np.testing.assert_allclose(head[:4].numpy(), peer.coef_[0], atol=1e-3)
    assert head[4:6].tolist() == [0.0, 0.0]
    assert head[6].item() == pytest.approx(peer.intercept_[0], abs=1e-3)


def test_goods_that_only_a_support_can_tell_are_left_out() -> None:
    labels = [
        view(True, "", False),
        view(False, "", True),
        view(False, "drawn lettering", True),
        view(False, "clip art: food", False),
    ]
    with pytest.raises(EpisodeError, match="1 stand-ins and 0 products"):
        fit_zero_shot(torch.eye(4), labels, 4, 1.0, 0.5)


def test_the_frequency_moves_the_bias_by_its_log_odds() -> None:
    rng = np.random.default_rng(2)
    x = torch.from_numpy(rng.standard_normal((40, 3))).float()
    labels = [view(i % 2 == 0, "" if i % 2 == 0 else "shoes", False) for i in range(40)]
    even, rare = (fit_zero_shot(x, labels, 3, 1.0, share) for share in (0.5, 0.1))
    torch.testing.assert_close(rare[:3], even[:3])
    assert (rare[3] - even[3]).item() == pytest.approx(np.log(1 / 9), abs=1e-5)


def test_principal_components_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((300, 8)) * np.arange(1, 9)
    got = principal_components(torch.from_numpy(x).float(), 3)(torch.from_numpy(x).float())
    expected = PCA(3).fit_transform(x)
    signs = np.sign((got.detach().numpy() * expected).sum(0))
    np.testing.assert_allclose(got.detach().numpy() * signs, expected, atol=2e-3)
    with pytest.raises(SupportError, match="8 features"):
        principal_components(torch.from_numpy(x).float(), 9)
