"""Pictures as they come, and what is shown of them."""

from __future__ import annotations

import base64
import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from model import Model, PictureError, images
from service.errors import UnreadableBase64
from service.pictures import Embedded, Named
from tests.service.embedder_bench import named, opened, products, run
from tests.service.pictures import product


@given(st.binary(max_size=200), st.sampled_from(["plain", "lines", "spaces"]))
def test_base64_is_read_as_it_is_written(small_model: Model, data: bytes, style: str) -> None:
    text = base64.b64encode(data).decode()
    if style == "lines":
        text = base64.encodebytes(data).decode()
    elif style == "spaces":
        text = f" {text}\r\n"

    async def work() -> None:
        async with opened(small_model) as bench:
            (found,) = await bench.embedder.name([text])
            assert isinstance(found, Named)
            assert found.data == data
            assert found.sha256 == hashlib.sha256(data).hexdigest()

    run(work)


@pytest.mark.parametrize("text", ["a", "===", "AA=A", "data:image/png;base64,AAAA", "é", "A-_A"])
def test_what_is_not_base64_is_that_picture_s_error(small_model: Model, text: str) -> None:
    async def work() -> None:
        async with opened(small_model) as bench:
            bad, good = await bench.embedder.name([text, b"x"])
            assert isinstance(bad, UnreadableBase64)
            assert isinstance(good, Named)

    run(work)


def test_thumbnails_come_in_order_with_errors_in_place(small_model: Model) -> None:
    async def work() -> None:
        async with opened(small_model) as bench:
            first, second, third = await bench.embedder.thumbnails(
                [named(product(1, 600, 300)), named(b"no"), UnreadableBase64("no")]
            )
            assert isinstance(first, bytes)
            assert images.decode(first).width == 224
            assert isinstance(second, PictureError)
            assert isinstance(third, UnreadableBase64)

    run(work)


def test_a_thumbnail_is_made_beside_the_decoding_where_one_is_wanted(small_model: Model) -> None:
    async def work() -> None:
        async with opened(small_model) as bench:
            one, other = products(1, 2)
            (plain,) = await bench.embedder.embed([one])
            (shown,) = await bench.embedder.embed([other], thumbnails=True)
            assert isinstance(plain, Embedded)
            assert isinstance(shown, Embedded)
            assert plain.thumbnail is None
            assert shown.thumbnail is not None
            with Image.open(io.BytesIO(shown.thumbnail)) as image:
                assert image.format == "WEBP"
                assert max(image.size) <= 256
            # What is remembered is the signals; who wants a picture of them makes it anew.
            (again,) = await bench.embedder.embed([other], thumbnails=True)
            assert isinstance(again, Embedded)
            assert again.thumbnail is None
            assert [type(each) for each in await bench.embedder.thumbnails([other])] == [bytes]

    run(work)
