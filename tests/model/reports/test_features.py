"""The feature store: embedded once, kept across runs, one row a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from model.encoder import Encoder, build
from model.episodes import Traits
from model.errors import MetricError
from model.reports.features import FeatureStore, embed_all, encoder_key
from model.reports.pool import Item


class Counting(Encoder):
    """An encoder that remembers how many pictures it was given."""

    seen = 0

    def embed(self, pixels):  # type: ignore[no-untyped-def]
        self.seen += len(pixels)
        return super().embed(pixels)


def _encoder(seed: int, dim: int = 5, size: int = 32) -> Counting:
    torch.manual_seed(seed)
    return Counting(build("tf_efficientnet_lite0", dim), size)


def _items(number: int, seed: int = 0) -> list[Item]:
    return [
        Item(
            key=f"picture {i}",
            read=lambda size, i=i: np.random.default_rng([seed, i]).integers(
                0, 256, (size, size, 3), dtype=np.uint8
            ),
            traits=Traits(i % 2 == 0, "", "", ""),
            origin="drawn",
            held_out=True,
        )
        for i in range(number)
    ]


def test_what_was_embedded_is_not_embedded_again(tmp_path: Path) -> None:
    items, (one, two) = _items(9), (_encoder(1), _encoder(2, dim=7))
    path = tmp_path / "deep" / "features.sqlite"
    with FeatureStore(path) as store:
        embed_all(items[:4], {"one": one}, store)
    told: list[tuple[int, int]] = []
    with FeatureStore(path) as store:  # another run, another encoder beside the first
        embed_all(
            items,
            {"one": one, "two": two},
            store,
            lambda done, total: told.append((done, total)),
            2,
        )
        assert (one.seen, two.seen) == (9, 9)
        assert told[0] == (0, 9)
        assert told[-1] == (9, 9)
        keys = [item.key for item in reversed(items)]
        rows = store.matrix("two", keys)
        assert store.matrix("one", keys).shape == (9, 5)
    expected = two.embed(np.stack([item.read(32) for item in reversed(items)]))
    np.testing.assert_allclose(rows, expected, atol=1e-5)


def test_encoders_of_two_sizes_each_get_their_own_pixels(tmp_path: Path) -> None:
    small, large = _encoder(1), _encoder(1, size=48)
    with FeatureStore(tmp_path / "f.sqlite") as store:
        embed_all(_items(3), {"small": small, "large": large}, store)
        assert (
            np.abs(
                store.matrix("small", ["picture 1"]) - store.matrix("large", ["picture 1"])
            ).max()
            > 0
        )
        with pytest.raises(MetricError, match="1 pictures have no embedding, first picture 7"):
            store.matrix("small", ["picture 0", "picture 7"])


def test_the_key_changes_with_weights_and_size() -> None:
    one, large = _encoder(1), _encoder(1, size=48)
    assert encoder_key("a", one) == encoder_key("a", one)
    assert len({encoder_key("a", one), encoder_key("b", one), encoder_key("a", large)}) == 3
