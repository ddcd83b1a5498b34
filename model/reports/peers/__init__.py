"""Other people's ways of finding stand-ins, measured on the same pictures and tasks.

Packages of the extra ``peers``; none of them is imported before it is measured.
"""

from __future__ import annotations

from model.reports.pool import Pool


def calibration_sample(pool: Pool, products: int = 300) -> list[int]:
    """Training pictures that scores are turned into probabilities on: positions in the pool.

    All stand-ins, and as many products as asked for, evenly spaced: reading words in thousands
    would take an hour and move the two numbers of a logistic curve by nothing.
    """
    training = pool.training
    standins = [i for i in training if pool.items[i].is_standin]
    others = [i for i in training if not pool.items[i].is_standin]
    return sorted(standins + others[:: max(1, len(others) // max(1, products))])
