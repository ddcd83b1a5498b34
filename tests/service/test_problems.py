"""One table from what was raised to what is answered, with nothing left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

# Whatever defines errors must be imported, or its classes are not there to be found.
import model
import model.metrics
import model.standins
import service.app  # noqa: F401
from model.errors import StandinError
from service import problems
from service.errors import FieldError, InvalidFields, Overloaded, ServiceError
from service.problems import KINDS, describe, kind_of
from service.store.errors import StoreError
from tests.service.harness import assert_problem_object

DOCUMENT = Path(__file__).parents[2] / "docs" / "problems.md"
CONTRACT = {400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 429, 503}


def below(cls: type[Exception]) -> Iterator[type[Exception]]:
    yield cls
    for sub in cls.__subclasses__():
        yield from below(sub)


@pytest.mark.parametrize("root", [StandinError, ServiceError, StoreError])
def test_every_error_class_is_mapped_by_name(root: type[Exception]) -> None:
    # Reports and yardsticks are offline work: no request reaches them.
    offline = ("model.reports.", "model.yardsticks.")
    missing = {
        f"{cls.__module__}.{cls.__qualname__}"
        for cls in below(root)
        if cls not in KINDS
        and cls.__module__.partition(".")[0] in ("model", "service")
        and not cls.__module__.startswith(offline)
    }
    assert not missing, f"service/problems.py gives no status to {missing}"


def test_the_statuses_are_the_contract_s() -> None:
    statuses = {kind.status for kind in KINDS.values()}
    assert statuses - {500, 499} <= CONTRACT


def test_each_name_is_one_kind() -> None:
    kinds = set(KINDS.values()) | set(problems.ROUTER_KINDS.values())
    assert len({kind.slug for kind in kinds}) == len(kinds)


def test_the_document_is_the_table() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == problems.as_markdown(), (
        "python -m service --write-problems docs/problems.md"
    )


def test_what_nobody_foresaw_tells_the_caller_nothing() -> None:
    for error in (RuntimeError("/etc/secret"), KeyError("x"), StandinError("/etc/secret")):
        body = describe(error).as_json()
        assert_problem_object(body, 500, "defect")
        assert "secret" not in str(body)


def test_a_subclass_that_is_not_in_the_table_has_its_parent_s_kind() -> None:
    class Fresh(Overloaded):
        pass

    assert kind_of(Fresh("full", 3)) is problems.OVERLOADED


@pytest.mark.parametrize(("seconds", "header"), [(0.0, "1"), (0.2, "1"), (1.5, "2"), (60, "60")])
def test_retry_after_is_whole_seconds(seconds: float, header: str) -> None:
    answer = describe(Overloaded("full", seconds)).response()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, header)


def test_many_fields_are_all_listed_and_shortly_summed_up() -> None:
    errors = [FieldError("body", f"items.{index}.id", "is wrong") for index in range(9)]
    body = describe(InvalidFields(*errors)).as_json()
    assert len(body["errors"]) == 9
    assert body["detail"].endswith("and 6 more")


def test_model_is_imported() -> None:
    assert model.Model
