"""The expert for words: is there lettering, and does it say that there is no picture?

One small convolutional network for every script. It does not spell: it knows the look of notices
in the languages that it was trained on (docs/reader.md says how far that reaches), and gives an
embedding of what it read, so that a category can learn that here "NO PHOTO" is a poster.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import fuse_conv_bn_eval

from model.errors import WeightsError

RELEASED = Path(__file__).parents[1] / "released" / "standin-reader.json"
SIGNAL = 64
SIZE = 224
"""Side of the pictures that its graph takes; the network takes any multiple of 16."""
# ITU-R BT.601: what Pillow's conversion to grey uses, too.
GREY = (0.299, 0.587, 0.114)


@dataclass(frozen=True, eq=False)
class Reading:
    """What the reader found in n pictures.

    Attributes:
        signal: (n, 64) float32, rows of unit length: what was read, for a few-shot learner.
        says_none: (n,) logit that the words say there is no picture. Of no meaning where there is
            no lettering.
        lettering: (n,) logit that there is lettering at all; the expert abstains below 0.
        place: (n, 14, 14) for pictures of 224: where it looked, at least 0, each sums to 1.
    """

    signal: Float[Tensor, "n 64"]
    says_none: Float[Tensor, " n"]
    lettering: Float[Tensor, " n"]
    place: Float[Tensor, "n rows columns"]


@dataclass(frozen=True, eq=False)
class Features:
    """What training looks at besides the reading.

    Attributes:
        letters: (n, width, h / 8, w / 8), before letters are put together.
        pooled: (n, deep), what the embedding is made of.
    """

    letters: Tensor
    pooled: Tensor


class _Block(nn.Module):
    """A depthwise and a pointwise convolution, added to what came in where shapes allow."""

    def __init__(self, inside: int, outside: int, stride: int, folded: bool) -> None:
        super().__init__()
        self.depthwise = _convolution(inside, inside, 3, stride, inside, folded)
        self.pointwise = _convolution(inside, outside, 1, 1, 1, folded)
        self.adds = stride == 1 and inside == outside

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.pointwise(self.depthwise(x))
        return x + y if self.adds else y


def _convolution(
    inside: int, outside: int, size: int, stride: int, groups: int, folded: bool
) -> nn.Sequential:
    convolution = nn.Conv2d(inside, outside, size, stride, size // 2, groups=groups, bias=folded)
    if folded:
        return nn.Sequential(convolution, nn.ReLU(inplace=True))
    return nn.Sequential(convolution, nn.BatchNorm2d(outside), nn.ReLU(inplace=True))


@runtime_checkable
class Reads(Protocol):
    """Whatever reads pictures: :class:`Reader`, or ``model.onnx_engine.OnnxReader``."""

    def read(self, pixels: Tensor) -> Reading:
        """Read pictures (n, 224, 224, 3) uint8; n may be 0."""


class Reader(nn.Module):
    """Grey pixels, evened out by their neighbourhood; convolutions; pooling where it looks.

    Args:
        width: of the middle stage, where strokes become letters, and letters words.
        deep: channels of the last stage, a multiple of ``heads``.
        heads: places that are looked at, each with its share of the channels.
        folded: normalisation is part of the convolutions: to read with, not to train.
    """

    def __init__(
        self, width: int = 96, deep: int = 160, heads: int = 4, *, folded: bool = False
    ) -> None:
        super().__init__()
        if min(width, deep, heads) < 1 or deep % heads:
            raise ValueError(f"deep must be a multiple of heads, got {deep} and {heads}")
        self.options = {"width": width, "deep": deep, "heads": heads}
        self.heads, self.is_folded = heads, folded

        def block(inside: int, outside: int, stride: int = 1) -> _Block:
            return _Block(inside, outside, stride, folded)

        self.strokes = nn.Sequential(
            nn.PixelUnshuffle(4), _convolution(16, 32, 3, 1, 1, folded), block(32, 48)
        )
        self.letters = nn.Sequential(block(48, width, 2), *(block(width, width) for _ in range(3)))
        self.phrases = nn.Sequential(block(width, deep, 2), *(block(deep, deep) for _ in range(2)))
        self.looks = nn.Conv2d(deep, heads, 1)
        self.inks = nn.Conv2d(deep, 1, 1)
        self.embedding = nn.Linear(deep, SIGNAL)
        self.verdict = nn.Linear(SIGNAL, 1)
        nn.init.normal_(self.verdict.weight, std=1.0)

    def read(self, pixels: Tensor) -> Reading:
        """Read pictures as the service decodes them.

        Args:
            pixels: (n, 224, 224, 3) uint8 as :func:`model.images.decode` gives them; n may be 0.
        Raises:
            ValueError: another shape or type, or the reader is in training.
        """
        check_pixels(pixels)
        if self.training:
            raise ValueError("a reader in training reads by the batch that it sees; call eval()")
        if not len(pixels):
            side = [-(-length // 16) for length in pixels.shape[1:3]]
            none = torch.zeros(0)
            return Reading(torch.zeros(0, SIGNAL), none, none, torch.zeros(0, *side))
        with torch.inference_mode():
            return self.read_grey(to_grey(pixels))[0]

    def folded(self) -> Reader:
        """The same reader with its normalisation folded into the convolutions: a quarter faster.

        Raises:
            ValueError: the reader is in training.
        """
        if self.is_folded:
            return self
        if self.training:
            raise ValueError("a reader is folded after its training; call eval()")
        state = self.state_dict()
        for name, module in self.named_modules():
            if isinstance(module, nn.Sequential) and isinstance(module[-2], nn.BatchNorm2d):
                for key in [key for key in state if key.startswith(f"{name}.")]:
                    del state[key]
                convolution = module[0]
                if isinstance(convolution, nn.Conv2d):
                    both = fuse_conv_bn_eval(convolution, module[-2])
                    state |= {f"{name}.0.{k}": v for k, v in both.state_dict().items()}
        return _ready(Reader(**self.options, folded=True), state)

    def read_grey(self, grey: Float[Tensor, "n h w"]) -> tuple[Reading, Features]:
        """Read grey pixels in 0..1, with gradients; also what training looks at.

        Sides are multiples of 4 from 32: training begins with pieces of single lines.
        """
        n = grey.shape[0]  # not len(): an exporter would take it for a constant
        x = even_out(grey.unsqueeze(1)).contiguous(memory_format=torch.channels_last)
        letters = self.letters(self._strokes(x))
        x = self.phrases(letters)
        rows, columns = x.shape[-2:]
        place = self.looks(x).float().flatten(2).softmax(-1)
        flat = x.float().reshape(n, self.heads, -1, rows * columns)
        pooled = torch.einsum("nhcp,nhp->nhc", flat, place).reshape(n, -1)
        signal = F.normalize(self.embedding(pooled), dim=1)
        # Softly the strongest: lettering anywhere is lettering.
        inks = self.inks(x).float().flatten(1)
        lettering = torch.logsumexp(inks, 1) - torch.tensor(float(rows * columns)).log() / 2
        return Reading(
            signal,
            4 * self.verdict(signal).squeeze(1),
            lettering,
            place.mean(1).reshape(n, rows, columns),
        ), Features(letters, pooled)

    def _strokes(self, x: Tensor) -> Tensor:
        """As ``strokes``. To read with, its first convolution goes over pixels in steps of four,
        which is the same as over squares of four by four, and spares laying those out."""
        if not self.is_folded:
            return cast(Tensor, self.strokes(x))
        convolution = cast(nn.Conv2d, self.strokes.get_submodule("1.0"))
        squares = convolution.weight.reshape(-1, 4, 4, 3, 3)  # (out, row, column, ...)
        weight = squares.permute(0, 3, 1, 4, 2).reshape(-1, 1, 12, 12)
        first = F.relu(F.conv2d(x, weight, convolution.bias, stride=4, padding=4))
        return cast(Tensor, self.strokes[2](first))


def check_pixels(pixels: Tensor) -> None:
    """Refuse what is no batch of decoded pictures.

    Raises:
        ValueError: says what came.
    """
    if pixels.ndim != 4 or pixels.shape[-1] != 3 or pixels.dtype != torch.uint8:
        raise ValueError(
            f"pixels must be uint8 of shape (n, h, w, 3), got {pixels.dtype} and "
            f"{tuple(pixels.shape)}"
        )


def to_grey(pixels: UInt8[Tensor, "n h w 3"]) -> Float[Tensor, "n h w"]:
    """Brightness in 0..1."""
    return pixels.float() @ (torch.tensor(GREY, device=pixels.device) / 255)


def even_out(grey: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n 1 h w"]:
    """Difference to the neighbourhood's mean, over its spread: faint letters become like bold ones.

    The neighbourhood is about 40 pixels wide; means are taken over cells of 8, smoothed and laid
    out again. Each of these steps treats rows and columns alone, so all of them are two thin
    matrices on either side: in ONNX Runtime a third of the time of pooling and resizing.
    """
    down, across = (_cells(length) for length in grey.shape[-2:])
    (gather, lay), (gather_across, lay_across) = (
        [matrix.to(grey) for matrix in each] for each in (down, across)
    )

    def around(values: Tensor) -> Tensor:
        cells = gather @ (values @ gather_across.T)
        return (lay @ cells) @ lay_across.T

    apart = grey - around(grey)
    # 0.02: five levels of 255, the noise of compression, is left small.
    return apart / (around(apart.square()).clamp_min(0).sqrt() + 0.02)


@cache
def _cells(length: int) -> tuple[Float[Tensor, "c l"], Float[Tensor, "l c"]]:
    """From a row of pixels to the smoothed means of its cells, and from those to pixels again."""
    with torch.inference_mode(False):  # training uses them, too
        cells = F.avg_pool1d(torch.eye(length)[:, None], 8, ceil_mode=True)
        for _ in range(2):
            cells = F.avg_pool1d(cells, 3, 1, 1, count_include_pad=False)
        count = cells.shape[-1]
        laid = F.interpolate(torch.eye(count)[:, None], size=length, mode="linear")
        return cells[:, 0].T.contiguous(), laid[:, 0].T.contiguous()


@dataclass(frozen=True)
class ReaderCard:
    """What a reader's weights are, beside them as JSON.

    Attributes:
        options: keyword arguments of :class:`Reader`.
        metrics: figures by name, as they were measured when training ended.
        training_data: what it was trained on, in words.
        git_revision: of the code that trained.
        created: UTC, ISO 8601.
        sha256: of the weights file, in hexadecimal.
        weights: file name of the tensors, beside the card.
        licence: SPDX expression for the weights.
        graph: file name of the ONNX graph, beside the card; empty where there is none.
        graph_sha256: of that file, in hexadecimal.
    """

    name: str
    version: str
    options: dict[str, int]
    metrics: dict[str, Any]
    training_data: dict[str, Any]
    git_revision: str
    created: str
    sha256: str
    weights: str
    licence: str = field(default="Apache-2.0")
    graph: str = field(default="")
    graph_sha256: str = field(default="")


def save_reader(path: Path, reader: Reader, about: Mapping[str, Any]) -> ReaderCard:
    """Write a card at ``path`` (``name.json``) and the folded weights beside it, single precision.

    Args:
        about: the card's version, metrics, training_data, git_revision and created.
    """
    state = reader.folded().state_dict()
    tensors = {key: value.detach().cpu().contiguous() for key, value in sorted(state.items())}
    data = save_tensors(tensors)
    card = ReaderCard(
        name=path.stem,
        options=dict(reader.options),
        sha256=hashlib.sha256(data).hexdigest(),
        weights=f"{path.stem}.safetensors",
        **about,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(card.weights).write_bytes(data)
    write_reader_card(path, card)
    return card


def write_reader_card(path: Path, card: ReaderCard) -> None:
    """The card as it lies beside the weights."""
    path.write_text(json.dumps(asdict(card), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def load_reader_card(path: Path) -> ReaderCard:
    """Read a card.

    Raises:
        WeightsError: it is not there, or not a card.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        card = ReaderCard(**found)
    except (OSError, ValueError, TypeError) as error:
        raise WeightsError(f"the reader's card {path} cannot be read: {error}") from error
    texts = {each.name for each in fields(ReaderCard) if each.type == "str"}
    if any(not isinstance(found.get(name, ""), str) for name in texts):
        raise WeightsError(f"the reader's card {path} has a value of the wrong type")
    if not card.weights or Path(card.weights).name != card.weights:
        raise WeightsError(f"{path}: weights must name a file beside the card")
    return card


