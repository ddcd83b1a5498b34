"""Everything that can go wrong in the science, as one tree.

``str()`` of each is a sentence for a person: what was wrong, with the numbers, and where it
helps the likely remedy. The service maps the classes to statuses; nothing else need be caught.
"""

from __future__ import annotations


class StandinError(Exception):
    """Root of all errors that :mod:`model` raises on purpose."""


class PictureError(StandinError):
    """Something is wrong with one picture; its neighbours are not affected."""


class UnreadablePicture(PictureError):
    """Not a picture, broken, truncated, or of a format that is not read here."""


class PictureTooLarge(PictureError):
    """More bytes or pixels than allowed."""


class SupportError(StandinError, ValueError):
    """An impossible support set, or arrays whose shapes do not fit together."""


class EpisodeError(StandinError, ValueError):
    """A task was asked of the sampler that its pictures cannot give."""


class ManifestError(StandinError):
    """A folder of training pictures does not match its manifest."""


class WeightsError(StandinError):
    """A weights file does not match its card: checksum, names, shapes or fields."""


class DeviceError(StandinError, ValueError):
    """A device was asked for that this machine does not have."""


class MetricError(StandinError, ValueError):
    """A figure was asked for that these scores and labels cannot give."""
