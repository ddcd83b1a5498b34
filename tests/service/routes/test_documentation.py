"""/docs works without another host."""

from __future__ import annotations

import re

import pytest

from service.routes.documentation import FOLDER, MEDIA_TYPES
from tests.service.harness import Service, assert_problem


def test_the_page_asks_nobody_else(shared: Service) -> None:
    page = shared.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    asked = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(asked) == 4
    for path in asked:
        assert path.startswith("/docs/")
        answer = shared.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == MEDIA_TYPES[path.removeprefix("/docs/")]
    assert '"/openapi.json"' in shared.get("/docs/initializer.js").text


def test_the_policy_allows_no_other_host_and_no_inline_script(shared: Service) -> None:
    policy = shared.get("/docs").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "http" not in policy
    assert "<script>" not in shared.get("/docs").text
    assert (
        shared.get("/v1/model").headers["content-security-policy"].startswith("default-src 'none'")
    )


def test_the_root_leads_to_the_documentation(shared: Service) -> None:
    answer = shared.get("/")
    assert (answer.status_code, answer.headers["location"]) == (307, "/docs")


@pytest.mark.parametrize("name", ["README.txt", "..%2f..%2fsettings.py", "x.js", "index.html"])
def test_nothing_else_of_the_folder_is_served(shared: Service, name: str) -> None:
    assert_problem(shared.get(f"/docs/{name}"), 404, "not-found")


def test_the_licence_travels_with_the_files() -> None:
    assert "Apache License" in (FOLDER / "LICENSE.txt").read_text()
    assert (FOLDER / "NOTICE.txt").read_text().strip()
