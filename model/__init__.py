"""The science of Standin: find the pictures that stand in for a picture nobody has."""

import model.torchvision_ops  # noqa: F401  before anything that imports timm
