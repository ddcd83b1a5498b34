"""Which region mattered: shares that add up, and places that matter when they are covered."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import UInt8
from PIL import Image, ImageDraw

import model
from model.encoder import Encoder, build, normalise
from model.ensemble import Ensemble
from model.errors import SupportError
from model.experts import EXPERTS
from model.experts.area import own_area
from model.explanation import Explanation, explain, overlay, shares
from model.images import letterbox
from model.learners import LEARNERS, Head
from model.learners.base import Learner
from model.learners.blended_prior import BlendedPrior
from model.questions import Known, Question
from tests.model.experts_random import DIM, SIZE, random_ensemble
from tests.model.pictures import scene

seeds = st.integers(0, 10**6)
sides = st.integers(1, 400)
few, quick = (settings(max_examples=most) for most in (6, 30))


@lru_cache
def ensemble_of(kind: str) -> Ensemble:
    """With experts and a policy, or the visual head alone."""
    whole = random_ensemble()
    return whole if kind == "experts" else Ensemble(whole.encoder, whole.learner, None)


kinds = pytest.mark.parametrize("kind", ["experts", "alone"])


def drawn(seed: int, width: int = SIZE, height: int = SIZE, size: int = SIZE) -> np.ndarray:
    """A smooth scene with lettering or without, letterboxed."""
    picture = scene(width, height, seed)
    if seed % 2:
        ImageDraw.Draw(picture).text((width // 4, height // 4), "NO PHOTO", fill=(0, 0, 0))
    return letterbox(picture, size)


def taught(ensemble: Ensemble, seed: int, examples: int) -> Known:
    looks = [ensemble.look(drawn(seed + i), SIZE, SIZE) for i in range(examples)]
    signals = ensemble.examine(looks)
    labels = np.random.default_rng(seed).random(examples) < 0.5
    return Known(ensemble.adapt(signals, labels), signals, labels)


def head_logit(ensemble: Ensemble, known: Known, pixels: np.ndarray) -> float:
    """Of the visual head, by the road that scoring takes."""
    embedding = torch.from_numpy(ensemble.encoder.embed(pixels[None]))
    head = Head(ensemble.learner.name, known.state.heads["visual"])
    return float(torch.logit(ensemble.learner.score(head, embedding))[0])


# -- shares


@kinds
@few
@given(seed=seeds, examples=st.integers(0, 4), width=sides, height=sides)
def test_shares_and_constant_sum_to_the_heads_log_odds(
    kind: str, seed: int, examples: int, width: int, height: int
) -> None:
    ensemble = ensemble_of(kind)
    known, pixels = taught(ensemble, seed, examples), drawn(seed + 50, width, height)
    untouched = pixels.copy()
    found = explain(ensemble, known, pixels, width, height)
    assert found.visual.shape == (SIZE // 32, SIZE // 32)
    assert found.visual.dtype == np.float32
    assert found.logit == pytest.approx(head_logit(ensemble, known, pixels), abs=1e-4)
    assert (pixels == untouched).all()
    again = explain(ensemble, known, pixels, width, height)
    assert (again.visual == found.visual).all()
    assert again.constant == found.constant


@few
@given(seeds)
def test_each_share_is_what_its_place_alone_adds_before_the_norms(seed: int) -> None:
    """Another road: every place goes through the projection by itself, in double precision."""
    ensemble = ensemble_of("alone")
    known, pixels = taught(ensemble, seed, 4), drawn(seed + 50)
    net, state = ensemble.encoder.net, known.state.heads["visual"].double().numpy()
    with torch.no_grad():
        x = normalise(torch.from_numpy(pixels[None]))
        features = net.backbone.forward_features(x)[0].double().numpy()
    places = features.reshape(len(features), -1).T
    w, b = net.projection.weight.double().numpy(), net.projection.bias.double().numpy()
    pooled = places.mean(0)
    v = w @ pooled / np.linalg.norm(pooled) + b
    expected = np.array([state[:-1] @ (w @ place) for place in places])
    expected /= len(places) * np.linalg.norm(pooled) * np.linalg.norm(v)
    found, constant = shares(
        ensemble.encoder, ensemble.learner, known.state.heads["visual"], pixels
    )
    np.testing.assert_allclose(found.ravel(), expected, atol=1e-5)
    assert constant == pytest.approx(state[:-1] @ b / np.linalg.norm(v) + state[-1], abs=1e-5)


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_every_learners_answer_comes_apart(name: str) -> None:
    """Heads that are not linear, too: at the picture's own embedding the tangent is the answer."""
    encoder = ensemble_of("alone").encoder
    torch.manual_seed(3)
    learner = LEARNERS[name](DIM).eval().requires_grad_(False)
    support = torch.from_numpy(encoder.embed([drawn(i) for i in range(6)]))
    head = learner.adapt(support, torch.arange(6) % 2 == 1)
    pixels = drawn(50)
    found, constant = shares(encoder, learner, head.state, pixels)
    expected = torch.logit(learner.score(head, torch.from_numpy(encoder.embed(pixels[None]))))
    assert float(found.sum()) + constant == pytest.approx(float(expected[0]), abs=2e-4)


