"""Measuring a release: pools of held-out pictures, baselines, tasks, tables and plots.

Offline work, started by ``scripts/evaluate.py``; needs the packages of the extra ``train``.
"""
