"""Train what stands beside the released weights: small experts, and the top level above all.

    python scripts/train_experts.py scripts/configs/standin-lite0.toml \\
        --data DIR/products --data DIR/placeholders --fonts DIR --icons DIR --work work/lite0

Takes what scripts/meta_train.py took, after it: views, features and the folds' checkpoints are in
its work folder. Draws the pictures that the encoder has not seen once more, shows them to every
expert, meta-trains those that adapt, logs what all of them say in thousands of tasks of categories
that they do not know, and fits the top level and its ``unsure`` to that log. The policy is learned
from the same log by scripts/train_policy.py. Stopped, the same command goes on where it was.

With --keep the released experts and their top level stay as they are: only how to glance is fitted,
and the log is made. That needs no other work folder's files, but time to draw every picture anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from model.data import load_manifest
from model.encoder import EncoderNet
from model.errors import EpisodeError, ManifestError
from model.experts.glance import Glance
from model.experts.panel import words_of
from model.experts.release import Released, experts_path, load_released
from model.experts.sameness import Sameness
from model.experts.signals import Signals
from model.experts.statistics import STATISTICS
from model.experts.words import RELEASED as READER
from model.experts.words import SIGNAL, load_reader, load_reader_card
from model.learners.blended_prior import BlendedPrior
from model.policy.log import Log
from model.policy.mdp import NO_EXAMPLES
from model.policy.policy import Policy
from model.reports.bars import Bar
from model.reports.commands import exit_status
from model.training.config import TrainConfig, load_config
from model.training.expert_log import Pool, ask_everyone, joined, see
from model.training.expert_stage import (
    Fitted,
    draw_logged_tasks,
    fit_unsure,
    panel_of,
    train_combination,
    train_signal_expert,
    unnamed_category,
)
from model.training.expert_views import ExpertViews, build_expert_views, choose_views
from model.training.glances import fitted_glance, glance_side, pooled_glances, projected
from model.training.learner_stage import Fit, LearnerStage
from model.training.run import (
    Fingerprints,
    Tell,
    digest,
    fingerprints,
    initialise,
    pooled_features,
    revision,
    source_of,
)
from model.training.sources import Source, ViewLabel
from model.training.stacking import fold_of, has_tasks
from model.training.views import Views, build_views, open_views
from model.weights import find_card, load_card, load_weights, restore

ALPHA = 0.05
HIDDEN = 256


def main(argv: Sequence[str] | None = None) -> int:
    """Train; the exit status."""
    args = _arguments(argv)
    return exit_status("train_experts", lambda: _run(args), args.work)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path, help="that the weights were trained with")
    for name in ("--data", "--fonts", "--icons"):
        parser.add_argument(name, type=Path, action="append", default=[], metavar="DIR")
    parser.add_argument("--work", type=Path, required=True, help="of scripts/meta_train.py")
    parser.add_argument("--weights", type=Path, help="card (default: the released one)")
    parser.add_argument(
        "--policy", type=Path, help="put this policy beside the experts that are there, and end"
    )
    parser.add_argument(
        "--first-policy", type=Path, help="with --policy: of categories without any example"
    )
    parser.add_argument(
        "--keep", action="store_true", help="the experts that are there; fit a glance, and log"
    )
    parser.add_argument("--tasks", type=int, default=4000, help="logged, over both folds")
    parser.add_argument("--workers", type=int, default=2, help="processes that draw pictures")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    return parser.parse_args(argv)


def _run(args: argparse.Namespace) -> None:
    if args.policy:
        _attach(args.policy, args.first_policy, find_card(args.weights))
    else:
        _train(args)


def _attach(policy: Path, first: Path | None, card_path: Path) -> None:
    """The experts of a card, with a policy that scripts/train_policy.py made for them; with one of
    its own for the catalogue's first day, where whole catalogues are scored."""
    whole = Policy.load(policy)
    if first is not None:
        whole = whole.joined(Policy.load(first), (NO_EXAMPLES,))
    path = experts_path(card_path)
    found = load_released(path, load_card(card_path).sha256, load_reader_card(READER).sha256)
    _with(found, whole, found.glance).save(path)
    print(f"experts, with the policy: {path}")


