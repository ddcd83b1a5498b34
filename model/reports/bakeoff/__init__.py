"""Every learner on the same tasks: meta-trained alike, measured alike, peers beside them.

Offline work, started by ``scripts/compare_learners.py``.
"""
