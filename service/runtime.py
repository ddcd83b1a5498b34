"""What lives as long as the process: the model, the store and the batches, and whether they do."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import torch

import model
from model import Model, StandinError, images
from model.encoder import choose_device
from model.experts import compiled
from service.batching import Embedder
from service.cores import cores
from service.errors import NotReady, ServiceError
from service.explaining import Explainer
from service.guessing import Guesser
from service.judging import Judge
from service.knowledge import Knowledge
from service.learning import Fitter
from service.lookup import Lookup
from service.metrics import Metrics
from service.reading import TextReader, require_package
from service.recalling import Recaller
from service.scoring import Scorer
from service.settings import Settings
from service.stages import Stages
from service.store import Store, StoreError, StoreUnavailable, open_store
from service.work import Computes, Plan
from service.workers import terms
from service.workers.crew import Crew
from service.workers.decoders import Decoders, InProcesses, InThreads
from service.workers.nursery import Nursery
from service.workshop import AHEAD, Workshop

log = logging.getLogger("standin.start")
PURGE_SECONDS = 3600
GUESS_SECONDS = 3600
PING_SECONDS = 5.0


@dataclass(frozen=True)
class Parts:
    """Everything that a request needs, once it is there."""

    settings: Settings
    model: Model
    store: Store
    embedder: Embedder
    scorer: Scorer
    fitter: Fitter
    explainer: Explainer
    reader: TextReader | None


class Runtime:
    """Starts the parts beside the event loop, so that /healthz answers while weights load.

    Args:
        loaded: a model that is there already, instead of loading ``settings.weights``.
        on_ready: called once everything is there, before the first request is taken.
        on_fatal: told of what no waiting will mend (damaged weights, a database of a later
            release); the process should end.
        nursery: starts who works beside this process.
    Raises:
        SettingsError: words shall be read, and there is nothing to read them with.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        loaded: Model | None = None,
        on_ready: Callable[[], None] | None = None,
        on_fatal: Callable[[Exception], None] | None = None,
        nursery: Nursery | None = None,
    ) -> None:
        if settings.read_text == "scores":
            require_package()
        self.settings = settings
        self.metrics = metrics
        self.missing = {"weights": "they are being loaded", "store": "it is being opened"}
        self.stale_examples = 0
        self.guesser: Guesser | None = None
        self._loaded = loaded
        self._on_ready = on_ready
        self._on_fatal = on_fatal
        self._nursery = nursery
        self._parts: Parts | None = None
        self._store: Store | None = None
        self._embedder: Embedder | None = None
        self._beside: Crew | Decoders | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.ready = asyncio.Event()

    @property
    def parts(self) -> Parts:
        """The parts.

        Raises:
            NotReady: says what is missing.
        """
        if self._parts is None:
            raise NotReady(self._lacks())
        return self._parts

    def busy(self) -> ServiceError | None:
        """Why not one picture can be taken now; None where it can, or nothing is ready yet."""
        return None if self._parts is None else self._parts.embedder.refusal(1)

    async def check(self) -> Parts:
        """The parts, after asking the store whether it is still there.

        Raises:
            NotReady: says what is missing.
            StoreUnavailable: the database does not answer.
        """
        parts = self.parts
        try:
            async with asyncio.timeout(PING_SECONDS):
                await parts.store.ping()
        except TimeoutError as error:
            raise NotReady(f"store: it did not answer within {PING_SECONDS:g} seconds") from error
        return parts

    def start(self) -> None:
        """Begin; ``ready`` is set when everything is there."""
        self._tasks.append(asyncio.create_task(self._start(), name="standin-start"))

    async def stop(self) -> None:
        """Let go of everything, in the reverse order."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._parts is not None:
            await asyncio.to_thread(self._parts.explainer.close)
            await asyncio.to_thread(self._parts.scorer.close)
            if self._parts.reader is not None:
                await asyncio.to_thread(self._parts.reader.close)
        self._parts = None
        self.metrics.ready.set(0)
        if self._embedder is not None:
            await self._embedder.close()
        if self._beside is not None:
            await self._beside.close()
        if self._store is not None:
            await self._store.close()

    async def _start(self) -> None:
        began = time.perf_counter()
        # For every thread that meets torch from here on, not for the encoder's alone: heads and the
        # top level are small, and two threads that wait for each other take longer than one.
        torch.set_num_threads(1)
        settings = self.settings
        limits = limits_of(settings)
        try:
            loaded, store, embedder = await self._begin(settings, limits)
        except (StandinError, StoreError) as error:
            self.missing["start"] = str(error)
            log.critical("cannot start: %s", error)
            if self._on_fatal is not None:
                self._on_fatal(error)
            return
        except Exception as error:
            self.missing["start"] = "a defect; the log tells more"
            log.exception("cannot start")
            if self._on_fatal is not None:
                self._on_fatal(error)
            return
        knowledge = Knowledge(loaded.ensemble)
        lookup = Lookup(loaded, knowledge, store)
        reads = settings.read_text
        reader = (
            None if reads == "never" else TextReader(limits, settings.queue_pictures, self.metrics)
        )
        self._parts = Parts(
            settings,
            loaded,
            store,
            embedder,
            Scorer(
                loaded,
                lookup,
                store,
                embedder,
                Recaller(knowledge, store, embedder, self.metrics, loaded),
                reader if reads == "scores" else None,
            ),
            Fitter(loaded, knowledge, settings.quality_examples, self.metrics),
            Explainer(loaded, lookup, embedder, limits, settings.queue_pictures, reader),
            reader,
        )
        if self._on_ready is not None:
            self._on_ready()
        self.metrics.ready.set(1)
        self.ready.set()
        log.info(
            "ready after %.1f s: %s %s on %s (%s, %s), %s, counting %s",
            time.perf_counter() - began,
            loaded.card.name,
            loaded.card.version,
            loaded.encoder.device,
            loaded.encoder.precision,
            loaded.encoder.engine,
            layout(settings, embedder.plan, isinstance(self._beside, Crew)),
            "in C" if compiled.available() else "with NumPy",
        )
        await self._tell_of_stale(store, loaded.card.sha256)
        self._tasks.append(asyncio.create_task(self._purge(store), name="standin-purge"))
        if settings.pseudo_labels_after_hours:
            self.guesser = Guesser(
                loaded,
                knowledge,
                lookup,
                store,
                self._parts.fitter,
                self.metrics,
                timedelta(hours=settings.pseudo_labels_after_hours),
            )
            guess = self._guess(self.guesser)
            self._tasks.append(asyncio.create_task(guess, name="standin-guesses"))

    async def _begin(
        self, settings: Settings, limits: images.Limits
    ) -> tuple[Model, Store, Embedder]:
        """Weights, store and who computes: processes start while the weights load."""
        device = self._loaded.encoder.device if self._loaded else choose_device(settings.device)
        plan = plan_for(settings, device.type)
        # A model that is here alone can be used nowhere else.
        if wholly(settings, device.type) and self._loaded is None:
            told = terms.computing(settings, limits, plan.batch, plan.wait)
            self._beside = crew = Crew(plan.at_once, AHEAD * plan.batch, told, self._nursery)
        else:
            crew = None
            self._beside = decoders = decoders_for(settings, limits, self._nursery)
        await self._beside.start()
        loaded, store = await asyncio.gather(self._load(), self._open())
        judge = Judge(loaded.ensemble)
        engine: Computes
        if crew is not None:
            engine = Workshop(crew, judge.image_size, judge.looks, plan, self.metrics)
        else:
            engine = Stages(judge, plan, self.metrics, decoders)
        self._embedder = embedder = Embedder(judge, plan, limits, self.metrics, engine)
        # The first pass allocates and picks kernels; no client should wait for that.
        await engine.warm_up()
        return loaded, store, embedder

    async def _load(self) -> Model:
        loaded = self._loaded
        if loaded is None:
            loaded = await asyncio.to_thread(
                model.load,
                self.settings.weights,
                self.settings.device,
                self.settings.engine,
                self.settings.precision,
            )
        del self.missing["weights"]
        return loaded

    async def _open(self) -> Store:
        wait = 0.5
        while True:
            try:
                self._store = await asyncio.to_thread(self._open_now)
            except StoreUnavailable as error:
                # A database that starts beside this process may need a moment.
                self.missing["store"] = str(error)
                log.warning("the store is not there yet: %s", error)
                await asyncio.sleep(wait)
                wait = min(2 * wait, 10.0)
            else:
                del self.missing["store"]
                return self._store

    def _open_now(self) -> Store:
        if not self.settings.database_url.get_secret_value():
            self.settings.data_dir.mkdir(parents=True, exist_ok=True)
        return open_store(self.settings.store_url)

    async def _tell_of_stale(self, store: Store, sha256: str) -> None:
        for stale in await store.stale_models(sha256):
            self.stale_examples += stale.examples
            log.warning(
                "%d categories with %d examples were learned under weights %s, not %s: they are "
                "not scored until their pictures are uploaded again",
                stale.categories,
                stale.examples,
                stale.model_sha256[:12],
                sha256[:12],
            )

    async def _purge(self, store: Store) -> None:
        while True:
            try:
                await store.purge()
            except StoreError as error:
                log.warning("old scores and keys were not removed: %s", error)
            await asyncio.sleep(PURGE_SECONDS)

    async def _guess(self, guesser: Guesser) -> None:
        while True:
            try:
                await guesser.run(datetime.now(UTC))
            except StoreError as error:
                log.warning("categories did not label pictures themselves: %s", error)
            except Exception:
                log.exception("categories did not label pictures themselves; a defect")
            await asyncio.sleep(GUESS_SECONDS)

    def _lacks(self) -> str:
        return "; ".join(f"{name}: {why}" for name, why in self.missing.items()) or "starting"


def limits_of(settings: Settings) -> images.Limits:
    """How much one picture may cost."""
    return images.Limits(settings.max_picture_bytes, settings.max_picture_pixels)


def decoders_for(
    settings: Settings, limits: images.Limits, nursery: Nursery | None = None
) -> Decoders:
    """Who decodes, not started yet."""
    count = settings.decode_threads or cores()
    if settings.decode_in == "threads":
        return InThreads(count, limits)
    return InProcesses(count, limits, nursery)


def wholly(settings: Settings, device_type: str) -> bool:
    """Whether processes do all of a picture, rather than decode it alone."""
    return settings.decode_in == "processes" and device_type == "cpu"


def layout(settings: Settings, plan: Plan, whole: bool) -> str:
    """Who computes, in words.

    Args:
        whole: whether processes do all of a picture.
    """
    if whole:
        return f"{plan.at_once} processes that decode and encode"
    return (
        f"{plan.encode_threads} encoder threads and {plan.decode_threads} decoder "
        f"{settings.decode_in}"
    )


def plan_for(settings: Settings, device_type: str) -> Plan:
    """What the settings leave open, decided for the device."""
    on_cpu = device_type == "cpu"
    wait = settings.batch_wait_ms
    available = cores()
    decoding = settings.decode_threads or available
    if wholly(settings, device_type):
        decoding = encoding = settings.threads or decoding
    else:
        encoding = (settings.threads or available) if on_cpu else 1
    batch = settings.batch_pictures or (16 if on_cpu else 64)
    return Plan(
        decode_threads=decoding,
        encode_threads=encoding,
        at_once=max(decoding, encoding) if on_cpu else decoding + encoding,
        deadline=settings.deadline,
        batch=batch,
        few=min(8, batch) if on_cpu else batch,
        wait=(0.0 if on_cpu else 3.0) / 1000 if wait < 0 else wait / 1000,
        queue=settings.queue_pictures,
        cache=settings.cache_pictures,
    )
