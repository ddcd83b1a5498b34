"""Meta-training of all learners: jobs that processes share, each kept as soon as it is done.

A job is one short run that tries a choice, or the whole run with the choice that won. What a job
found lies in a file named by everything it depends on, so a run that was stopped goes on.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from model import episodes as episodes_module
from model.learners import LEARNERS
from model.learners.meta import MetaLearner
from model.reports.bakeoff import training
from model.reports.bakeoff.code import code_digest, digest
from model.reports.bakeoff.material import Material
from model.reports.bakeoff.training import Budget
from model.training import objective, pools, zero_shot
from model.training.objective import EpisodeBatch
from model.training.sources import ViewLabel

Progress = Callable[[str, int, int], None]
_FIELDS = tuple(EpisodeBatch.__dataclass_fields__)


@dataclass(frozen=True)
class Choice:
    """What is chosen for a learner: a learning rate, or the options it is built with."""

    rate: float = 0.0
    options: tuple[tuple[str, int | float], ...] = ()

    @property
    def name(self) -> str:
        """For people."""
        if self.options:
            return ", ".join(f"{key} = {value:g}" for key, value in self.options)
        return f"learning rate {self.rate:g}" if self.rate else "as it is"


@dataclass(frozen=True, eq=False)
class Trained:
    """A learner ready to be measured.

    Attributes:
        key: names everything it depends on.
        record: how it came about: choices and their losses, parameters, seconds, losses.
    """

    learner: MetaLearner
    key: str
    record: dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One run: of all steps on all material (``whole``), or the trial of a choice."""

    learner: str
    choice: Choice
    whole: bool


