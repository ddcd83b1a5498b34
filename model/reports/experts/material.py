"""Held-out pictures with the signals of every expert, kept so that a second run is quick."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from model import Model, images
from model.data import Record, load_manifest
from model.episodes import Traits
from model.errors import ManifestError
from model.experts.signals import Signals
from model.experts.words import RELEASED as READER
from model.experts.words import load_reader, load_reader_card
from model.reports.pool import folders_in
from model.training.expert_log import Pool, see
from model.training.run import Tell

_BATCH = 32


def held_out(data: Sequence[Path], validation: Sequence[Path]) -> list[Record]:
    """Records that no training has seen; each picture once, none whose bytes are trained on.

    Raises:
        ManifestError: nothing is held out.
    """
    everything = [r for folder in data for part in folders_in(folder) for r in load_manifest(part)]
    more = [r for folder in validation for part in folders_in(folder) for r in load_manifest(part)]
    seen = {_digest(record) for record in everything if not record.is_held_out}
    found = []
    for record in [*(r for r in everything if r.is_held_out), *more]:
        name = _digest(record)
        if name not in seen:
            seen.add(name)
            found.append(record)
    if not found:
        raise ManifestError("none of these pictures is held out of training")
    return found


def traits_of(record: Record) -> Traits:
    """What the episode sampler must know."""
    return Traits(record.is_standin, record.category, record.kind, record.look)


def see_all(model: Model, records: Sequence[Record], cache: Path, tell: Tell) -> Pool:
    """Signals of every record, from the cache where they are there; a glance, too, where the
    release glances."""
    reader = load_reader_card(READER).sha256
    named: tuple[object, ...] = (model.card.sha256, reader, [_digest(r) for r in records])
    if model.encoder.precision == "int8":
        named = (*named, model.card.int8_graph_sha256, model.card.int8_weights_sha256)
    experts = model.ensemble.experts
    glance = experts.glance if experts is not None and experts.glances else None
    if glance is not None:
        named = (*named, glance.side, hashlib.sha256(glance.weight.tobytes()).hexdigest())
    key = hashlib.sha256(repr(named).encode()).hexdigest()
    path = cache / f"experts-{key[:16]}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        size = model.encoder.image_size
        decoded = [images.decode(record.path.read_bytes(), size) for record in records]
        pixels = np.stack([picture.pixels for picture in decoded])
        sizes = np.array([(picture.width, picture.height) for picture in decoded])
        found = see([pixels], sizes, load_reader(), tell)
        visual, glanced = [], []
        for start in range(0, len(pixels), _BATCH):
            some = pixels[start : start + _BATCH]
            visual.append(model.encoder.embed(some))
            if glance is not None:
                glanced.append(glance.guess(model.encoder.embed_smaller(some, glance.side)))
            tell(min(start + _BATCH, len(pixels)), len(pixels), "visual")
        found["visual"] = np.concatenate(visual)
        if glanced:
            found["glance"] = np.concatenate(glanced)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, allow_pickle=False, **found)
        partial.replace(path)
    with np.load(path, allow_pickle=False) as kept:
        parts = {name: kept[name] for name in kept.files}
    everything = np.ones(len(records), np.bool_)
    signals = replace(
        Signals.empty(len(records), model.ensemble.widths),
        **parts,
        looked=everything,
        read=everything,
        embedded=everything,
        glanced=everything & ("glance" in parts),
    )
    return Pool(signals, np.array([record.kind or record.hardtag for record in records]))


def _digest(record: Record) -> str:
    return hashlib.sha256(record.path.read_bytes()).hexdigest()
