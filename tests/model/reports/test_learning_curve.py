"""Shares of the training views: by names, nested, the same everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import MetricError
from model.reports.learning_curve import (
    TrainingViews,
    count_names,
    in_turn,
    points,
    subset,
    training_views,
)
from model.training.sources import ViewLabel

_PER_STANDIN = 3
_GROUPS = ["shop a", "shop a", "shop b", "shop c", "shop d"]


def _label(
    fine: str, *, is_standin: bool = False, drawn: bool = False, role: str = "encoder"
) -> ViewLabel:
    category = "" if is_standin else fine.removeprefix("product:")
    kind = fine if is_standin else ""
    return ViewLabel(is_standin, category, kind, "", fine, "", role, drawn)  # type: ignore[arg-type]


def _views() -> TrainingViews:
    """Goods of 16 categories, five real stand-ins with a thumbnail, drawn ones of 32 families."""
    labels = [_label(f"product:{i % 16}") for i in range(64)]
    labels += [_label("kind:text", is_standin=True, role="validation")]
    labels += [_label("kind:text", is_standin=True)] * (_PER_STANDIN * len(_GROUPS))
    labels += [_label(f"text/{i % 32}", is_standin=True, drawn=True) for i in range(64)]
    labels += [_label("kind:text", is_standin=True)]
    features = torch.arange(len(labels), dtype=torch.float32)[:, None]
    return training_views(labels, features, _GROUPS, _PER_STANDIN)


def test_real_standins_get_the_groups_of_their_manifests() -> None:
    views = _views()
    found = [name for stratum, name in views.names if stratum == "stand-ins"]
    assert found[:-1] == [group for group in _GROUPS for _ in range(_PER_STANDIN)]
    assert found[-1] not in _GROUPS  # nobody knows which picture the thumbnail shows
    # What is for validation is not there, and features go with their labels.
    assert all(label.role != "validation" for label in views.labels)
    assert views.features[:, 0].tolist() == [i for i in range(145) if i != 64]


def test_views_of_other_folders_are_refused() -> None:
    labels = [_label("kind:text", is_standin=True)] * 5
    with pytest.raises(MetricError, match="5 views of stand-ins"):
        training_views(labels, torch.zeros(5, 1), ["a", "b"], _PER_STANDIN)


@settings(deadline=None)
@given(
    small=st.floats(0.01, 1), large=st.floats(0.01, 1), repeat=st.integers(0, 3), seed=st.integers()
)
def test_a_smaller_share_is_part_of_a_larger_one_and_order_is_irrelevant(
    small: float, large: float, repeat: int, seed: int
) -> None:
    views = _views()
    less, more = (subset(views, share, repeat) for share in sorted((small, large)))
    assert set(less.names) <= set(more.names)
    assert {stratum for stratum, _ in less.names} == {stratum for stratum, _ in views.names}
    # Whole names: nothing of a name that is left out, all of one that is kept.
    assert all((name in set(less.names)) == (i in _rows(less)) for i, name in _numbered(views))
    order = np.random.default_rng(abs(seed)).permutation(len(views.labels)).tolist()
    shuffled = TrainingViews(
        views.features[order], [views.labels[i] for i in order], [views.names[i] for i in order]
    )
    assert set(subset(shuffled, small, repeat).names) == set(subset(views, small, repeat).names)


def _rows(views: TrainingViews) -> set[float]:
    return set(views.features[:, 0].tolist())


def _numbered(views: TrainingViews) -> list[tuple[float, tuple[str, str]]]:
    return list(zip(views.features[:, 0].tolist(), views.names, strict=True))


def test_shares_hold_as_many_names_as_they_say_and_repeats_choose_others() -> None:
    views = _views()
    count = {stratum: set[str]() for stratum, _ in views.names}
    for stratum, name in subset(views, 1 / 4, 0).names:
        count[stratum].add(name)
    assert {k: len(v) for k, v in count.items()} == {"goods": 4, "stand-ins": 1, "drawn kinds": 8}
    assert set(subset(views, 1 / 4, 0).names) != set(subset(views, 1 / 4, 1).names)
    assert list(subset(views, 1.0, 0).names) == list(views.names)
    assert count_names(views) == 16 + len(set(_GROUPS)) + 32


def test_every_curve_ends_in_the_same_point() -> None:
    plan = points(512, 2)
    assert len({each[-1] for each in plan.values()}) == 1
    assert len(plan["data"]) == 9
    assert [point.dim for point in plan["size"]] == [64, 128, 256, 512]
    names = [point.name for point in dict.fromkeys(p for each in plan.values() for p in each)]
    assert len(set(names)) == len(names)


def test_a_run_that_is_cut_short_knows_something_of_every_curve() -> None:
    plan = points(512, 1)
    order = in_turn(plan)
    assert set(order) == {point for each in plan.values() for point in each}
    assert len(order) == len(set(order)) == 12
    for each in plan.values():
        assert len(set(order[:7]) & set(each)) >= 3