def _with(found: Released, policy: Policy | None, glance: Glance | None) -> Released:
    """The same experts, with another policy or glance."""
    about = {k: v for k, v in found.about.items() if k not in Released.OWN}
    about["mark"] = f"{found.mark:08x}"  # what was seen of pictures means what it did
    return Released(
        found.statistics, found.words, found.combination, policy, found.surely, about, glance
    )


def _train(args: argparse.Namespace) -> None:
    torch.set_num_threads(args.threads)
    config = load_config(args.config)
    records = [record for folder in args.data for record in load_manifest(folder)]
    marks = fingerprints(config, records, args.fonts, args.icons)
    source = source_of(config, records, args.fonts, args.icons)
    card_path = find_card(args.weights)
    card, tensors = load_weights(card_path)
    net, _ = restore(card, tensors)
    views = _views(args, config, source, net, marks)
    with Bar("features") as tell:
        cpu = torch.device("cpu")
        features = pooled_features(net, views, config, args.work, marks.features, cpu, tell)
    work: Path = args.work / "experts"

    numbers = choose_views(source, views.labels)
    with Bar("pictures") as tell:
        made = build_expert_views(
            source,
            numbers,
            work,
            workers=args.workers,
            progress=lambda done, total: tell(done, total, ""),
        )
    reader = load_reader_card(READER).sha256
    with Bar("signals") as tell:
        signals = _signals(made, net, features[numbers], work, reader, tell)
    labels = made.labels
    side = glance_side(config.encoder.image_size)
    with Bar("glances") as tell:
        glances = pooled_glances(
            net, made.pixels, side, work / f"glances-{side}-{card.sha256[:12]}.npy", tell
        )
    fitted: dict[str, Fitted] = {}
    for name, values, made_by in (
        ("statistics", signals.statistics, ",".join(STATISTICS)),
        ("words", words_of(signals), reader),
    ):
        mark = digest(marks.views, made_by, HIDDEN, values.shape[1])
        with Bar(name) as tell:
            fitted[name] = train_signal_expert(
                torch.from_numpy(values),
                labels,
                replace(config.learner_stage, components=4, steps=400, zero_shot_penalty=10.0),
                config.seed,
                work / f"{name}-{mark[:12]}",
                mark,
                HIDDEN,
                tell,
            )
    # The visual learner's folds: its own stage, which is done, hands them out again.
    again = EncoderNet(config.encoder.backbone, config.encoder.dim)
    with Bar("folds") as tell:
        visual = LearnerStage(
            net=again,
            learner=initialise(again, config, config.encoder.dim),
            features=features,
            labels=views.labels,
            config=config.learner_stage,
            seed=config.seed,
            folder=args.work,
            fingerprint=marks.learner,
            device=torch.device("cpu"),
            progress=tell,
        ).run()
    # One view of a picture: two in a task would be a repetition that no expert could miss.
    plan = source.plan()
    distinct = np.array(
        [sort != "record" or v == i % 4 for sort, i, v in (plan[n] for n in numbers)]
    )
    logs = []
    for fold, fit in enumerate(visual):
        own = [i for i, label in enumerate(labels) if distinct[i] and fold_of(label) == fold]
        if not has_tasks([labels[i].traits for i in own]):
            continue
        with Bar(f"tasks of fold {fold}") as tell:
            logs.append(
                _log(
                    fold,
                    np.array(own),
                    fit,
                    fitted,
                    signals,
                    features[numbers],
                    glances,
                    side,
                    labels,
                    args.tasks // 2,
                    config.seed,
                    tell,
                )
            )
    if not logs:
        raise EpisodeError("what was kept from the encoder has too few pictures for any task")
    log = joined(logs)
    log.save(work / "log.npz")
    everything = np.arange(len(labels))
    glance = fitted_glance(glances, features[numbers], net.projection, side, everything)
    if args.keep:
        found = load_released(experts_path(card_path), card.sha256, reader)
        _with(found, found.policy, glance).save(experts_path(card_path))
        print(f"how to glance: {experts_path(card_path)}; log: {work / 'log.npz'}")
        return
    with Bar("top level") as tell:
        combination = train_combination(log, config.seed, progress=tell)
    surely = fit_unsure(log, combination, ALPHA)
    about = {
        "weights": card.sha256,
        "reader": reader,
        "alpha": ALPHA,
        "tasks": len(np.unique(log.episode)),
        "git_revision": revision(),
    }
    small = fitted["statistics"].whole, fitted["words"].whole
    released = Released(*small, combination, None, surely, about, glance)
    released.save(experts_path(card_path))
    print(f"experts: {experts_path(card_path)}; log for the policy: {work / 'log.npz'}")
    print("unsure below, by bucket:", ", ".join(f"{t:.3f}" for t in surely))


