"""Who takes part, in the table's order: the release's learner, then all learners, then peers."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from model import calibration, learners
from model.encoder import Encoder
from model.episodes import Episode, EpisodeSampler
from model.learners import linear, meta
from model.learners.meta import MetaLearner
from model.reports import baselines, few_shot
from model.reports.bakeoff.code import code_digest, digest
from model.reports.bakeoff.entrants import Entrant, LearnerEntrant, PeerEntrant, Source
from model.reports.bakeoff.jobs import Trained
from model.reports.baselines import PlainLogistic, Scaling, fit_zero_shot
from model.reports.few_shot import Choice, choose_penalty
from model.reports.methods import training_positions
from model.reports.peers import answering, calibration_sample, easy_few_shot, fixed, scikit
from model.reports.peers.answering import Calibrated, Peer, calibrate, training_tasks
from model.reports.peers.checks import CheckReader
from model.reports.peers.easy_few_shot import EasyFewShot
from model.reports.peers.evidence import EvidenceStore, Reader
from model.reports.peers.evidence import look_milliseconds as reader_milliseconds
from model.reports.peers.fixed import Fixed
from model.reports.peers.perceptual_hash import HashReader, NearestHash
from model.reports.peers.scikit import ScikitClassifier, ScikitLogistic
from model.reports.peers.words import WordReader
from model.reports.pool import Pool

Progress = Callable[[str, int, int], None]
FAMILIES: dict[str, tuple[str, ...]] = {
    "gradient steps": ("maml", "fomaml", "anil", "fine-tuning", "learned-optimiser"),
    "metric": ("prototypical", "matching", "siamese", "memory-augmented", "nearest-neighbour"),
    "closed form": ("prior-mixture", "ridge", "logistic-prior", "logistic"),
}
PEERS = (
    "sklearn-logistic",
    "sklearn-svc",
    "sklearn-bayes",
    *easy_few_shot.METHODS,
    "phash",
    "cleanvision",
    "word-list",
)


def family_of(name: str) -> str:
    """What a learner stands beside; a new one stands with the closed forms until told."""
    return next((family for family, members in FAMILIES.items() if name in members), "closed form")


@dataclass(frozen=True, eq=False)
class Setting:
    """What all entrants share.

    Attributes:
        embeddings: of the pool, shape (pool, d), float32. encoder_key: names what made them.
        look_ms: of the encoder, for a picture.
    """

    pool: Pool
    embeddings: Float[np.ndarray, "p d"]
    encoder_key: str
    look_ms: float


def learner_entrants(
    setting: Setting,
    trained: Mapping[str, Trained],
    shipped: tuple[str, str, MetaLearner] | None = None,
) -> list[Entrant]:
    """The release's own learner first, as it ships; then those that were trained here.

    Args:
        shipped: name of the release, what it was made of (weights and options of the learner), and
            its learner; None where it cannot take part, and the default learner as it was trained
            here is the first.
    """
    rows = torch.from_numpy(np.ascontiguousarray(setting.embeddings))
    found: list[Entrant] = []
    if shipped is not None:
        name, made, learner = shipped
        code = code_digest(learners, linear, meta, sys.modules[type(learner).__module__])
        found.append(
            LearnerEntrant(
                name,
                f"{learner.name}, as shipped",
                family_of(learner.name),
                "shipped",
                digest(made, setting.encoder_key, code),
                learner,
                rows,
                setting.look_ms,
            )
        )
    order = sorted(trained, key=lambda each: shipped is None and each != learners.DEFAULT)
    for each in order:
        one = trained[each]
        source: Source = "meta-trained" if one.record["parameters"] else "as built"
        key = digest(one.key, setting.encoder_key)
        found.append(
            LearnerEntrant(
                each, each, family_of(each), source, key, one.learner, rows, setting.look_ms
            )
        )
    return found


def peer_entrants(
    setting: Setting,
    files: Mapping[str, Path],
    *,
    cache: Path,
    episodes: int,
    seed: int,
    only: Sequence[str],
    progress: Progress = lambda what, done, total: None,
) -> list[Entrant]:
    """Peers, their constants chosen on the training split.

    Args:
        files: of the pictures, by the SHA-256 of their bytes.
        episodes: of each sort and K, for choosing.
        only: names of those that are wanted, of ``PEERS``.

    Raises:
        PeerMissing: a peer's package is not installed.
        MetricError, EpisodeError: the training split is too small to choose on.
    """
    pool = setting.pool
    training = training_positions(pool)
    sampler = EpisodeSampler([pool.items[i].traits for i in training])
    tasks = training_tasks(sampler, episodes, seed)
    base = digest(setting.encoder_key, pool.digest(), episodes, seed, code_digest(answering))
    rows = setting.embeddings
    found: list[Entrant] = []

    def wanted(name: str) -> bool:
        return name in only

    def add(name: str, title: str, peer: Calibrated, key: str) -> None:
        look = setting.look_ms
        found.append(PeerEntrant(name, title, digest(base, key), peer, rows, look))

    if wanted("sklearn-logistic"):
        code = code_digest(scikit, baselines, few_shot, calibration)
        logistic = _logistic(setting, training, sampler, cache, episodes, seed, digest(base, code))
        title = "scikit-learn, logistic regression"
        add("sklearn-logistic", title, Calibrated(logistic), code)
    classifiers: list[tuple[str, str, Peer, str]] = [
        ("sklearn-svc", "scikit-learn, linear SVC", ScikitClassifier("svc"), code_digest(scikit)),
        (
            "sklearn-bayes",
            "scikit-learn, naive Bayes",
            ScikitClassifier("bayes"),
            code_digest(scikit),
        ),
    ]
    for name, (method, title, options) in easy_few_shot.METHODS.items():
        if wanted(name):
            peer = EasyFewShot(method, tuple(options.items()))
            own = digest(peer.key, code_digest(easy_few_shot))
            classifiers.append((name, f"easyfsl, {title}", peer, own))
    for done, (name, title, classifier, key) in enumerate(classifiers):
        progress("peers", done, len(classifiers))
        if wanted(name):
            add(name, title, calibrate(classifier, rows[training], tasks), key)
    progress("peers", len(classifiers), len(classifiers))
    found += _readers(setting, files, training, tasks, cache, base, wanted, progress)
    return found


def _logistic(
    setting: Setting,
    training: Sequence[int],
    sampler: EpisodeSampler,
    cache: Path,
    episodes: int,
    seed: int,
    key: str,
) -> ScikitLogistic:
    """As docs/benchmarks.md has it: penalty and scaling of least loss on training tasks."""
    items = [setting.pool.items[i] for i in training]
    own = setting.embeddings[list(training)]
    prior = fit_zero_shot(
        own, np.array([item.is_standin for item in items]), [item.group for item in items]
    )
    path = cache / f"chosen-{key[:16]}.json"
    if path.exists():
        chosen = Choice(**json.loads(path.read_text(encoding="utf-8")))
    else:
        chosen = choose_penalty(PlainLogistic, prior, own, sampler, episodes=episodes, seed=seed)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(chosen)), encoding="utf-8")
        partial.replace(path)
    return ScikitLogistic(prior, Scaling.of(own, chosen.standardised), chosen.penalty)


def _readers(
    setting: Setting,
    files: Mapping[str, Path],
    training: Sequence[int],
    tasks: Sequence[Episode],
    cache: Path,
    base: str,
    wanted: Callable[[str], bool],
    progress: Progress,
) -> list[Entrant]:
    """Peers that look at pictures themselves."""
    pool = setting.pool
    measured, sample = pool.measured, calibration_sample(pool)
    plans: list[tuple[str, str, Callable[[], Reader], Sequence[int]]] = [
        ("phash", "imagededup, perceptual hash, nearest example", HashReader, training),
        ("cleanvision", "cleanvision's checks", CheckReader, training),
        ("word-list", "words read (RapidOCR) in a list of notices", WordReader, sample),
    ]
    found: list[Entrant] = []
    store = EvidenceStore(cache / "evidence.sqlite")
    try:
        for name, title, kind, fitted in plans:
            if not wanted(name):
                continue
            reader = kind()
            at = [*measured, *fitted]
            store.read_all(
                reader,
                [pool.items[i] for i in at],
                files,
                lambda done, total, name=name: progress(f"reading: {name}", done, total),  # type: ignore[misc]
            )
            rows = store.matrix(reader, [item.key for item in pool.items])
            if name == "phash":
                peer = calibrate(NearestHash(), rows[list(training)], tasks)
            else:
                is_standin = np.array([pool.items[i].is_standin for i in fitted])
                peer = Calibrated(Fixed.fit(rows[list(fitted)], is_standin))
            module = sys.modules[type(reader).__module__]
            key = digest(base, reader.key, code_digest(module, fixed))
            look = reader_milliseconds(reader, [pool.items[i] for i in measured], files)
            found.append(PeerEntrant(name, title, key, peer, rows, look))
    finally:
        store.close()
    return found


def look_milliseconds(encoder: Encoder, pixels: Sequence[np.ndarray]) -> float:
    """Median time to embed one picture, one at a time."""
    taken: list[float] = []
    for picture in pixels:
        begun = time.perf_counter()
        encoder.embed([picture])
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken)) * 1000 if taken else float("nan")


__all__ = [
    "FAMILIES",
    "PEERS",
    "Setting",
    "family_of",
    "learner_entrants",
    "look_milliseconds",
    "peer_entrants",
]
