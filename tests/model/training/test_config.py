"""A configuration says what it means, or is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.errors import ManifestError
from model.training.config import load_config

# The reader's is of another kind: tests/scripts/test_train_reader.py.
CONFIGS = sorted((Path(__file__).parents[3] / "scripts" / "configs").glob("standin-*.toml"))
CONFIGS.append(CONFIGS[0].with_name("smoke.toml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_configuration_that_ships_can_be_read(path: Path) -> None:
    config = load_config(path)
    assert config.name
    assert config.encoder_stage.steps > 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed = 1", "does not say the 'name'"),
        ('name = "a"\nsede = 1', "unknown name 'sede'"),
        ('name = "a"\n[encoder]\nblocks = 3', "unknown name 'blocks'"),
        ('name = "a"\n[encoder]\ndim = "wide"', "dim must be a int"),
        ('name = "a"\nencoder = 3', "must be a table"),
        ("name = ", "cannot read"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(ManifestError, match=said):
        load_config(path)


def test_a_whole_number_is_good_for_a_fraction(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('name = "a"\n[encoder_stage]\nauxiliary = 1\n')
    assert load_config(path).encoder_stage.auxiliary == 1.0
