"""The configuration of a reader: everything that decides its weights, in TOML."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.errors import ManifestError
from model.training.reader_stage import ReaderStageConfig


@dataclass(frozen=True)
class ReaderConfig:
    """A whole reader.

    Attributes:
        pieces: close cuts of lettering that are drawn; pictures: whole pictures.
        stages: one after the other, each going on from what the one before left.
    """

    name: str
    seed: int
    pieces: int
    pictures: int
    stages: tuple[ReaderStageConfig, ...]


def load_reader_config(path: Path) -> ReaderConfig:
    """Read a configuration; a misspelt name is refused, not ignored.

    Raises:
        ManifestError: not TOML, an unknown or missing name, or a value of the wrong type.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ManifestError(f"cannot read the configuration {path}: {error}") from error
    stages = tuple(
        _built(ReaderStageConfig, each, f"{path}, [[stages]]") for each in found.get("stages", ())
    )
    config: ReaderConfig = _built(ReaderConfig, {**found, "stages": stages}, str(path))
    if strange := {stage.on for stage in stages} - {"pieces", "pictures"}:
        raise ManifestError(f"{path}: stages are on pieces or pictures, got {sorted(strange)}")
    if not stages or len({stage.name for stage in stages}) != len(stages):
        raise ManifestError(f"{path} needs [[stages]], each with a name of its own")
    return config


def _built(kind: Any, values: Any, where: str) -> Any:
    if not isinstance(values, dict):
        raise ManifestError(f"{where} must be a table of names and values")
    types = {each.name: str(each.type) for each in dataclasses.fields(kind)}
    for name, value in values.items():
        if name not in types:
            raise ManifestError(f"{where}: unknown name {name!r}; known: {', '.join(types)}")
        if types[name] == "float" and type(value) is int:
            values = {**values, name: float(value)}
        elif types[name] in ("int", "float", "str") and type(value).__name__ != types[name]:
            raise ManifestError(f"{where}: {name} must be of type {types[name]}, got {value!r}")
    try:
        return kind(**values)
    except TypeError as error:
        raise ManifestError(f"{where}: {error}") from error