def _views(
    args: argparse.Namespace,
    config: TrainConfig,
    source: Source,
    net: EncoderNet,
    marks: Fingerprints,
) -> Views:
    """Those of the weights' own training; with --keep, where they are gone, they are made again."""
    if args.keep:
        with Bar("views") as tell:
            return build_views(
                source,
                net,
                config.encoder.frozen_blocks,
                marks.views_folder(args.work),
                workers=args.workers,
                device=torch.device("cpu"),
                progress=lambda done, total: tell(done, total, ""),
            )
    if not (args.work / f"features-{marks.features[:12]}.npy").exists():
        raise ManifestError(
            f"{args.work} holds no features of this configuration and these folders; run "
            "scripts/meta_train.py with the same arguments first"
        )
    return open_views(marks.views_folder(args.work), len(source.plan()))


def _signals(
    made: ExpertViews,
    net: EncoderNet,
    features: torch.Tensor,
    work: Path,
    reader: str,
    tell: Tell,
) -> Signals:
    """What every expert sees of the views, from a file where it is there already."""
    path = work / f"signals-{digest(reader, STATISTICS)[:12]}.npz"
    if not path.exists():
        found = see(made.pixels, made.sizes, load_reader(), tell)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, allow_pickle=False, **found)
        partial.replace(path)
    with np.load(path, allow_pickle=False) as kept:
        parts = {name: kept[name] for name in kept.files}
    with torch.no_grad():
        visual = net.embed_pooled(features).numpy()
    everything = np.ones(len(visual), np.bool_)
    nothing = Signals.empty(len(visual), (len(STATISTICS), SIGNAL, visual.shape[1]))
    return replace(
        nothing, **parts, looked=everything, read=everything, embedded=everything, visual=visual
    )


def _log(
    fold: int,
    own: NDArray[np.int64],
    fit: Fit,
    fitted: dict[str, Fitted],
    signals: Signals,
    features: torch.Tensor,
    glances: torch.Tensor,
    side: int,
    labels: Sequence[ViewLabel],
    count: int,
    seed: int,
    tell: Tell,
) -> Log:
    """What everyone says in tasks of a fold, by experts that have not seen it."""
    others = np.setdiff1d(np.arange(len(labels)), own)
    glance = fitted_glance(glances, features, fit.projection, side, others)
    pool = Pool(
        replace(
            signals.take(own),
            visual=projected(features[own], fit.projection),
            glanced=np.ones(len(own), np.bool_),
            glance=glance.guess(projected(glances[own], fit.projection)),
        ),
        np.array([labels[i].kind or labels[i].hardtag for i in own.tolist()]),
    )
    assert isinstance(fit.learner, BlendedPrior)
    panel = panel_of(
        fitted["statistics"].folds[fold], fitted["words"].folds[fold], fit.learner.eval()
    )
    tasks = draw_logged_tasks([labels[i] for i in own.tolist()], count, seed + fold)
    tasks.append(unnamed_category([labels[i] for i in own.tolist()]))
    return ask_everyone(panel, Sameness(), pool, tasks, lambda done: tell(done, len(tasks), ""))


if __name__ == "__main__":
    sys.exit(main())
