"""Many simulated teachers at once say what one category and its teacher say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.episodes import Traits
from model.errors import EpisodeError
from model.learners.prior_mixture import PriorMixture
from model.teacher.learning import OnlineLearner, Settings
from model.teacher.results import METHODS, SCENES, answers, as_text, described
from model.teacher.simulation import Run, mixed, simulate
from model.teacher.streams import SCENARIOS, Scenario, Stream, StreamSampler

DIM = 6


def pool() -> list[Traits]:
    kinds = ["text", "icon", "logo", "mixed", "blank"]
    looks = {"text": "lettering", "icon": "icon", "logo": "logo", "blank": "swatch"}
    standins = [Traits(True, "", k, looks.get(k, "")) for k in kinds for _ in range(12)]
    goods = [Traits(False, c, "", "") for c in ("shoes", "hats", "toys") for _ in range(14)]
    goods += [Traits(False, "books", "", "lettering") for _ in range(20)]
    return [*standins, *goods]


def features(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    side = np.array([1.0 if t.is_standin else -1.0 for t in pool()])
    rows = rng.standard_normal((len(side), DIM)) * 0.6
    rows[:, 0] += side
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32)


def streams(scenario: Scenario, count: int, slips: float = 0.0) -> list[Stream]:
    rng = np.random.default_rng(1)
    return [StreamSampler(pool(), 24).sample(scenario, rng, slips) for _ in range(count)]


@pytest.mark.parametrize("scenario", list(SCENARIOS))
def test_a_stream_shows_each_picture_once_and_means_what_it_is_called(scenario: Scenario) -> None:
    traits = pool()
    for stream in streams(scenario, 12):
        assert len(set(stream.pictures.tolist())) == 24
        np.testing.assert_array_equal(stream.said, stream.is_placeholder)
        halves = np.array_split(np.arange(24), 2)
        for half in halves:
            assert 0.2 <= stream.is_placeholder[half].mean() <= 0.8
        seen = [traits[i] for i in stream.pictures]
        label = stream.is_placeholder
        if scenario in ("ordinary", "new stand-in"):
            assert [t.is_standin for t in seen] == label.tolist()
        if scenario == "inverted":
            assert [t.is_standin for t in seen] == (label ^ (np.arange(24) >= 12)).tolist()
        if scenario.startswith("turning"):
            assert all(t.look for t, p in zip(seen, label, strict=True) if not p)
        if scenario.startswith("new stand-in"):
            early, late = ({seen[i].kind for i in half if label[i]} for half in halves)
            assert not early & late
        if scenario == "turned around":
            now = {seen[i].look for i in halves[1] if not label[i]}
            once = {seen[i].look for i in halves[0] if label[i]}
            assert now & once
            assert all(seen[i].kind for i in halves[1] if label[i])


def test_slips_change_the_words_and_not_the_truth() -> None:
    clean, slipped = streams("ordinary", 30), streams("ordinary", 30, 0.25)
    wrong = np.mean([stream.said != stream.is_placeholder for stream in slipped])
    assert 0.15 < wrong < 0.35
    np.testing.assert_array_equal(clean[0].pictures, slipped[0].pictures)


def test_a_pool_that_is_too_small_says_so() -> None:
    for scenario in SCENARIOS:
        with pytest.raises(EpisodeError):
            StreamSampler(pool()[:30], 200).sample(scenario, np.random.default_rng(0))
    with pytest.raises(EpisodeError, match="even length"):
        StreamSampler(pool(), 3)


@pytest.mark.parametrize("unsure", [None, 0.8])
@pytest.mark.parametrize("scenario", ["turned around", "ordinary"])
def test_all_at_once_is_one_by_one(scenario: Scenario, unsure: float | None) -> None:
    torch.manual_seed(0)
    learner = PriorMixture(DIM, 2)
    settings = Settings(windows=(5,), absurd=0.4, slips=0.1)
    found = features(2)
    drawn = streams(scenario, 4, 0.2)
    run = simulate(learner, found, drawn, settings, unsure=unsure)
    assert (unsure is None) == bool(run.told.all())
    one = OnlineLearner(learner, settings)
    assert run.candidates == one.candidates
    for place, stream in enumerate(drawn):
        state = one.start()
        for t, (picture, word) in enumerate(zip(stream.pictures, stream.said, strict=True)):
            row = torch.from_numpy(found[picture])
            np.testing.assert_allclose(
                one.given(state, row[None])[0], run.given[place, t], atol=1e-4
            )
            assert one.predict(state, row[None])[0] == pytest.approx(run.answer[place, t], abs=1e-4)
            if run.told[place, t]:
                state = one.corrected(state, str(picture), row, bool(word)).state
    np.testing.assert_allclose(
        mixed(run, run.candidates, settings.share, 0.1), run.answer, atol=1e-12
    )


def test_a_run_is_kept_whole_and_described(tmp_path: Path) -> None:
    learner, settings = PriorMixture(DIM, 2), Settings(windows=(5,), absurd=0.4)
    sampler, rng = StreamSampler(pool(), 24), np.random.default_rng(3)
    scene = SCENES[1]
    drawn = [sampler.sample(scene.scenario, rng) for _ in range(3)]
    run = simulate(learner, features(4), drawn, settings)
    run.save(tmp_path / "run.npz")
    back = Run.load(tmp_path / "run.npz")
    np.testing.assert_array_equal(back.given, run.given)
    assert back.candidates == run.candidates
    figures = described(back, scene, settings)
    wrong = (run.answer > 0.5) != run.is_placeholder
    ours = figures["methods"]["ours"]
    assert ours["error"]["all"]["estimate"] == pytest.approx(wrong.mean())
    assert ours["error"]["last"]["estimate"] == pytest.approx(wrong[:, -20:].mean())
    curve = ours["error_by_correction"]
    assert curve["at"] == [20, 24]
    assert curve["estimate"][1] == pytest.approx(wrong[:, 4:].mean(), abs=5e-5)
    loss = -np.log(np.where(run.is_placeholder, run.answer, 1 - run.answer))
    assert ours["log_loss"]["estimate"] == pytest.approx(loss.mean())
    assert ours["ours_less_this"]["estimate"] == 0
    assert sum(figures["last_weights"].values()) == pytest.approx(1)
    text = as_text(figures)
    assert json.loads(text) == figures
    assert f'"at": {curve["at"]},\n' in text  # numbers alone stand on one line


def test_each_comparison_changes_one_thing_and_stands_only_where_it_does() -> None:
    rng = np.random.default_rng(5)
    given, truth = rng.uniform(0.01, 0.99, (3, 24, 4)), rng.random((3, 24)) < 0.5
    names = ("all", "last 5", "undoubted", "base")

    def of(names: tuple[str, ...], settings: Settings) -> tuple[Run, dict[str, np.ndarray]]:
        run = Run(names, given[..., : len(names)], truth * 1.0, truth, truth, np.ones_like(truth))
        ours = mixed(run, names, settings.share, settings.slips)
        run = replace(run, answer=ours)
        return run, answers(run, settings)

    run, found = of(names, Settings(windows=(5,), absurd=0.1, slips=0.1))
    assert list(found) == [name for name in METHODS if name != "anew"]
    kept = ("all", "last 5", "base")
    np.testing.assert_array_equal(found["no slips"], mixed(run, names, 0.02, 0.0))
    np.testing.assert_array_equal(found["no doubt"], mixed(run, kept, 0.02, 0.1))
    np.testing.assert_array_equal(found["no share"], mixed(run, names, 0.0, 0.1))
    _, plain = of(kept, Settings(windows=(5,), share=0.0))
    assert list(plain) == ["ours", "all", "newest", "no teacher"]


@pytest.mark.parametrize("length", [24, 40, 43, 60])
def test_a_curve_begins_with_the_first_whole_window_and_ends_with_the_last(length: int) -> None:
    rng = np.random.default_rng(length)
    p = rng.uniform(0.01, 0.99, (3, length, 3))
    truth = rng.random((3, length)) < 0.5
    told = np.ones_like(truth)
    run = Run(("all", "last 5", "base"), p, p.mean(2), truth, truth, told)
    curve = described(run, SCENES[1], Settings(windows=(5,)))["methods"]["ours"]
    at = curve["error_by_correction"]["at"]
    assert at[0] == 20
    assert at[-1] == length
    wrong = (p.mean(2) > 0.5) != truth
    for end, found in zip(at, curve["error_by_correction"]["estimate"], strict=True):
        assert found == pytest.approx(wrong[:, end - 20 : end].mean(), abs=5e-5)
