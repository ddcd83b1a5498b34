"""HTTP around :mod:`model`: validates, stores, schedules, answers. Holds no mathematics."""

import os

# Read when NumPy is first imported. Its OpenBLAS keeps a thread for each core, which spin after
# every small product: statistics and hash of one picture then cost half of the machine.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
