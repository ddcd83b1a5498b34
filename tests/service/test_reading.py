"""The words in a picture, spelled out by RapidOCR, as HTTP answers them."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from model import Model
from model.experts.words import RELEASED, load_reader
from model.images import DEFAULT_LIMITS
from service.__main__ import main
from service.errors import Overloaded
from service.metrics import Metrics
from service.pictures import Named
from service.reading import MOST_LETTERS, TextReader
from service.settings import SettingsError
from tests.model.experts_random import random_experts
from tests.service.harness import Service, assert_problem, files, settings_for
from tests.service.pictures import encoded, product, standin

MODULE = "rapidocr_onnxruntime"


@pytest.fixture(scope="module")
def package() -> None:
    """Skips where the package, or a library of the system that it asks for, is not there."""
    pytest.importorskip(MODULE, exc_type=ImportError)


@pytest.fixture(scope="module")
def reading_model(small_model: Model) -> Model:
    """Random experts, but for the reader: what it calls lettering is lettering."""
    experts = random_experts(0, small_model.learner, policy=False)  # type: ignore[arg-type]
    experts = replace(experts, reader=load_reader(RELEASED))
    return Model(small_model.card, small_model.encoder, small_model.learner, experts)


@pytest.fixture(scope="module", params=["explain", "scores"])
def service(
    request: pytest.FixtureRequest,
    package: None,
    reading_model: Model,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    chosen = settings_for(tmp_path_factory.mktemp("data"), read_text=request.param)
    with Service(chosen, reading_model) as running:
        running.wait_until_ready()
        yield running


def notice(
    words: str = "NO IMAGE\nAVAILABLE", size: int = 44, width: int = 320, height: int = 240
) -> bytes:
    """Dark words on a light tile; another size is another file."""
    image = Image.new("RGB", (width, height), (235, 235, 235))
    font = ImageFont.load_default(size)
    ImageDraw.Draw(image).multiline_text((20, 20), words, fill=50, font=font)
    return encoded(image, "PNG")


def named(data: bytes) -> Named:
    return Named(data, hashlib.sha256(data).hexdigest())


def reads(service: Service) -> int:
    """How many pictures were read so far, as /metrics counts them."""
    for line in service.get("/metrics").text.splitlines():
        if line.startswith("standin_read_seconds_count "):
            return int(float(line.split()[1]))
    raise AssertionError("nothing counts what is read")


def explained(service: Service, data: bytes, **options: Any) -> dict[str, Any]:
    answer = service.post("/v1/explain?category=a", files=files("image", data), **options)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def squeezed(text: str) -> str:
    """Without the spaces, which the recogniser sometimes drops."""
    return text.replace(" ", "")


def test_explanations_and_scores_tell_the_words(service: Service) -> None:
    data, plain, goods = notice(), notice(""), product(1)
    before = reads(service)
    results = service.score("a", data, plain, goods, data).json()["results"]
    texts = [one["evidence"]["text"] for one in results]
    if service.app.state.settings.read_text == "scores":
        assert squeezed(texts[0]) == "NOIMAGE\nAVAILABLE"
        assert texts == [texts[0], None, None, texts[0]]
        # Only where there is lettering, and the same bytes once.
        assert reads(service) == before + 1
    else:
        assert texts == [None] * 4
        assert reads(service) == before
    assert squeezed(explained(service, data)["text"]) == "NOIMAGE\nAVAILABLE"
    assert explained(service, data)["text"] == explained(service, data)["text"]
    assert reads(service) == before + 1
    assert explained(service, goods)["text"] is None
    assert reads(service) == before + 2


def test_who_wants_the_picture_alone_waits_for_no_words(service: Service) -> None:
    before = reads(service)
    answer = service.post(
        "/v1/explain?category=a",
        files=files("image", notice(size=41)),
        headers={"Accept": "image/webp"},
    )
    assert answer.status_code == 200
    assert reads(service) == before


def test_a_release_without_experts_reads_nothing_for_scores(
    package: None, small_model: Model, tmp_path: Path
) -> None:
    with Service(settings_for(tmp_path, read_text="scores"), small_model) as running:
        running.wait_until_ready()
        (found,) = running.score("a", notice()).json()["results"]
        assert found["evidence"]["text"] is None
        assert reads(running) == 0


def test_never_reads_nothing(reading_model: Model, tmp_path: Path) -> None:
    with Service(settings_for(tmp_path, read_text="never"), reading_model) as running:
        running.wait_until_ready()
        assert explained(running, notice())["text"] is None
        assert running.parts.reader is None


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (notice("Kein Bild", 12, 80, 60), "KeinBild"),
        (notice("暂无图片 12", 40), None),  # Pillow's own font has no Chinese: whatever comes
        (notice("NO IMAGE", 60, 1500, 110), "NOIMAGE"),
        (encoded(Image.new("RGB", (2000, 1), "white"), "PNG"), None),
        (encoded(Image.new("L", (1, 1)), "PNG"), None),
    ],
    ids=["small", "another-script", "wide", "a-line", "a-dot"],
)
def test_pictures_of_any_shape_are_read(
    service: Service, data: bytes, wanted: str | None, request: pytest.FixtureRequest
) -> None:
    text = explained(service, data)["text"]
    if wanted is not None:
        assert squeezed(text) == wanted
    assert text is None or len(text) <= MOST_LETTERS


def test_many_callers_of_one_picture_have_it_read_once(service: Service) -> None:
    reader = service.parts.reader
    assert reader is not None
    before = reads(service)

    async def together() -> list[list[str | None]]:
        one, other = named(notice(size=37)), named(notice("SOLD OUT", 37))
        gone = asyncio.create_task(reader.read([one]))
        asked = [asyncio.create_task(reader.read([other, one, one])) for _ in range(3)]
        await asyncio.sleep(0)
        # Whoever goes takes nothing from the others.
        gone.cancel()
        return await asyncio.gather(*asked)

    found = service.run(together)
    assert [squeezed(text or "") for text in found[0]] == ["SOLDOUT"] + ["NOIMAGE\nAVAILABLE"] * 2
    assert found[1:] == found[:1] * 2
    assert reads(service) == before + 2


def test_nobody_is_read_for_who_has_gone(package: None) -> None:
    metrics = Metrics()

    async def leave() -> None:
        reader = TextReader(DEFAULT_LIMITS, 3, metrics)
        # The first builds the engine; those behind it have not begun.
        tasks = [asyncio.create_task(reader.read([named(notice(size=s))])) for s in (20, 21, 22)]
        await asyncio.sleep(0)
        for task in tasks[1:]:
            task.cancel()
        await asyncio.wait(tasks)
        assert "A" in (tasks[0].result()[0] or "")
        # Nobody waits, so that three may again.
        assert await reader.read([named(notice(size=20))]) == tasks[0].result()
        with pytest.raises(Overloaded):
            await reader.read([named(notice(size=s)) for s in (30, 31, 32, 33)])
        reader.close()

    asyncio.run(leave())
    assert metrics.registry.get_sample_value("standin_read_seconds_count") == 1
    assert metrics.registry.get_sample_value("standin_refused_total", {"reason": "pictures"}) == 1


def test_too_much_to_read_is_refused_and_keeps_no_score(
    package: None, reading_model: Model, tmp_path: Path
) -> None:
    chosen = settings_for(tmp_path, read_text="scores")
    with Service(chosen, reading_model) as running:
        running.wait_until_ready()
        reader = running.parts.reader
        assert reader is not None
        reader._most = 1
        refused = running.score("a", notice(size=30), notice(size=31))
        assert_problem(refused, 503, "overloaded")
        assert running.score("a", notice(size=30)).status_code == 200


def test_a_reading_that_fails_costs_no_score_and_is_logged_once(
    package: None, reading_model: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("out of letters")

    with Service(settings_for(tmp_path, read_text="scores"), reading_model) as running:
        running.wait_until_ready()
        reader = running.parts.reader
        assert reader is not None
        reader._engine = broken
        with caplog.at_level(logging.INFO, "standin.reading"):
            results = running.score("a", notice(size=30), notice(size=31)).json()["results"]
        assert [one["evidence"]["text"] for one in results] == [None, None]
        assert all(0 < one["probability"] < 1 for one in results)
        assert caplog.text.count("RuntimeError: out of letters") == 1


def test_without_the_package_explanations_have_no_words(
    small_model: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setitem(sys.modules, MODULE, None)
    with Service(settings_for(tmp_path, read_text="explain"), small_model) as running:
        running.wait_until_ready()
        with caplog.at_level(logging.INFO, "standin.reading"):
            texts = [explained(running, standin(seed))["text"] for seed in range(3)]
        assert texts == [None] * 3
        assert caplog.text.count("pip install 'standin[text]'") == 1


def test_without_the_package_scores_do_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, MODULE, None)
    with pytest.raises(SettingsError, match=r"pip install 'standin\[text\]'"):
        Service(settings_for(tmp_path, read_text="scores"), None)
    monkeypatch.setenv("STANDIN_READ_TEXT", "scores")
    monkeypatch.setenv("STANDIN_DATA_DIR", str(tmp_path))
    assert main(["--port", "0"]) == 2
    said = capsys.readouterr()
    assert "STANDIN_READ_TEXT" in said.err
    assert "standin[text]" in said.err
    assert "listening" not in said.out
    assert not any(tmp_path.iterdir())
