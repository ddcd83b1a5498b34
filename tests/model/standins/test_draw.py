"""What is drawn, whatever the seed: the right sort of picture, with ink on it, the same again."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import StandinError
from model.standins import (
    FAMILIES,
    KINDS,
    PRODUCT_FAMILIES,
    Drawn,
    Resources,
    builtin_resources,
    draw,
    draw_product,
)
from model.standins.resources import NOTICES

Function = Callable[[str, np.random.Generator, Resources], Drawn]
EVERY: list[tuple[Function, str]] = [
    *((draw, kind) for kind in KINDS),
    *((draw_product, family) for family in PRODUCT_FAMILIES),
]
every = pytest.mark.parametrize(
    ("function", "name"), EVERY, ids=[f"{f.__name__}-{n}" for f, n in EVERY]
)
seeds = st.integers(0, 2**63 - 1)


@every
@settings(max_examples=20)
@given(seed=seeds)
def test_a_drawing_is_what_it_says(function: Function, name: str, seed: int) -> None:
    drawn = function(name, np.random.default_rng(seed), builtin_resources())
    assert drawn.image.mode == "RGB"
    assert 14 <= max(drawn.image.size) <= 1100
    assert min(drawn.image.size) >= 8
    assert drawn.kind == name
    assert drawn.is_product == (function is draw_product)
    assert drawn.language in ("", *NOTICES)
    assert bool(drawn.language) <= bool(drawn.words)
    if function is draw:
        assert drawn.family in FAMILIES
        assert drawn.family.partition("/")[0] == name


@every
@settings(max_examples=20)
@given(seed=seeds)
def test_there_is_something_to_see(function: Function, name: str, seed: int) -> None:
    picture = function(name, np.random.default_rng(seed), builtin_resources()).image
    low, high = zip(*picture.getextrema(), strict=True)
    # A plain colour is goods (a paint chip); a stand-in has at least a trace of something.
    if (function, name) != (draw_product, "swatch"):
        assert max(b - a for a, b in zip(low, high, strict=True)) >= 8


@every
@settings(max_examples=5)
@given(seed=seeds)
def test_the_same_seed_gives_the_same_bytes(function: Function, name: str, seed: int) -> None:
    first = function(name, np.random.default_rng(seed), builtin_resources())
    # Drawn in between: nothing may leak from one picture into the next.
    draw("mixed", np.random.default_rng(seed + 1), builtin_resources())
    again = function(name, np.random.default_rng(seed), builtin_resources())
    assert again.image.tobytes() == first.image.tobytes()
    assert (again.family, again.language, again.words) == (
        first.family,
        first.language,
        first.words,
    )


@every
def test_no_other_randomness_is_used(function: Function, name: str) -> None:
    def drawn(other: int) -> list[bytes]:
        random.seed(other)
        np.random.seed(other)
        rngs = (np.random.default_rng(seed) for seed in range(10))
        return [function(name, rng, builtin_resources()).image.tobytes() for rng in rngs]

    assert drawn(1) == drawn(2)


@pytest.mark.parametrize("kind", KINDS)
def test_every_family_is_drawn_sooner_or_later(kind: str) -> None:
    # Brands come from an icon package that has them, which tests do not need.
    missing = {name for name in FAMILIES if name.startswith(f"{kind}/")} - {"logo/brand"}
    for seed in range(1500):
        missing.discard(draw(kind, np.random.default_rng([seed, 1]), builtin_resources()).family)
        if not missing:
            break
    assert not missing


def test_the_languages_of_the_builtin_font_are_those_it_can_write() -> None:
    languages = builtin_resources().languages
    assert {"en", "de", "fr", "es", "it", "nl"} <= set(languages)
    assert not {"ru", "ar", "zh", "hi", "th"} & set(languages)
    for seed in range(80):
        drawn = draw("text", np.random.default_rng(seed), builtin_resources())
        assert drawn.words.replace("\n", "").isascii()


@pytest.mark.parametrize("wrong", ["", "Text", "photograph", "lettering"])
def test_an_unknown_kind_is_refused_by_name(wrong: str) -> None:
    with pytest.raises(StandinError, match="text, icon, silhouette"):
        draw(wrong, np.random.default_rng(0), builtin_resources())


def test_an_unknown_family_of_goods_is_refused_by_name() -> None:
    with pytest.raises(StandinError, match=r"'text'.*logo, icon, lettering, swatch"):
        draw_product("text", np.random.default_rng(0), builtin_resources())
