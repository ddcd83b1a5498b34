"""What the service counts about itself, as Prometheus reads it."""

from __future__ import annotations

import prometheus_client as prometheus
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

CONTENT_TYPE = prometheus.CONTENT_TYPE_LATEST
_SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_LONG = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """One registry for each app, so that two apps in one process do not count together."""

    def __init__(self) -> None:
        # When each series began is a second series for each: nobody asks, everybody stores it.
        prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        prometheus.ProcessCollector(registry=registry)
        prometheus.PlatformCollector(registry=registry)
        prometheus.GCCollector(registry=registry)
        self.requests = Counter(
            "standin_http_requests",
            "Requests answered, by route and status; 499 is a client that went away.",
            ("method", "route", "status"),
            registry=registry,
        )
        self.request_seconds = Histogram(
            "standin_http_request_seconds",
            "From the request's head to the end of the answer.",
            ("method", "route"),
            buckets=_LONG,
            registry=registry,
        )
        self.body_bytes = Gauge(
            "standin_body_bytes", "Bytes of request bodies held now.", registry=registry
        )
        self.pictures = Counter(
            "standin_pictures",
            "Pictures by what became of them: computed, cached (seen before), joined (the same "
            "picture was being computed), unreadable, dropped (nobody waits for it any more). And "
            "recalled: read from kept scores, and so cached.",
            ("outcome",),
            registry=registry,
        )
        for outcome in ("computed", "cached", "joined", "unreadable", "dropped", "recalled"):
            self.pictures.labels(outcome)
        self.waiting = Gauge(
            "standin_waiting_pictures", "Pictures taken and not computed yet.", registry=registry
        )
        self.decode_seconds = Histogram(
            "standin_decode_seconds", "Decoding one picture.", buckets=_SHORT, registry=registry
        )
        self.encode_seconds = Histogram(
            "standin_encode_seconds",
            "One encoder pass over a batch.",
            buckets=_SHORT,
            registry=registry,
        )
        self.batch_pictures = Histogram(
            "standin_batch_pictures",
            "Pictures in one encoder pass.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            registry=registry,
        )
        self.adapt_seconds = Histogram(
            "standin_adapt_seconds",
            "Fitting one category's head, leave-one-out figures included.",
            buckets=_SHORT,
            registry=registry,
        )
        self.look_seconds = Histogram(
            "standin_look_seconds",
            "Picture statistics and perceptual hash of one picture.",
            buckets=_SHORT,
            registry=registry,
        )
        self.read_seconds = Histogram(
            "standin_read_seconds",
            "Spelling out the words of one picture.",
            buckets=_SHORT,
            registry=registry,
        )
        self.experts = Counter(
            "standin_expert_pictures",
            "Pictures that each expert was asked about; of the visual one, which were glanced at.",
            ("expert",),
            registry=registry,
        )
        for expert in ("statistics", "words", "glance", "visual"):
            self.experts.labels(expert)
        self.feedback = Counter(
            "standin_feedback",
            "The teacher's words by what became of them: added, relabelled, unchanged, superseded "
            "(by a later one of the same request), refused.",
            ("outcome",),
            registry=registry,
        )
        for outcome in ("added", "relabelled", "unchanged", "superseded", "refused"):
            self.feedback.labels(outcome)
        self.reward = Histogram(
            "standin_feedback_reward",
            "Of the answers that the teacher spoke about: 1 is sure and right, -1 sure and wrong.",
            buckets=(-0.5, 0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1),
            registry=registry,
        )
        self.guesses = Counter(
            "standin_guesses",
            "Pictures that categories labelled themselves: taken as examples, undone by the "
            "teacher's words.",
            ("outcome",),
            registry=registry,
        )
        for outcome in ("taken", "undone"):
            self.guesses.labels(outcome)
        self.refused = Counter(
            "standin_refused",
            "Requests refused with 503, by what was full; `deadline`: by what time there is.",
            ("reason",),
            registry=registry,
        )
        for reason in ("bytes", "pictures", "deadline"):
            self.refused.labels(reason)
        self.ready = Gauge(
            "standin_ready", "1 once weights and store are there.", registry=registry
        )

    def text(self) -> bytes:
        """The exposition format."""
        return prometheus.generate_latest(self.registry)
