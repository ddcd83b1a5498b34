"""HTTP around :mod:`model`: validates, stores, schedules, answers. Holds no mathematics."""
