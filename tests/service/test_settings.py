"""Settings: read, refused by name, and written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.settings import PREFIX, Settings, SettingsError, as_markdown, read

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_document_is_the_table() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == as_markdown(), (
        "python -m service --write-settings docs/settings.md"
    )


def test_every_setting_says_what_it_does() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


def test_the_limits_of_the_contract_are_the_defaults() -> None:
    chosen = read({})
    assert chosen.max_picture_bytes == 20 * 2**20
    assert chosen.max_picture_pixels == 50_000_000
    assert chosen.max_request_pictures == 256
    assert chosen.max_request_bytes == 64 * 2**20
    assert (chosen.host, chosen.port) == ("127.0.0.1", 8000)


def test_the_environment_is_read_and_what_is_given_comes_first() -> None:
    environment = {"STANDIN_PORT": "9000", "STANDIN_THREADS": "3", "HOME": "/x"}
    assert read(environment).port == 9000
    assert read(environment, port=9001).port == 9001
    assert read(environment).threads == 3
    assert read({"STANDIN_TEST_DATABASE": "x"}).port == 8000


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("STANDIN_PROT", "1", "STANDIN_PORT is"),
        ("STANDIN_PORT", "70000", "STANDIN_PORT"),
        ("STANDIN_PORT", "", "STANDIN_PORT"),
        ("STANDIN_MAX_PICTURE_BYTES", "0", "STANDIN_MAX_PICTURE_BYTES"),
        ("STANDIN_MAX_REQUEST_BYTES", str(2**40), "max_bytes_in_flight"),
        ("STANDIN_MAX_REQUEST_PICTURES", "5000", "queue_pictures"),
        ("STANDIN_LOG_LEVEL", "loud", "STANDIN_LOG_LEVEL"),
    ],
)
def test_what_cannot_be_served_with_is_named(variable: str, value: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        read({variable: value})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_word(host: str) -> None:
    assert read({}, host=host).is_loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "8.8.8.8", "shop.example", ""])
def test_any_other_address_needs_a_word(host: str) -> None:
    with pytest.raises(SettingsError, match="STANDIN_ALLOW_UNAUTHENTICATED=true"):
        read({"STANDIN_HOST": host})
    assert not read({"STANDIN_HOST": host, "STANDIN_ALLOW_UNAUTHENTICATED": "true"}).is_loopback


def test_names_of_the_service() -> None:
    loopback = {"localhost", "127.0.0.1", "::1"}
    assert read({}).trusted_hosts == loopback
    assert read({}, hosts="Standin.local, ").trusted_hosts == loopback | {"standin.local"}
    assert read({}, host="0.0.0.0", allow_unauthenticated=True).trusted_hosts is None
    chosen = read({}, host="0.0.0.0", allow_unauthenticated=True, hosts="a,b")
    assert chosen.trusted_hosts == {"a", "b"}


def test_a_password_is_not_shown() -> None:
    url = "postgresql+psycopg://standin:secret-word@db/standin"
    chosen = read({"STANDIN_DATABASE_URL": url})
    assert "secret-word" not in repr(chosen)
    assert chosen.store_url == url


def test_the_default_database_is_in_the_data_folder(tmp_path: Path) -> None:
    assert read({}, data_dir=tmp_path).store_url == f"sqlite:///{tmp_path}/standin.db"
    assert read({"STANDIN_WEIGHTS": ""}).weights is None
    assert PREFIX == "STANDIN_"
