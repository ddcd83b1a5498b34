"""Training of the reader: first on pieces of lettering, then on whole pictures.

Losses: whether the words say that there is no picture; whether there is lettering; and, from the
same pooled features, which words of a vocabulary are there, for that makes the network read words
and not only tell two heaps apart. Random numbers come from the seed and the step alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from model.experts.words import Features, Reader
from model.training.checkpoints import Progress, load_checkpoint, save_checkpoint
from model.training.journal import Journal
from model.training.reader_cache import Cached
from model.training.reader_phrases import squeezed
from model.training.reader_views import ReaderLabel


@dataclass(frozen=True)
class ReaderStageConfig:
    """One stage of training.

    Attributes:
        name: of its checkpoint and its lines in the log.
        on: "pieces" or "pictures".
        learning_rate, weight_decay: of AdamW; linear warm-up over 5 %, then a cosine to 0.
        words, letters: weight of the losses over the vocabulary; lettering: of that over lettering.
        silence: how much a picture without lettering weighs in the loss over lettering.
        shift: pictures are moved by up to so many pixels each way.
    """

    name: str
    on: str
    steps: int
    batch: int
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    words: float = 0.5
    letters: float = 0.5
    lettering: float = 0.3
    silence: float = 1.0
    shift: int = 4


class Vocabulary:
    """Words and letters that occur often enough to be learned, and which of them a label has.

    Args:
        labels: of everything that is trained on.
        least: times a word must occur.
        letters: how many of the commonest letters are learned.
    """

    def __init__(self, labels: Sequence[ReaderLabel], least: int = 12, letters: int = 384) -> None:
        words = Counter(word for label in labels for word in set(_words(label.words)))
        found = Counter(letter for label in labels for letter in set(squeezed(label.words)))
        self.words = sorted(word for word, n in words.items() if n >= least)
        self.letters = sorted(letter for letter, _ in sorted(found.most_common(letters)))
        self._word = {word: i for i, word in enumerate(self.words)}
        self._letter = {letter: i for i, letter in enumerate(self.letters)}

    def targets(self, labels: Sequence[ReaderLabel]) -> Tensor:
        """(n, words): each label's words with equal shares that sum to 1, or all 0 without any."""
        found = torch.zeros(len(labels), len(self.words))
        for row, label in zip(found, labels, strict=True):
            places = {self._word[w] for w in _words(label.words) if w in self._word}
            for place in places:
                row[place] = 1 / len(places)
        return found

    def spelled(self, labels: Sequence[ReaderLabel]) -> Tensor:
        """(n, letters): 1 where a label has the letter."""
        found = torch.zeros(len(labels), len(self.letters))
        for row, label in zip(found, labels, strict=True):
            for letter in set(squeezed(label.words)) & self._letter.keys():
                row[self._letter[letter]] = 1
        return found


