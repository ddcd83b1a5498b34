"""Peers on embeddings and on hashes: what they answer, against doing it by hand."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw
from sklearn.linear_model import LogisticRegression

from model.calibration import Platt
from model.episodes import EpisodeSampler, Traits
from model.errors import EpisodeError, MetricError
from model.reports.baselines import Scaling, fit_zero_shot
from model.reports.peers.answering import Calibrated, Peer, calibrate, training_tasks
from model.reports.peers.checks import CHECKS, CheckReader
from model.reports.peers.easy_few_shot import METHODS, EasyFewShot
from model.reports.peers.fixed import Fixed
from model.reports.peers.perceptual_hash import HashReader, NearestHash
from model.reports.peers.scikit import ScikitClassifier, ScikitLogistic

DIM = 8


def rows(n: int, seed: int) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((n, DIM)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def pool(number: int = 60) -> list[Traits]:
    return [
        traits
        for i in range(number)
        for traits in (
            Traits(False, f"goods {i % 2}", "", "swatch" if i % 4 == 0 else ""),
            Traits(True, "", ("text", "icon")[i % 2], ("lettering", "icon")[i % 2]),
        )
    ]


def embedded(traits: list[Traits], seed: int = 0) -> np.ndarray:
    """Stand-ins lie apart from products along the first axis."""
    x = rows(len(traits), seed)
    x[:, 0] = [1.0 if t.is_standin else -1.0 for t in traits]
    return x / np.linalg.norm(x, axis=1, keepdims=True)


LABEL = np.array([True, True, False, False, False])


def easy(name: str) -> EasyFewShot:
    pytest.importorskip("easyfsl")
    method, _, options = METHODS[name]
    return EasyFewShot(method, tuple(options.items()))


def test_easyfsl_s_prototypes_are_the_means() -> None:
    peer = easy("easyfsl-prototypical")
    x, q = rows(5, 0), rows(4, 1)
    state = peer.adapt(x, LABEL)
    near, far = (np.linalg.norm(q - x[side].mean(0), axis=1) for side in (LABEL, ~LABEL))
    np.testing.assert_allclose(peer.log_odds(state, q), far - near, atol=1e-5)
    assert peer.size(state) == 2 * DIM * 4


def test_easyfsl_s_matching_without_encoders_is_attention_over_the_support() -> None:
    peer = easy("easyfsl-matching")
    x, q = rows(5, 0), rows(4, 1)
    attention = np.exp(q @ x.T)
    attention /= attention.sum(1, keepdims=True)
    odds = np.log(attention[:, LABEL].sum(1) + 1e-6) - np.log(attention[:, ~LABEL].sum(1) + 1e-6)
    np.testing.assert_allclose(peer.log_odds(peer.adapt(x, LABEL), q), odds, atol=1e-5)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_easyfsl_scores_twice_alike_and_finds_what_is_apart(name: str) -> None:
    peer = easy(name)
    traits = pool(12)
    x = embedded(traits)
    label = np.array([t.is_standin for t in traits])
    state = peer.adapt(x[:10], label[:10])
    first = peer.log_odds(state, x[10:])
    np.testing.assert_allclose(peer.log_odds(state, x[10:]), first, atol=1e-5)
    assert ((first > 0) == label[10:]).mean() > 0.9
    assert peer.size(state) > 0
    assert peer.adapt(x[:3], np.ones(3, dtype=bool)) is None


@pytest.mark.parametrize("kind", ["svc", "bayes"])
def test_scikit_learn_s_classifiers_agree_with_their_own_decisions(kind: str) -> None:
    peer = ScikitClassifier(kind)
    x, q = rows(30, 0), rows(9, 1)
    label = x[:, 0] > 0
    state = peer.adapt(x, label)
    np.testing.assert_array_equal(peer.log_odds(state, q) > 0, state.predict(q))
    assert np.abs(peer.log_odds(state, 100 * q)).max() < 1e4  # something a slope can work on
    assert peer.size(state) >= 8 * DIM
    assert peer.adapt(x[:2], np.array([True, True])) is None


def test_scikit_learn_s_logistic_regression_falls_back_on_the_training_split() -> None:
    x = embedded(pool(30))
    label = np.array([t.is_standin for t in pool(30)])
    prior = fit_zero_shot(x, label, [str(i % 6) for i in range(len(x))])
    peer = ScikitLogistic(prior, Scaling.of(x, False), 10.0)
    q = rows(5, 2)
    nothing = peer.adapt(x[:0], label[:0])
    np.testing.assert_allclose(peer.log_odds(nothing, q), prior.logits(q))
    fitted = LogisticRegression(C=10.0, max_iter=5000).fit(x[:8], label[:8])
    got = peer.log_odds(peer.adapt(x[:8], label[:8]), q)
    np.testing.assert_allclose(got, fitted.decision_function(q), atol=1e-6)


def test_scores_become_probabilities_of_least_loss_on_training_tasks() -> None:
    traits = pool()
    x = embedded(traits)
    tasks = training_tasks(EpisodeSampler(traits), 4, 0)
    found = calibrate(NearestByFirst(), x, tasks)
    assert found.platt.slope > 0

    def loss(calibrated: Calibrated) -> float:
        total = 0.0
        for task in tasks:
            p = calibrated.answer(x[task.support], task.support_is_placeholder, x[task.query])
            total -= float(np.log(np.where(task.query_is_placeholder, p, 1 - p)).sum())
        return total

    for slope, offset in ((1.5, 0.0), (0.7, 0.0), (1.0, 1.0)):
        other = Platt(found.platt.slope * slope, found.platt.offset + offset)
        assert loss(found) < loss(Calibrated(found.peer, other))
    with pytest.raises(EpisodeError, match="too small"):
        training_tasks(EpisodeSampler(traits[:6]), 4, 0)
    with pytest.raises(MetricError, match="Silent"):
        calibrate(Silent(), x, tasks)


class NearestByFirst:
    """The first number of an embedding, blurred by the last one."""

    def adapt(self, support: np.ndarray, is_placeholder: np.ndarray) -> object:
        return ()

    def log_odds(self, state: object, queries: np.ndarray) -> np.ndarray:
        return queries[:, 0] + 2 * queries[:, -1]

    def size(self, state: object) -> int:
        return 0


class Silent(NearestByFirst):
    """Never has anything to go by."""

    def adapt(self, support: np.ndarray, is_placeholder: np.ndarray) -> object:
        return None


def test_nothing_to_go_by_is_one_half() -> None:
    peer: Peer = Silent()
    said = Calibrated(peer).answer(rows(0, 0), np.zeros(0, dtype=bool), rows(3, 1))
    np.testing.assert_array_equal(said, [0.5, 0.5, 0.5])


def test_the_nearest_hash_counts_bits() -> None:
    bits = np.random.default_rng(0).integers(0, 2, (6, 64)).astype(np.float32)
    label = np.array([True, False, True, False, True, False])
    peer, queries = NearestHash(), bits[:2]
    odds = peer.log_odds(peer.adapt(bits, label), queries)
    far = [[int((q != row).sum()) for row in bits] for q in queries]
    expected = [
        min(d for d, y in zip(each, label, strict=True) if not y)
        - min(d for d, y in zip(each, label, strict=True) if y)
        for each in far
    ]
    np.testing.assert_array_equal(odds, expected)
    alone = peer.log_odds(peer.adapt(bits[:1], label[:1]), queries[:1])
    np.testing.assert_array_equal(alone, [32])  # the same picture; nothing is known of real ones
    assert peer.adapt(bits[:0], label[:0]) is None
    assert peer.size(peer.adapt(bits, label)) == 9 * 6


def photograph(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return coarse.resize((120, 90), Image.Resampling.BICUBIC)


def test_imagededup_s_hash_survives_shrinking_and_tells_pictures_apart() -> None:
    pytest.importorskip("imagededup")
    reader = HashReader()
    one, small, other = (
        reader.row(reader.read(p))
        for p in (photograph(0), photograph(0).resize((60, 45)), photograph(1))
    )
    assert one.shape == (64,)
    assert set(np.unique(one)) <= {0.0, 1.0}
    assert np.abs(one - small).sum() <= 4
    assert np.abs(one - other).sum() > 12


def test_cleanvision_s_checks_see_what_is_flat_dark_and_odd() -> None:
    pytest.importorskip("cleanvision")
    reader = CheckReader()

    def scores(picture: Image.Image) -> dict[str, float]:
        found = reader.row(reader.read(picture))
        assert ((found >= 0) & (found <= 1)).all()
        return dict(zip(CHECKS, map(float, found), strict=True))

    photo, flat = scores(photograph(0)), scores(Image.new("RGB", (120, 90), (200, 200, 200)))
    assert flat["low_information"] < 0.3 < photo["low_information"]
    assert scores(Image.new("RGB", (90, 90), "black"))["dark"] < photo["dark"]
    assert scores(photograph(0).crop((0, 0, 120, 20)))["odd_aspect_ratio"] < 0.35
    drawn = Image.new("RGB", (90, 90), "white")
    ImageDraw.Draw(drawn).rectangle((20, 20, 70, 70), outline="grey")
    assert scores(drawn)["light"] <= photo["light"]


def test_one_model_for_all_leaves_out_what_nobody_read() -> None:
    x = np.array([[0.1], [0.2], [np.nan], [0.8], [0.9]], dtype=np.float32)
    label = np.array([False, False, True, True, True])
    model = Fixed.fit(x, label)
    assert model.log_odds(model.adapt(x[:0], label[:0]), np.array([[1.0]], np.float32))[0] > 0
    assert model.log_odds((), np.array([[0.0]], np.float32))[0] < 0
    assert model.size(()) == 0
    with pytest.raises(MetricError, match="both labels"):
        Fixed.fit(x[:2], label[:2])
