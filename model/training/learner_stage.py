"""Outer loop over projection and learner: whole episodes, K = 0 to 20, on cached features.

The encoder's backbone is done, and its pooled features of all views fit into memory, so a step
costs tens of milliseconds and tens of thousands of tasks can be seen in minutes. A third of the
views were kept from the encoder's stage: on those that it was fitted to, a few examples part
everything, and a learner that saw no others would trust them too much.

How far to trust the priors is then fitted once more, to categories that the priors have not seen
(``model.training.stacking``): on their own ground they look better than they are.

The embedding begins as the features' principal components. The first ``fixed_dim`` of them stay:
what no task has bent serves catalogues that look like none of the tasks, and the zero-shot head
uses nothing else. The others learn with the learner.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from model.episodes import EpisodeSampler
from model.errors import SupportError
from model.learners.blended_prior import BlendedPrior
from model.learners.prior_mixture import PriorMixture
from model.training.checkpoints import Progress, load_checkpoint, save_checkpoint
from model.training.config import LearnerStageConfig
from model.training.encoder_stage import warm_cosine
from model.training.journal import Journal
from model.training.objective import EpisodeBatch, local, task_losses
from model.training.pools import draw_tasks
from model.training.projection import principal_components
from model.training.sources import ViewLabel
from model.training.stacking import FOLDS, LeftOut, fit_stacking, fold_of
from model.training.validation import validate, validation_views
from model.training.zero_shot import fit_zero_shot

STAGE = "learner"


@runtime_checkable
class Projects(Protocol):
    """What the stage asks of a network: the width of its embedding, and the last step to it."""

    dim: int
    projection: nn.Module

    def embed_pooled(self, pooled: Tensor) -> Tensor:
        """Features (n, f) to embeddings (n, dim), rows of unit length."""


@dataclass(frozen=True)
class Fit:
    """What one outer loop trains, and the name of its checkpoint."""

    projection: nn.Linear
    learner: PriorMixture
    name: str


@dataclass(frozen=True)
class LearnerStage:
    """One run of the stage: what is trained, on what, how, and where it is kept.

    Attributes:
        net: its projection is made and trained here; its backbone is not touched.
        learner: trained in place.
        features: pooled, of all views, shape (n, f), float32, on the CPU.
        labels: of the same views; each is used as its role says.
    """

    net: Projects
    learner: PriorMixture
    features: Tensor
    labels: Sequence[ViewLabel]
    config: LearnerStageConfig
    seed: int
    folder: Path
    fingerprint: str
    device: torch.device
    progress: Callable[[int, int, str], None] = lambda step, total, text: None

    def run(self) -> list[Fit]:
        """Train, going on from the checkpoints in the folder, and fit what is fitted afterwards.

        Returns:
            A fit for each fold, whole like the one that is trained in place, but a stranger to the
            fold; none without stacking. What stands above the learner can be trained on those.

        Raises:
            SupportError: more numbers are to stay fixed than the embedding has.
            EpisodeError: the views have too few pictures for any task.
            WeightsError: a checkpoint belongs to another configuration.
        """
        if self.config.fixed_dim > self.net.dim:
            raise SupportError(
                f"{self.config.fixed_dim} of {self.net.dim} numbers of an embedding cannot be fixed"
            )
        train = [i for i, v in enumerate(self.labels) if v.role != "validation"]
        labels = [self.labels[i] for i in train]
        features = functional.normalize(self.features[train], dim=1)
        start = principal_components(features, self.net.dim)
        untrained = copy.deepcopy(self.learner)
        features = features.to(self.device)
        # A copy: the folds begin where this fit began, not where it ends.
        trained = copy.deepcopy(start).to(self.device)
        whole = Fit(trained, self.learner.to(self.device), "learner")
        self.net.projection = whole.projection
        self._train(whole, features, labels)
        folds: list[Fit] = []
        if self.config.stacking_steps:
            folds = self._stack(start, untrained, features, labels)
        self._finish(whole, features, labels)
        for number, fold in enumerate(folds):
            kept = [i for i, v in enumerate(labels) if fold_of(v) != number]
            self._finish(fold, features[kept], [labels[i] for i in kept])
        Journal(self.folder / "log.jsonl").write("released", self.config.steps, self._validate())
        return folds

    def _finish(self, fit: Fit, features: Tensor, labels: Sequence[ViewLabel]) -> None:
        """What no outer loop trains: the zero-shot head, and the doubt of the next shop."""
        with torch.no_grad():
            embeddings = functional.normalize(fit.projection(features), dim=1).cpu()
        head = fit_zero_shot(
            embeddings,
            labels,
            self.config.fixed_dim,
            self.config.zero_shot_penalty,
            self.config.zero_shot_frequency,
        )
        fit.learner.cpu().set_zero_shot(head)
        if isinstance(fit.learner, BlendedPrior):
            fit.learner.doubt = self.config.doubt

    def _stack(
        self,
        start: nn.Linear,
        untrained: PriorMixture,
        features: Tensor,
        labels: Sequence[ViewLabel],
    ) -> list[Fit]:
        """Fit trust and calibration to categories that the priors beside them have not seen."""
        left_out: list[LeftOut] = []
        fits: list[Fit] = []
        for fold in range(FOLDS):
            fit = Fit(copy.deepcopy(start), copy.deepcopy(untrained), f"fold{fold}")
            fit.projection.to(self.device)
            fit.learner.to(self.device)
            kept = [i for i, v in enumerate(labels) if fold_of(v) != fold]
            self._train(fit, features[kept], [labels[i] for i in kept])
            own = [i for i, v in enumerate(labels) if fold_of(v) == fold]
            with torch.no_grad():
                embeddings = functional.normalize(fit.projection(features[own]), dim=1)
            left_out.append(LeftOut(fit.learner, embeddings, [labels[i].traits for i in own]))
            fits.append(fit)
        fit_stacking(self.learner, left_out, self.config, self.seed)
        return fits

    def _train(self, fit: Fit, features: Tensor, labels: Sequence[ViewLabel]) -> None:
        config = self.config
        sampler = EpisodeSampler([label.traits for label in labels], queries=config.queries)
        projection, learner = fit.projection, fit.learner
        # What stands beside the priors is fitted afterwards, and costs ten times as much.
        prior = learner.prior()
        optimiser = torch.optim.AdamW(
            [
                {"params": list(learner.parameters()), "scale": 1.0, "weight_decay": 0.01},
                {
                    "params": list(projection.parameters()),
                    "scale": config.projection_rate,
                    "weight_decay": 0.0,
                },
            ],
            lr=config.learning_rate,
        )
        modules: dict[str, nn.Module] = {"projection": projection, "learner": learner}
        checkpoint = self.folder / f"{fit.name}.safetensors"
        start = load_checkpoint(checkpoint, modules, optimiser, self.fingerprint)
        journal = Journal(self.folder / "log.jsonl")
        journal.rewind(fit.name, start)
        journal.rewind("released", 0)
        losses: list[float] = []
        for step in range(start, config.steps):
            rng = np.random.default_rng([self.seed, 2, step])
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * group["scale"]
                group["lr"] *= warm_cosine(step, config.steps)
            tasks = EpisodeBatch.of(draw_tasks(sampler, config.tasks, rng, config.most_shots))
            used, batch = local(tasks)
            embeddings = functional.normalize(projection(features[used.to(self.device)]), dim=1)
            loss = task_losses(prior, embeddings, batch.to(self.device)).sum()
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            for parameter in projection.parameters():
                if parameter.grad is not None:
                    parameter.grad[: config.fixed_dim] = 0
            nn.utils.clip_grad_norm_(learner.parameters(), 1.0 * config.tasks)
            optimiser.step()
            losses.append(loss.item() / config.tasks)
            done = step + 1
            if done == config.steps or done % config.validate_every == 0:
                figures = {"meta_loss": float(np.mean(losses))}
                losses = []
                if learner is self.learner:
                    figures |= self._validate()
                journal.write(fit.name, step, figures)
                save_checkpoint(checkpoint, modules, optimiser, Progress(done, self.fingerprint))
            self.progress(done, config.steps, f"{fit.name}, loss {loss.item() / config.tasks:.3f}")

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        held = validation_views(self.labels)
        if not held:
            return {}
        embeddings = self.net.embed_pooled(self.features[held].to(self.device)).cpu()
        found = validate(self.learner.cpu(), embeddings, [self.labels[i] for i in held])
        self.learner.to(self.device)
        return found
