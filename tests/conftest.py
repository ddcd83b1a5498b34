"""What every test runs under.

Named axes (jaxtyping) are checked at run time in every test: pyproject.toml asks its pytest plugin
for that, since it must be in place before ``model`` is imported.
"""

from __future__ import annotations

import os

import torch
from hypothesis import HealthCheck, settings

import model.torchvision_ops  # noqa: F401  before a test imports timm

# No deadline: it would be a timed assertion, and fail on a busy machine.
settings.register_profile(
    "quick", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
# The same examples in every run, so that a red build is red for everybody; a developer's runs
# go on looking for new ones.
settings.register_profile("ci", settings.get_profile("quick"), derandomize=True)
# For a hunt: HYPOTHESIS_PROFILE=thorough pytest tests/model/test_images.py
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=3000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "quick"))

# Test processes share the cores with each other and with whatever else runs here.
torch.set_num_threads(1)
