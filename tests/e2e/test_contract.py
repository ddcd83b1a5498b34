"""The published contract against the running server: hundreds of odd requests, none surprising.

Schemathesis makes them from /openapi.json, right and wrong ones, and compares what comes back with
what is published: no 500, no status and no content type that is not named, no body off its schema.
"""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

from tests.e2e.server import Server

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)


def test_every_answer_is_one_that_is_published(server: Server) -> None:
    published = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    checks = [getattr(schemathesis.checks, name) for name in CHECKS]
    asked = 0
    operations = [found.ok() for found in published.get_all_operations()]
    for operation, mode in itertools.product(operations, schemathesis.GenerationMode):

        @settings(
            max_examples=25, deadline=None, derandomize=True, suppress_health_check=HealthCheck
        )
        @given(operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            nonlocal asked
            asked += 1
            case.call_and_validate(checks=checks)

        # What takes neither parameter nor body cannot be asked wrongly.
        with contextlib.suppress(Unsatisfiable):
            ask()
    assert asked > 300