def load_reader(path: Path | None = None) -> Reader:
    """Build the reader of a card, ready to read; the released one where none is named.

    Raises:
        WeightsError: a file is missing or is not what the card says it is.
    """
    path = RELEASED if path is None else path
    card = load_reader_card(path)
    try:
        data = path.with_name(card.weights).read_bytes()
    except OSError as error:
        raise WeightsError(f"{card.weights} cannot be read: {error.strerror}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != card.sha256:
        raise WeightsError(
            f"{card.weights} is not the file that {path} describes: its SHA-256 is {found}, the "
            f"card says {card.sha256}. Was it changed, or copied in part?"
        )
    try:
        return _ready(Reader(**card.options, folded=True), load_tensors(data))
    except (SafetensorError, RuntimeError, TypeError, ValueError) as error:
        raise WeightsError(f"{card.weights} does not fit {card.name}: {error}") from error


def _ready(reader: Reader, state: Mapping[str, Tensor]) -> Reader:
    """To read with: in the order of bytes that convolutions like best."""
    reader.load_state_dict(state)
    reader.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return reader.eval()


__all__ = [
    "GREY",
    "RELEASED",
    "SIGNAL",
    "SIZE",
    "Reader",
    "ReaderCard",
    "Reading",
    "Reads",
    "check_pixels",
    "even_out",
    "load_reader",
    "load_reader_card",
    "save_reader",
    "to_grey",
    "write_reader_card",
]
