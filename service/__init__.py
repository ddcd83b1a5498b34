"""HTTP around :mod:`model`: validates, stores, schedules, answers. Holds no mathematics."""

import os

# Read when NumPy and torch are first imported. Their threads, one for each core, spin after every
# small product: statistics and hash of one picture then cost half of the machine. And what torch is
# told later a new thread hears of only when torch first divides work: a product that comes before
# is MKL's or oneDNN's, and takes all cores.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
