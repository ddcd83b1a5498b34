"""The wheel holds all that the checkout does: weights, migrations, templates, assets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("model", "service")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built from a copy (setuptools writes beside its source), and unpacked."""
    work = tmp_path_factory.mktemp("wheel")
    source = work / "source"
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([sys.executable, *build, "--wheel-dir", work, source], check=True, timeout=240)
    (wheel,) = work.glob("standin-*.whl")
    zipfile.ZipFile(wheel).extractall(work / "site")
    return work / "site"


def test_every_file_of_the_packages_is_in_the_wheel(unpacked: Path) -> None:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                name = path.relative_to(ROOT)
                assert (unpacked / name).is_file(), f"{name} is not in the wheel"


def test_the_wheel_loads_its_own_weights(unpacked: Path, tmp_path: Path) -> None:
    code = "import model; m = model.load(device='cpu'); print(model.__file__, m.card.name)"
    printed = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout.split()
    assert Path(printed[0]).is_relative_to(unpacked)