class Spelling(nn.Module):
    """Heads that are thrown away after training: which letters are there, which words."""

    def __init__(self, reader: Reader, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.letters = nn.Conv2d(reader.options["width"], max(1, len(vocabulary.letters)), 1)
        self.words = nn.Linear(reader.options["deep"], max(1, len(vocabulary.words)))
        nn.init.constant_(self.letters.bias, -6.0)  # type: ignore[arg-type]

    def forward(self, features: Features, with_letters: bool = True) -> tuple[Tensor, Tensor]:
        """Logits of letters (n, letters), each the softly greatest of all places, and of words.

        Letters cost as much as the whole network; without them their logits are 0.
        """
        words = self.words(features.pooled).float()
        if not with_letters:
            return words.new_zeros(len(words), self.letters.out_channels), words
        return torch.logsumexp(self.letters(features.letters).float().flatten(2), 2), words


def _words(text: str) -> list[str]:
    return [word for part in re.split(r"[\s|]+", text) if (word := squeezed(part))]


def train_stage(
    reader: Reader,
    spelling: Spelling,
    vocabulary: Vocabulary,
    cached: Cached,
    config: ReaderStageConfig,
    *,
    seed: int,
    folder: Path,
    fingerprint: str,
    progress: Callable[[int, int, str], None] = lambda done, total, text: None,
) -> None:
    """Train ``reader`` and ``spelling`` in place.

    Goes on from the checkpoint in ``folder`` where there is one of this fingerprint.

    Raises:
        WeightsError: the checkpoint there belongs to another configuration.
    """
    name = config.name
    modules: dict[str, nn.Module] = {"reader": reader, "spelling": spelling}
    parameters = [p for module in modules.values() for p in module.parameters()]
    optimiser = torch.optim.AdamW(
        parameters, lr=config.learning_rate, weight_decay=config.weight_decay
    )
    path = folder / f"{name}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    start = load_checkpoint(path, modules, optimiser, fingerprint)
    journal = Journal(folder / "log.jsonl")
    journal.rewind(name, start)
    reader.train()
    told: list[list[float]] = []
    for step in range(start, config.steps):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * _schedule(step / config.steps)
        rng = np.random.default_rng([seed, len(name), step])
        places = _places(seed, step, config.batch, len(cached))
        labels = [cached.labels[p] for p in places.tolist()]
        grey = torch.from_numpy(augmented(cached.gather(places), rng, config.shift))
        reading, features = reader.read_grey(grey)
        letters, words = spelling(features, config.letters > 0)
        none, ink = verdict_losses(reading.says_none, reading.lettering, labels, config.silence)
        spelled = word_loss(words, vocabulary.targets(labels))
        lettered = letter_loss(letters, vocabulary.spelled(labels))
        loss = none + config.lettering * ink + config.words * spelled + config.letters * lettered
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        told.append([none.item(), ink.item(), spelled.item(), lettered.item()])
        last = step + 1 == config.steps
        if (step + 1) % 20 == 0 or last:
            means = np.mean(told, axis=0)
            told.clear()
            names = ("none", "lettering", "words", "letters")
            journal.write(name, step, dict(zip(names, means.tolist(), strict=True)))
            progress(step + 1, config.steps, f"none {means[0]:.3f}, words {means[2]:.2f}")
        if (step + 1) % 200 == 0 or last:
            save_checkpoint(path, modules, optimiser, Progress(step + 1, fingerprint))
    reader.eval()


def verdict_losses(
    says_none: Tensor, lettering: Tensor, labels: Sequence[ReaderLabel], silence: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Mean cross-entropies of both logits over the labels that are known; 0 where none is.

    Pictures without lettering weigh ``silence`` in the second.
    """
    none = torch.tensor([float(label.says_none) for label in labels])
    ink = torch.tensor([float(label.lettering) for label in labels])
    return _masked(says_none.float(), none, 1.0), _masked(lettering.float(), ink, silence)


def _masked(logits: Tensor, target: Tensor, weight_of_0: float) -> Tensor:
    known = target >= 0
    if not bool(known.any()):
        return logits.sum() * 0
    weights = torch.where(target == 0, weight_of_0, 1.0)[known]
    return F.binary_cross_entropy_with_logits(logits[known], target[known], weights)


def word_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Mean cross-entropy to the words of each row that has any."""
    has = wanted.sum(1) > 0
    each = -(wanted * F.log_softmax(logits, dim=1)).sum(1)
    return each[has].mean() if bool(has.any()) else each.sum() * 0


def letter_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Letters that are there and letters that are not weigh the same; rows without any are left."""
    has = wanted.sum(1) > 0
    if not bool(has.any()):
        return logits.sum() * 0
    each = F.binary_cross_entropy_with_logits(logits[has], wanted[has], reduction="none")
    there = wanted[has]
    return (each * there).sum() / there.sum() + 10 * (each * (1 - there)).sum() / (
        (1 - there).sum().clamp_min(1)
    )


def _schedule(share: float) -> float:
    return min(share / 0.05, 0.5 + 0.5 * float(np.cos(np.pi * share))) + 1e-4


def _places(seed: int, step: int, batch: int, count: int) -> NDArray[np.int64]:
    """Which pictures are in a step's batch: each once an epoch, in the epoch's own order."""
    flat = np.arange(step * batch, (step + 1) * batch)
    found = np.empty(batch, dtype=np.int64)
    for epoch in np.unique(flat // count):
        order = np.random.default_rng([seed, 73, int(epoch)]).permutation(count)
        mine = flat // count == epoch
        found[mine] = order[flat[mine] % count]
    return found


def augmented(
    pixels: NDArray[np.uint8], rng: np.random.Generator, shift: int
) -> NDArray[np.float32]:
    """Grey in 0..1, moved a little, half of it inverted, contrast changed.

    Args:
        pixels: (n, h, w); n draws of each kind are taken from ``rng``.
        shift: most pixels of a move; what comes in is the mid-grey of letterboxing.
    """
    n, h, w = pixels.shape
    moves = rng.integers(0, 2 * shift + 1, (n, 2))
    padded = np.pad(pixels, ((0, 0), (shift, shift), (shift, shift)), constant_values=128)
    moved = np.stack([p[y : y + h, x : x + w] for p, (y, x) in zip(padded, moves, strict=True)])
    gain = rng.uniform(0.55, 1.1, (n, 1, 1)) * rng.choice([-1.0, 1.0], (n, 1, 1))
    grey = 0.5 + (moved.astype(np.float32) / 255 - 0.5) * gain.astype(np.float32)
    found: NDArray[np.float32] = np.clip(grey, 0, 1, dtype=np.float32)
    return found


__all__ = [
    "ReaderStageConfig",
    "Spelling",
    "Vocabulary",
    "augmented",
    "letter_loss",
    "train_stage",
    "verdict_losses",
    "word_loss",
]
