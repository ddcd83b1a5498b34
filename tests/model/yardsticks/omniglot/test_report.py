"""The table says what the outcomes say, and its page keeps everything else."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from model.errors import ManifestError
from model.intervals import proportion_interval
from model.yardsticks.omniglot import report
from model.yardsticks.omniglot.published import PUBLISHED
from model.yardsticks.omniglot.training import Outcome

TRIALS = (20,) * 20


def outcome(name: str, background: str, wrong: int, seed: int = 0) -> Outcome:
    share, rest = divmod(wrong, 20)
    errors = tuple(share + (i < rest) for i in range(20))
    return Outcome(name, background, seed, 10, errors, TRIALS)


OUTCOMES = [
    outcome("siamese", "small1", 60),
    outcome("siamese", "small2", 100),
    outcome("prototypical", "small1", 40),
    outcome("prototypical", "small1", 48, seed=1),
    outcome("prototypical", "small2", 44),
]


def test_rows_are_errors_with_the_interval_of_400_trials_best_first() -> None:
    first, second = report.rows(OUTCOMES)
    assert (first.name, second.name) == ("prototypical", "siamese")
    assert second.by_set["small2"] == proportion_interval(100, 400)
    assert second.mean.estimate == pytest.approx(0.2)
    # Two trainings answer the same 400 trials: the interval does not narrow.
    assert first.by_set["small1"].estimate == pytest.approx(0.11)
    assert (first.by_set["small1"].low, first.by_set["small1"].high) == pytest.approx(
        (proportion_interval(44, 400).low, proportion_interval(44, 400).high)
    )
    assert first.spread == (0.1, 0.12)
    assert first.trainings == 3


def test_the_table_names_ours_and_everything_published() -> None:
    text = report.table(OUTCOMES, (155, 400))
    found = proportion_interval(100, 400)
    low, high = 100 * found.low, 100 * found.high
    assert f"25.0 ({low:.1f} to {high:.1f})" in text
    assert "38.8 (" in text
    for published in PUBLISHED:
        assert f"| {published.who} | {published.background} | {published.percent:.1f} |" in text


def test_the_table_goes_between_the_markers_and_nowhere_else(tmp_path: Path) -> None:
    page = tmp_path / "omniglot.md"
    page.write_text(f"# Title\n\n{report.START}\nold\n{report.END}\n\nlast words\n")
    for text in ("| a |", "| b |"):
        report.write_table(page, text)
        assert page.read_text() == (
            f"# Title\n\n{report.START}\n{text}\n{report.END}\n\nlast words\n"
        )


@pytest.mark.parametrize(
    "text",
    [
        "",
        report.START,
        f"{report.END}\n{report.START}",
        f"{report.START}{report.START}{report.END}",
    ],
)
def test_a_page_without_its_markers_is_refused(tmp_path: Path, text: str) -> None:
    page = tmp_path / "omniglot.md"
    page.write_text(text)
    with pytest.raises(ManifestError, match="needs the lines"):
        report.write_table(page, "| a |")
    assert page.read_text() == text
    with pytest.raises(ManifestError, match="cannot read"):
        report.write_table(tmp_path / "absent.md", "| a |")


def test_the_plot_is_the_same_bytes_and_names_the_learners(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        report.draw(OUTCOMES, (155, 400), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    words = "".join(ElementTree.parse(tmp_path / "a.svg").getroot().itertext())
    for expected in ("Siamese network", "Prototypical network", "Modified Hausdorff distance"):
        assert expected in words
