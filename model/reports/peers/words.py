"""A peer: read the words in the picture, and look them up in a list of notices.

RapidOCR (PP-OCRv4 through ONNX Runtime) reads Latin, Chinese and Japanese; the list is the one
that the generator draws from, in more than sixty languages, which is as good as such a list gets.
Letters are compared without spaces, accents and case, since readers lose all three, and a few
misread letters are forgiven.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image

from model.reports.peers.packages import load, version_of
from model.standins.notices_latin import NOTICES_LATIN
from model.standins.notices_other import NOTICES_OTHER

_PACKAGE = "rapidocr-onnxruntime"
# Its default enlarges a picture of 320 pixels to 736 before it looks for lines: four times slower,
# and on large notices no better. Upside-down lines, which the classifier is for, shops don't have.
_SETTINGS = {"det_limit_side_len": 448, "use_cls": False, "intra_op_num_threads": 1}


class WordReader:
    """Lines of text in a picture, and how much they look like a notice.

    Raises:
        PeerMissing: RapidOCR is not installed.
    """

    def __init__(self) -> None:
        self._version = version_of(_PACKAGE)
        self._phrases = PhraseList([*_phrases()])

    @property
    def key(self) -> str:
        return f"{_PACKAGE} {self._version} {sorted(_SETTINGS.items())}"

    @cached_property
    def _engine(self) -> Any:
        return load("rapidocr_onnxruntime", _PACKAGE).RapidOCR(**_SETTINGS)

    def read(self, picture: Image.Image) -> list[str]:
        """Lines, from top to bottom."""
        # OpenCV's order of colours.
        found, _ = self._engine(np.ascontiguousarray(np.asarray(picture)[:, :, ::-1]))
        return [str(line[1]) for line in found or []]

    def row(self, seen: Any) -> Float[np.ndarray, " f"]:
        """One number: likeness to the nearest notice, 0 to 1."""
        return np.array([self._phrases.likeness(squeeze("".join(seen)))], dtype=np.float32)


def _phrases() -> list[str]:
    notices = (NOTICES_LATIN | NOTICES_OTHER).values()
    return [squeeze(phrase.replace("|", "")) for language in notices for phrase in language]


def squeeze(text: str) -> str:
    """Letters and digits alone, lower case, without accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in apart if letter.isalnum())


class PhraseList:
    """Finds the phrase that some part of a text is most like.

    Args:
        phrases: squeezed; empty ones are left out.
    """

    def __init__(self, phrases: Sequence[str]) -> None:
        kept = sorted({phrase for phrase in phrases if phrase})
        self._length = np.array([len(phrase) for phrase in kept])
        most = int(self._length.max(initial=1))
        # A letter that no text holds pads the short ones.
        self._letters = np.array([[*map(ord, p.ljust(most, "\0"))] for p in kept], dtype=np.int64)

    def likeness(self, text: str) -> float:
        """1 - (edits to turn the phrase into a part of the text) / (letters of the phrase).

        The best of all phrases and all parts (Sellers 1980): 1 where a phrase is there whole, 0
        where nothing of it is.
        """
        if not text or not len(self._length):
            return 0.0
        phrases, most = self._letters.shape
        place = np.arange(most + 1)
        # Edits between the first j letters of each phrase and the best part that ends here.
        edits = np.broadcast_to(place, (phrases, most + 1)).astype(np.int64)
        ends = (np.arange(phrases), self._length)
        best = edits[ends]
        for letter in map(ord, text):
            swapped = edits[:, :-1] + (self._letters != letter)
            row = np.zeros_like(edits)
            row[:, 1:] = np.minimum(swapped, edits[:, 1:] + 1)
            # Then letters left out of the phrase: min over i <= j of row[i] + (j - i).
            edits = np.minimum.accumulate(row - place, axis=1) + place
            best = np.minimum(best, edits[ends])
        return float(np.max(1 - best / self._length))