@dataclass(frozen=True, eq=False)
class Work:
    """What every job needs: material and tasks, drawn once for all learners.

    Attributes:
        material: all of it; ``fitted`` and ``judged`` are its parts for choosing.
        whole, trial, judging: batches of tasks over material, fitted and judged.
    """

    material: Material
    fitted: Material
    judged: Material
    whole: Sequence[EpisodeBatch]
    trial: Sequence[EpisodeBatch]
    judging: Sequence[EpisodeBatch]
    budget: Budget
    seed: int

    @classmethod
    def draw(cls, material: Material, budget: Budget, seed: int) -> Work:
        """Draw the tasks.

        Raises:
            EpisodeError: the material has too few pictures for any task.
        """
        fitted, judged = material.parts()
        return cls(
            material,
            fitted,
            judged,
            training.draw(material, budget.steps * budget.tasks, budget, (seed, 0)),
            training.draw(fitted, budget.grid_steps * budget.tasks, budget, (seed, 1)),
            training.draw(judged, budget.judged, budget, (seed, 2)),
            budget,
            seed,
        )

    def save(self, folder: Path) -> None:
        """For the processes; whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors: dict[str, Tensor] = {"embeddings": self.material.embeddings}
        for name in ("whole", "trial", "judging"):
            for number, batch in enumerate(getattr(self, name)):
                tensors |= {f"{name}.{number}.{f}": getattr(batch, f) for f in _FIELDS}
        labels = [json.dumps(label.as_dict()) for label in self.material.labels]
        partial = folder / "work.partial"
        save_file(tensors, partial, {"labels": "\n".join(labels)})
        partial.replace(folder / "work.safetensors")

    @classmethod
    def load(cls, folder: Path, budget: Budget, seed: int) -> Work:
        """Read what :meth:`save` wrote."""
        path = folder / "work.safetensors"
        tensors = load_file(path)
        with safe_open(path, framework="pt") as file:
            lines = file.metadata()["labels"].splitlines()
        material = Material(
            tensors["embeddings"], [ViewLabel(**json.loads(line)) for line in lines]
        )
        fitted, judged = material.parts()

        def batches(name: str) -> list[EpisodeBatch]:
            count = sum(key.startswith(f"{name}.") for key in tensors) // len(_FIELDS)
            return [
                EpisodeBatch(*(tensors[f"{name}.{number}.{f}"] for f in _FIELDS))
                for number in range(count)
            ]

        drawn = batches("whole"), batches("trial"), batches("judging")
        return cls(material, fitted, judged, *drawn, budget, seed)


def run(job: Job, work: Work) -> tuple[MetaLearner, dict[str, Any]]:
    """Do one job; a trial's learner is judged, a whole run's is ready to be used."""
    dim = work.material.embeddings.shape[1]
    learner = training.build(job.learner, dim, dict(job.choice.options), work.seed)
    material = work.material if job.whole else work.fitted
    losses: list[float] = []
    begun = time.perf_counter()
    if training.is_trained(learner):
        steps = work.whole if job.whole else work.trial
        losses = training.meta_train(learner, material, steps, job.choice.rate)
    seconds = time.perf_counter() - begun
    training.give_zero_shot(learner, material, work.budget)
    learner.eval()
    found: dict[str, Any] = {
        "choice": job.choice.name,
        "seconds": round(seconds, 1),
        "losses": [round(float(np.mean(part)), 5) for part in _split(losses)],
    }
    if not job.whole:
        found["judged"] = training.judge(learner, work.judged, work.judging)
    return learner, found


def _split(losses: Sequence[float], points: int = 20) -> list[np.ndarray]:
    return [p for p in np.array_split(np.array(losses), points) if len(p)] if losses else []


_work: Work | None = None  # of a worker process, read once when it starts


def _start(folder: Path, budget: Budget, seed: int) -> None:
    global _work
    torch.set_num_threads(1)
    _work = Work.load(folder, budget, seed)


def _do(job: Job, path: Path) -> None:
    if _work is None:
        raise RuntimeError("a worker runs jobs only after _start")
    _keep(job, _work, path)


def _keep(job: Job, work: Work, path: Path) -> None:
    """Run a job and write what it found, the record last: its presence says that all is there."""
    learner, found = run(job, work)
    if job.whole:
        state = {key: value.contiguous().clone() for key, value in learner.state_dict().items()}
        partial = path.with_suffix(".partial")
        save_file(state, partial)
        partial.replace(path.with_suffix(".safetensors"))
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(found), encoding="utf-8")
    partial.replace(path)


def train_all(
    names: Sequence[str],
    material: Material,
    budget: Budget,
    *,
    seed: int,
    cache: Path,
    workers: int = 0,
    progress: Progress = lambda what, done, total: None,
) -> dict[str, Trained]:
    """Choose for, and meta-train, every learner that is named.

    Args:
        cache: folder for what jobs find.
        workers: processes; 0 runs everything in this one.

    Raises:
        EpisodeError: the material has too few pictures for any task.
        MetricError: a learner diverged whatever was chosen for it.
    """
    pictures = material.digest()
    keys = {name: _key(name, pictures, budget, seed) for name in names}
    plan = _Plan(names, keys, cache, material.embeddings.shape[1], budget, seed)
    if plan.waiting():
        progress("drawing tasks", 0, 1)
        work = Work.draw(material, budget, seed)
        progress("drawing tasks", 1, 1)
        if workers:
            work.save(cache / "work")
            _share(plan, cache / "work", budget, seed, workers, progress)
        else:
            while jobs := plan.waiting():
                _tell(plan, progress)
                _keep(jobs[0], work, plan.path(jobs[0]))
    _tell(plan, progress)
    return {name: plan.trained(name) for name in names}


def _share(
    plan: _Plan, folder: Path, budget: Budget, seed: int, workers: int, progress: Progress
) -> None:
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), _start, (folder, budget, seed)
    )
    running: dict[Future[None], Job] = {}
    try:
        while True:
            for job in plan.waiting():
                if job not in running.values() and len(running) < workers:
                    running[pool.submit(_do, job, plan.path(job))] = job
            if not running:
                break
            _tell(plan, progress)
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                del running[future]
                future.result()
    finally:
        pool.shutdown(wait=sys.exc_info()[0] is None, cancel_futures=True)


def _tell(plan: _Plan, progress: Progress) -> None:
    done, total = plan.done()
    progress("meta-training", done, total)


class _Plan:
    """Which jobs there are, and which are done: by the files that they leave."""

    def __init__(
        self,
        names: Sequence[str],
        keys: dict[str, str],
        cache: Path,
        dim: int,
        budget: Budget,
        seed: int,
    ) -> None:
        self._keys, self._folder = keys, cache / "trained"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._dim, self._seed = dim, seed
        self._choices = {name: self._choices_of(name, budget) for name in names}

    def _choices_of(self, name: str, budget: Budget) -> list[Choice]:
        if training.is_trained(training.build(name, self._dim, {}, self._seed)):
            return [Choice(rate=rate) for rate in budget.rates]
        given = training.CHOICES.get(name, [])
        return [Choice(options=tuple(options.items())) for options in given] or [Choice()]

    def path(self, job: Job) -> Path:
        """Where a job's record lies."""
        what = "whole" if job.whole else digest(job.choice)[:8]
        return self._folder / f"{job.learner}-{self._keys[job.learner][:16]}-{what}.json"

    def _tried(self, name: str) -> dict[Choice, dict[str, Any]] | None:
        """Records of the trials; None while one is missing. One choice needs no trial."""
        paths = {c.name: self.path(Job(name, c, False)) for c in self._choices[name]}
        if len(paths) == 1:
            return {}
        if not all(path.exists() for path in paths.values()):
            return None
        return {
            c: json.loads(paths[c.name].read_text(encoding="utf-8")) for c in self._choices[name]
        }

    def _best(self, name: str, tried: dict[Choice, dict[str, Any]]) -> Choice:
        losses = {choice.name: record["judged"] for choice, record in tried.items()}
        if not losses:
            return self._choices[name][0]
        chosen = training.best(losses, name)
        return next(choice for choice in tried if choice.name == chosen)

    def waiting(self) -> list[Job]:
        """Jobs that could be run now."""
        found: list[Job] = []
        for name, choices in self._choices.items():
            tried = self._tried(name)
            if tried is None:
                trials = [Job(name, choice, False) for choice in choices]
                found += [job for job in trials if not self.path(job).exists()]
            else:
                job = Job(name, self._best(name, tried), True)
                found += [] if self.path(job).exists() else [job]
        return found

    def done(self) -> tuple[int, int]:
        """Jobs done, and all that there are."""
        done = total = 0
        for name, choices in self._choices.items():
            jobs = [Job(name, c, False) for c in choices] if len(choices) > 1 else []
            jobs.append(Job(name, choices[0], True))
            total += len(jobs)
            done += sum(self.path(job).exists() for job in jobs)
        return done, total

    def trained(self, name: str) -> Trained:
        """What the whole run left."""
        tried = self._tried(name) or {}
        choice = self._best(name, tried)
        path = self.path(Job(name, choice, True))
        learner = training.build(name, self._dim, dict(choice.options), self._seed)
        learner.load_state_dict(load_file(path.with_suffix(".safetensors")))
        record = json.loads(path.read_text(encoding="utf-8"))
        record["tried"] = {c.name: r["judged"] for c, r in tried.items()}
        record["parameters"] = sum(p.numel() for p in learner.parameters() if p.requires_grad)
        record["options"] = dict(choice.options)
        return Trained(learner.eval().requires_grad_(False), self._keys[name], record)


def _key(name: str, pictures: str, budget: Budget, seed: int) -> str:
    learner = sys.modules[LEARNERS[name].__module__]
    code = code_digest(learner, training, objective, pools, zero_shot, episodes_module)
    return digest(name, code, pictures, asdict(budget), seed)