def test_without_a_projection_the_features_are_the_embedding() -> None:
    torch.manual_seed(0)
    encoder = Encoder(build("tf_efficientnet_lite0"), SIZE)
    learner = BlendedPrior(encoder.dim, 2).eval().requires_grad_(False)
    learner.set_zero_shot(torch.randn(encoder.dim + 1))
    ensemble = Ensemble(encoder, learner, None)
    known = Known(ensemble.base, ensemble.nothing, np.zeros(0, np.bool_))
    found = explain(ensemble, known, drawn(1), SIZE, SIZE)
    assert found.logit == pytest.approx(head_logit(ensemble, known, drawn(1)), abs=1e-4)


def test_what_cannot_be_taken_apart_is_refused() -> None:
    ensemble = ensemble_of("alone")
    known = taught(ensemble, 0, 0)
    with pytest.raises(SupportError, match=r"\(64, 64, 3\), got uint8 of shape \(96, 96, 3\)"):
        shares(ensemble.encoder, ensemble.learner, known.state.heads["visual"], drawn(0, size=96))
    # Pools first, and has another layer behind it.
    other = Encoder(build("mobilenetv3_small_050"), SIZE)
    learner: Learner = BlendedPrior(other.dim, 2)
    with pytest.raises(SupportError, match="mobilenetv3_small_050 does not end in a mean"):
        shares(other, learner, torch.zeros(learner.state_size), drawn(0))


# -- what else is said


@kinds
@few
@given(seed=seeds, examples=st.integers(0, 4))
def test_experts_are_those_that_scoring_asks(kind: str, seed: int, examples: int) -> None:
    ensemble = ensemble_of(kind)
    known, pixels = taught(ensemble, seed, examples), drawn(seed + 50)
    found = explain(ensemble, known, pixels, SIZE, SIZE)
    look, questions = ensemble.look(pixels, SIZE, SIZE), [Question(0, 0)]
    signals = ensemble.examine([look], [known], questions)
    route = ensemble.route(signals, [known], questions)
    spoke = [name for column, name in enumerate(EXPERTS) if route.answered[0, column]]
    assert list(found.experts) == spoke
    for name, opinion in found.experts.items():
        expected = 1 / (1 + np.exp(-route.logits[0, EXPERTS.index(name)]))
        assert opinion.probability == pytest.approx(float(expected), abs=1e-5)
        assert 0 <= opinion.weight <= 1
    if spoke:
        assert sum(opinion.weight for opinion in found.experts.values()) == pytest.approx(1)
    if kind == "alone":
        assert spoke == ["visual"]
    given_them = explain(ensemble, known, pixels, SIZE, SIZE, signals)
    assert given_them.experts == found.experts
    # The map is there whether or not the visual expert was asked.
    assert (given_them.visual == found.visual).all()


