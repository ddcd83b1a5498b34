"""The words in a picture, spelled out: for people, beside scores that do without.

The expert for words judges lettering in any script and spells none of it; RapidOCR (the extra
``text``) spells Latin, Chinese and Japanese, and takes longer over one picture than all experts
together. One thread reads, so that no number of lettered pictures takes more than one core from
the scores, and what was read is remembered.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from model import images
from service.errors import Overloaded
from service.metrics import Metrics
from service.pictures import Named
from service.settings import SettingsError

log = logging.getLogger("standin.reading")

PACKAGE = "rapidocr-onnxruntime"
INSTALL = "pip install 'standin[text]'"
SURE = 0.5
"""Least confidence of a line that is told."""
MOST_LETTERS = 500
SIDE = 640
"""Pixels of the square that is read. Smaller pictures are enlarged twice at most, which is faster
and misreads no more of them."""
_LEAST_SIDE = 64
_REMEMBERED = 4096
# Of one picture, to say when to come again: two cores at 2.5 GHz or so.
_SECONDS_EACH = 0.2
# Its default makes the shorter side 736 before it looks for lines. Upside-down lines, which the
# classifier is for, shops don't have.
_SETTINGS = {
    "det_limit_type": "max",
    "det_limit_side_len": SIDE,
    "use_cls": False,
    "text_score": SURE,
    "intra_op_num_threads": 1,
    "inter_op_num_threads": 1,
}


def require_package() -> None:
    """See that words can be read, before anybody counts on it.

    Raises:
        SettingsError: they cannot; says what to install.
    """
    try:
        _import()
    except ImportError as error:
        raise SettingsError(
            f"STANDIN_READ_TEXT is 'scores', and {PACKAGE} cannot be imported ({error}): "
            f"{INSTALL}, or set it to 'explain' or 'never'"
        ) from error


class _Work:
    """One picture that is being read, and how many wait for it."""

    __slots__ = ("done", "submitted", "waiters")

    def __init__(self, submitted: Future[str | None]) -> None:
        self.submitted = submitted
        self.done = asyncio.wrap_future(submitted)
        self.waiters = 0


class TextReader:
    """Reads pictures one at a time. Without the package, nobody is told any words.

    The event loop owns all state but the engine, which belongs to the thread.

    Args:
        most: pictures that may wait to be read.
    """

    def __init__(self, limits: images.Limits, most: int, metrics: Metrics) -> None:
        self._limits = limits
        self._most = most
        self._metrics = metrics
        self._waiting = 0
        self._works: dict[str, _Work] = {}
        self._known: OrderedDict[str, str | None] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, "read")
        self._engine: Any = None
        self._is_missing = False
        self._has_failed = False

    def close(self) -> None:
        """Finish the one that is being read, and no other."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def read(self, pictures: Sequence[Named]) -> list[str | None]:
        """The words in each picture, lines from the top; None where none were read.

        Each caller has one picture in the queue at a time, so that a request of 256 pictures does
        not stand in front of a request of one. A picture that cannot be read has no words.

        Raises:
            Overloaded: more pictures would wait than may wait. Nothing was started.
        """
        unknown = {one.sha256 for one in pictures if one.sha256 not in self._known}
        if self._is_missing or not unknown:
            return [self._remembered(one.sha256) for one in pictures]
        if self._waiting + len(unknown) > self._most:
            self._metrics.refused.labels("pictures").inc()
            raise Overloaded(
                f"{self._waiting} pictures are waiting to be read, and {self._most} may wait",
                retry_after=min(60.0, max(1.0, self._waiting * _SECONDS_EACH)),
            )
        self._waiting += len(unknown)
        found: dict[str, str | None] = {}
        try:
            for one in pictures:
                if one.sha256 not in found:
                    found[one.sha256] = await self._one(one)
                if one.sha256 in unknown:
                    unknown.remove(one.sha256)
                    self._waiting -= 1
        finally:
            self._waiting -= len(unknown)
        return [found[one.sha256] for one in pictures]

    async def _one(self, picture: Named) -> str | None:
        name = picture.sha256
        if name in self._known:
            return self._remembered(name)
        work = self._works.get(name)
        if work is None:
            work = self._works[name] = _Work(self._thread.submit(self._read, picture.data))
            work.done.add_done_callback(lambda done: self._keep(name, done))
        work.waiters += 1
        try:
            # Not awaited itself: one that goes must not take it from the others.
            await asyncio.wait([work.done])
        finally:
            work.waiters -= 1
            # What has begun is read to its end, and remembered.
            if not work.waiters and work.submitted.cancel():
                del self._works[name]
        if work.done.cancelled():
            raise Overloaded("the service is stopping", retry_after=5)
        return work.done.result()

    def _keep(self, name: str, done: asyncio.Future[str | None]) -> None:
        if done.cancelled():
            return
        del self._works[name]
        self._known[name] = done.result()
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def _remembered(self, name: str) -> str | None:
        if name not in self._known:
            return None
        self._known.move_to_end(name)
        return self._known[name]

    # -- in the thread

    def _read(self, data: bytes) -> str | None:
        if not self._is_there():
            return None
        try:
            with self._metrics.read_seconds.time():
                return _text(self._engine, data, self._limits)
        # A foreign library over foreign bytes: whatever it raises, the score stands without.
        except Exception:
            if not self._has_failed:
                self._has_failed = True
                log.exception("the words of a picture could not be read; such is logged once")
            return None

    def _is_there(self) -> bool:
        """Build the engine, which takes a second, when the first picture comes."""
        if self._engine is None and not self._is_missing:
            try:
                self._engine = _import().RapidOCR(**_SETTINGS)
                # It sets up a handler of its own beside the service's.
                logging.getLogger("RapidOCR").handlers.clear()
            except ImportError as error:
                self._is_missing = True
                log.info("no words are read (%s); %s", error, INSTALL)
            except Exception:
                self._is_missing = True
                log.exception("no words are read: %s does not start", PACKAGE)
        return not self._is_missing


def _import() -> Any:
    found = importlib.import_module("rapidocr_onnxruntime")
    # OpenCV would cut out and warp lines in a thread for each core.
    importlib.import_module("cv2").setNumThreads(1)
    return found


def _text(engine: Any, data: bytes, limits: images.Limits) -> str | None:
    picture = images.decode_image(data, SIDE, limits)
    # Square, as lines of any shape of picture are then found at a bounded cost.
    side = max(_LEAST_SIDE, min(SIDE, 2 * max(picture.size)))
    pixels = images.letterbox(picture, side)
    # OpenCV's order of colours.
    found, _ = engine(np.ascontiguousarray(pixels[:, :, ::-1]))
    lines = [str(line).strip() for _, line, sure in found or [] if float(sure) >= SURE]
    return "\n".join(line for line in lines if line)[:MOST_LETTERS].strip() or None
