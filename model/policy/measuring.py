"""From a log to the report: parts, sweep, choice, and everything beside it on the third part."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from model.policy.errors import PolicyError
from model.policy.evaluate import RATES, Measured, Outcome, intervals, mean_cost, measure, run
from model.policy.fixed import Chance, Plan
from model.policy.mdp import Grid, Reward, Unfolded, bin_edges
from model.policy.policy import Chooser, Policy, greedy
from model.policy.q_learning import METHODS
from model.policy.report import described
from model.policy.training import (
    EXACT,
    Allowed,
    Candidate,
    Judge,
    Sweep,
    agreement,
    candidates,
    cascades,
    cheapest,
    focus_points,
    front,
    train,
)

SHARES = (0.5, 0.25, 0.25)
EVERYBODY = "everybody"


def parted(unfolded: Unfolded, seed: int) -> tuple[Unfolded, Unfolded, Unfolded]:
    """To learn on, to choose on, to measure on: whole episodes.

    Raises:
        LogError: fewer than three episodes.
    """
    parts = unfolded.log.parted(SHARES, seed)
    one, two, three = (unfolded.rows(np.isin(unfolded.log.episode, part.episode)) for part in parts)
    return one, two, three


def measure_all(
    unfolded: Unfolded,
    names: Sequence[str],
    sweep: Sweep,
    *,
    bins: int,
    allowed: Allowed,
    resamples: int,
    seed: int,
    work: Path | None = None,
    tell: Callable[[int], object] = lambda walks: None,
) -> tuple[dict[str, Any], Policy]:
    """Figures for the report, and the policy to keep: the better of the two learned ones.

    Args:
        names: of the experts.
        bins: of the combined logit.
        allowed: what the choice may cost in answers.
        resamples: of the bootstrap.
        seed: of the parts and of all chance.
        work: folder of checkpoints.
        tell: progress, in walks.
    Raises:
        PolicyError: names do not fit, or the sweep is empty.
    """
    experts = unfolded.log.experts
    if len(sweep.costs) != experts:
        raise PolicyError(f"the log has {experts} experts, and there are {len(sweep.costs)} costs")
    if len(names) != experts:
        raise PolicyError(f"{experts} experts need as many names, got {list(names)}")
    if len(set(sweep.given)) == experts:
        raise PolicyError("every expert is given: nothing is left to choose")
    if strange := set(sweep.given) - set(range(experts)):
        raise PolicyError(f"there is no expert {min(strange)}, only 0 to {experts - 1}")
    training, choosing, measured_on = parted(unfolded, seed)
    grid = Grid(bin_edges(training, bins), experts)
    plain = Reward(sweep.costs, 0.0, frequency=sweep.frequency)
    judge = Judge(training, choosing, plain, sweep.start)
    ground = _Ground(measured_on, plain, sweep.start, seed)
    if not sweep.exact():
        raise PolicyError("the sweep is empty")
    exact = candidates(sweep.exact(), judge, grid, sweep)
    # Counting is as good with labels; sampling needs the truth with less noise.
    smooth = max(sweep.distilled)
    calm = [each for each in exact if each.setting and each.setting.distilled == smooth]
    best = cheapest(calm, allowed).setting
    if best is None:
        raise PolicyError("the sweep is empty")
    taught = candidates(sweep.learned(best), judge, grid, sweep, work, tell)
    families: dict[str, list[Candidate]] = {m: _of(taught, m) for m in METHODS}
    families |= {EXACT: exact, "cascade": cascades(judge, _orders(sweep))}
    picked = {name: cheapest(members, allowed) for name, members in families.items()}
    kept = min(METHODS, key=lambda m: (picked[m] not in allowed, picked[m].measured.cost))

    choosers: dict[str, Chooser] = {EVERYBODY: Plan(tuple(range(experts)))}
    singles = _singles(names, sweep.given)
    choosers |= singles
    choosers |= {family: pick.chooser for family, pick in picked.items()}
    outcomes = {name: ground.run(each) for name, each in choosers.items()}
    aim = mean_cost(outcomes[kept], measured_on, plain)
    outcomes["random, same cost"] = ground.random(aim)
    spans = intervals(
        outcomes,
        measured_on,
        plain,
        against=EVERYBODY,
        generator=np.random.default_rng([seed, 1]),
        resamples=resamples,
    )
    figures = {n: measure(outcome, measured_on, plain) for n, outcome in outcomes.items()}
    result: dict[str, Any] = {
        "about": {
            "costs": list(sweep.costs),
            "frequency": sweep.frequency,
            "given": [names[expert] for expert in sweep.given],
            "tolerance": allowed.recall,
            "worse": None if math.isinf(allowed.log_loss) else allowed.log_loss,
            "kept": kept,
        },
        "experts": list(names),
        "rows": {
            "measured": len(measured_on.log),
            "episodes": len(np.unique(measured_on.log.episode)),
            "placeholders": int(measured_on.log.label.sum()),
            "training": len(training.log),
            "choosing": len(choosing.log),
        },
        "policies": {name: described(found) for name, found in spans.items()},
        "use": {
            name: {"asked": each.asked, "cost_of": each.cost_of} for name, each in figures.items()
        },
        "learned": {name: picked[name].name for name in (*METHODS, EXACT)},
        "chosen": {family: pick.name for family, pick in picked.items()},
        "marked": [EVERYBODY, *singles, kept],
        "focus": focus_points(training),
        "plane": _plane(families, ground),
        "exactness": _exactness(picked, training, grid, sweep),
        "losses": _losses(exact, judge, allowed),
        "candidates": [_candidate(each) for each in (*exact, *taught)],
    }
    policy = picked[kept].chooser
    if not isinstance(policy, Policy):
        raise PolicyError(f"{kept} is no learned policy")
    return result, policy


def _singles(names: Sequence[str], given: tuple[int, ...]) -> dict[str, Chooser]:
    """Each expert alone, or beside those that look at every picture."""
    first = [names[expert] for expert in given]
    found: dict[str, Chooser] = {" + ".join(first): Plan(())} if given else {}
    for expert, name in enumerate(names):
        if expert not in given:
            found[" + ".join([*first, name]) if given else f"{name} alone"] = Plan((expert,))
    return found


def _of(found: Sequence[Candidate], method: str) -> list[Candidate]:
    return [each for each in found if each.setting and each.setting.method == method]


def _orders(sweep: Sweep) -> list[tuple[int, ...]]:
    """Of what is not given, by cost: all, without the cheaper ones, the first and the last."""
    left = [expert for expert in range(len(sweep.costs)) if expert not in sweep.given]
    order = tuple(sorted(left, key=lambda expert: sweep.costs[expert]))
    found = [order[i:] for i in range(len(order))]
    found += [(order[0], *order[i:]) for i in range(2, len(order))]
    # The dearest first is no cascade for thrift, but it is one.
    return [*found, order[::-1]] if len(order) > 1 else found


@dataclass(frozen=True)
class _Ground:
    """The part that measures."""

    unfolded: Unfolded
    reward: Reward
    start: int
    seed: int

    def run(self, chooser: Chooser) -> Outcome:
        return run(chooser, self.unfolded, self.reward.costs, self.start)

    def measured(self, chooser: Chooser) -> Measured:
        return measure(self.run(chooser), self.unfolded, self.reward)

    def chance(self, more: float) -> Chance:
        return Chance(more, np.random.default_rng([self.seed, 2]))

    def random(self, aim: float) -> Outcome:
        """Chance whose mean cost is the aim, by bisection on its one number."""
        low, high = 0.0, 1.0
        for _ in range(20):
            more = (low + high) / 2
            outcome = self.run(self.chance(more))
            cost = mean_cost(outcome, self.unfolded, self.reward)
            low, high = (more, high) if cost < aim else (low, more)
        return outcome


def _plane(
    families: dict[str, list[Candidate]], ground: _Ground
) -> dict[str, dict[str, list[dict[str, float]]]]:
    """What is best on the choosing part, as it measures on the third, by rate and family."""
    seen: dict[str, Measured] = {}

    def figures(each: Candidate) -> Measured:
        if each.name not in seen:
            seen[each.name] = ground.measured(each.chooser)
        return seen[each.name]

    chance = [ground.measured(ground.chance(more)) for more in np.linspace(0, 1, 11).tolist()]
    plane: dict[str, dict[str, list[dict[str, float]]]] = {}
    for at, rate in enumerate(RATES):
        lines = {name: [figures(c) for c in front(each, at)] for name, each in families.items()}
        lines["random"] = chance
        plane[f"{rate:g}"] = {
            name: [{"cost": each.cost, "recall": each.recall[at]} for each in line]
            for name, line in lines.items()
        }
    return plane


def _exactness(
    picked: dict[str, Candidate],
    training: Unfolded,
    grid: Grid,
    sweep: Sweep,
) -> dict[str, dict[str, float]]:
    """Each learned choice beside value iteration with its own setting."""
    points = focus_points(training)
    found: dict[str, dict[str, float]] = {}
    for name in METHODS:
        setting, policy = picked[name].setting, picked[name].chooser
        if setting is None or not isinstance(policy, Policy):
            continue
        reward = sweep.reward(setting, points)
        same = replace(setting, method=EXACT)
        exact = greedy(train(training, grid, same, reward, sweep), grid, reward)
        found[name] = {
            "reward": _earned(policy, training, reward, sweep.start),
            "exact": _earned(exact, training, reward, sweep.start),
            "agreement": agreement(policy, exact, training, sweep.start),
        }
    return found


def _earned(policy: Policy, unfolded: Unfolded, reward: Reward, start: int) -> float:
    """Mean reward of a walk."""
    outcome = run(policy, unfolded, reward.costs, start)
    lost = reward.loss(outcome.logit, unfolded.truth(reward.distilled))
    paid = reward.price * outcome.cost * reward.weights(unfolded.log.label)
    return float(-(lost + paid).mean())


def _losses(exact: Sequence[Candidate], judge: Judge, allowed: Allowed) -> list[dict[str, Any]]:
    """What each loss would save on the choosing part, solved exactly; None: not within."""
    kinds: dict[tuple[str, float], list[Candidate]] = {}
    for each in exact:
        if each.setting:
            kinds.setdefault((each.setting.focus, each.setting.distilled), []).append(each)
    lines = []
    for (focus, distilled), members in kinds.items():
        best = cheapest(members, allowed)
        saved = 1 - best.measured.cost / judge.whole[0].cost
        found = saved if best in allowed else None
        lines.append({"focus": focus, "distilled": distilled, "saved": found})
    return lines


def _candidate(each: Candidate) -> dict[str, Any]:
    return {
        "name": each.name,
        "cost": each.measured.cost,
        "recall": list(each.measured.recall),
        "lost": each.lost,
        "worse": each.worse,
        "log_loss": each.measured.log_loss,
    }