@few
@given(seeds)
def test_words_are_placed_where_there_is_lettering(seed: int) -> None:
    ensemble = ensemble_of("experts")
    assert ensemble.experts is not None
    pixels = drawn(seed)
    reading = ensemble.experts.reader.read(torch.from_numpy(pixels[None]))
    found = explain(ensemble, taught(ensemble, seed, 0), pixels, SIZE, SIZE)
    assert (found.words is not None) == (float(reading.lettering[0]) > 0)
    if found.words is not None:
        assert found.words.shape == (SIZE // 16, SIZE // 16)
        assert found.words.min() >= 0
        assert found.words.sum() == pytest.approx(1, abs=1e-5)
    alone = ensemble_of("alone")
    assert explain(alone, taught(alone, seed, 0), pixels, SIZE, SIZE).words is None


# -- what the released weights make of it


def notice(seed: int, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """Words on plain ground."""
    rng = np.random.default_rng(seed)
    ground = int(rng.integers(200, 250))
    picture = Image.new("RGB", (size, size), (ground, ground, ground))
    at = (int(rng.integers(5, size // 2 - 20)), int(rng.integers(10, size - 30)))
    ImageDraw.Draw(picture).text(at, "NO IMAGE", fill=(90, 90, 90), font_size=24)
    return np.array(picture)


def half_notice(seed: int, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """Half of a notice beside or above half of a coloured scene."""
    half = (slice(None), slice(size // 2)) if seed % 2 else (slice(size // 2), slice(None))
    picture = np.array(scene(size, size, seed))
    picture[half] = notice(seed, size)[half]
    return picture


@pytest.mark.parametrize("draw", [notice, half_notice])
def test_a_region_that_mattered_moves_the_answer_more_than_one_that_did_not(
    draw: Callable[[int, int], np.ndarray],
) -> None:
    """The map is a claim about features, this is what happens to pixels: the region of 3 x 3
    places that spoke most for a placeholder, or least, is covered with a coloured scene.

    Not with a plain patch, which looks like a stand-in itself; and not a single place, since
    each sees far beyond its own 32 pixels.
    """
    ensemble = model.load(device="cpu").ensemble
    size, state = ensemble.image_size, ensemble.base.heads["visual"]

    def explained(pixels: np.ndarray) -> tuple[np.ndarray, float]:
        places, constant = shares(ensemble.encoder, ensemble.learner, state, pixels)
        return places, float(places.sum()) + constant

    lead = []
    for seed in range(12):
        pixels, cover = draw(seed, size), np.asarray(scene(size, size, seed + 500))
        places, before = explained(pixels)
        assert places.shape == (7, 7)
        regions = np.lib.stride_tricks.sliding_window_view(places, (3, 3)).sum((2, 3))
        fall = []
        for at in (regions.argmax(), regions.argmin()):
            row, column = (32 * step for step in divmod(int(at), regions.shape[1]))
            region = (slice(row, row + 96), slice(column, column + 96))
            covered = pixels.copy()
            covered[region] = cover[region]
            fall.append(before - explained(covered)[1])
        lead.append(fall[0] - fall[1])
    assert np.mean(lead) > 2 * np.std(lead, ddof=1) / np.sqrt(len(lead))


# -- the picture

maps = st.lists(st.floats(-8, 8, width=32), min_size=49, max_size=49)


def painted(
    visual: np.ndarray, pixels: np.ndarray, width: int, height: int
) -> UInt8[np.ndarray, "h w 3"]:
    data = overlay(Explanation(visual, 0.0, None, {}, width, height), pixels)
    image = Image.open(io.BytesIO(data))
    assert image.format == "WEBP"
    return np.asarray(image.convert("RGB"))


@quick
@given(values=maps, grey=st.integers(60, 200))
def test_orange_is_towards_placeholder_and_blue_towards_real(
    values: list[float], grey: int
) -> None:
    visual = np.array(values, np.float32).reshape(7, 7)
    pixels = np.full((224, 224, 3), grey, np.uint8)
    found = painted(visual, pixels, 224, 224).astype(int)
    # At the middle of each place; where it hardly matters, compression is stronger than colour.
    warmth = (found[..., 0] - found[..., 2])[16::32, 16::32]
    strong = np.abs(visual) > 0.5 * max(np.abs(visual).max(), 1 / 49)
    assert (warmth[strong & (visual > 0)] > 15).all()
    assert (warmth[strong & (visual < 0)] < -15).all()


@quick
@given(grey=st.integers(0, 255), width=sides, height=sides)
def test_bars_are_cropped_and_nothing_is_coloured_where_nothing_matters(
    grey: int, width: int, height: int
) -> None:
    own = Image.new("RGB", (width, height), (grey, grey, grey))
    pixels = letterbox(own, 224)
    found = painted(np.zeros((7, 7), np.float32), pixels, width, height)
    assert found.shape == own_area(pixels, width, height).shape
    # No bar is left: all of it is the picture's grey, but for the rounding of WebP.
    assert np.abs(found.astype(int) - grey).max() <= 4
    assert max(found.shape[:2]) == 224


@quick
@given(seed=seeds, values=maps, width=sides, height=sides)
def test_the_same_explanation_gives_the_same_bytes(
    seed: int, values: list[float], width: int, height: int
) -> None:
    pixels = drawn(seed, width, height, 224)
    untouched = pixels.copy()
    visual = np.array(values, np.float32).reshape(7, 7)
    made = Explanation(visual, 0.0, None, {}, width, height)
    assert overlay(made, pixels) == overlay(made, pixels)
    assert (pixels == untouched).all()


@quick
@given(values=maps)
def test_what_belongs_to_the_bars_is_not_shown_elsewhere(values: list[float]) -> None:
    """A wide picture between bars: the map is cropped with it, not squeezed into it."""
    visual = np.zeros((7, 7), np.float32)
    visual[0], visual[6] = values[:7], values[7:14]
    pixels = letterbox(Image.new("RGB", (224, 64), (90, 90, 90)), 224)
    found = painted(visual, pixels, 224, 64)
    assert np.abs(found.astype(int) - 90).max() <= 4
