"""Which region of a picture mattered: the visual head's log odds, place by place.

The encoder pools its last features by their mean over places, and what follows is linear but for
two norms that are the same for every place (class activation mapping, Zhou et al. 2016,
arXiv:1512.04150). With features f_xy at P places, p = mean of f_xy, v = W p / |p| + b, embedding
v / |v| and a head of weight w and bias c,

    logit = sum over xy of  w . W f_xy / (P |p| |v|)   +   (w . b / |v| + c)

so each place has its share, and what belongs to no place is a constant. A learner whose head is
not linear has w at the picture's own embedding, which is exact there and a tangent elsewhere.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from PIL import Image
from torch import Tensor
from torch.nn import functional

from model.encoder import Encoder, normalise
from model.ensemble import Ensemble
from model.errors import SupportError
from model.experts import ExpertName
from model.experts.area import own_area
from model.experts.signals import Signals
from model.learners.base import Learner
from model.learners.meta import MetaLearner
from model.questions import Known, Opinion, Question

# Apart for every common kind of colour blindness (Okabe and Ito 2008), and in brightness.
ORANGE = (230, 159, 0)
BLUE = (0, 114, 178)
# Of the colour where a place matters most: the picture stays recognisable below it.
_STRONGEST = 0.7


@dataclass(frozen=True, eq=False)
class Explanation:
    """What an answer about one picture rests on.

    Attributes:
        visual: shape (r, c), log odds: each place's share of the visual head's answer, above 0
            towards placeholder, below towards real. 7 x 7 for pictures of 224.
        constant: log odds that belong to no place; with it the shares sum to the head's answer.
        words: where the reader looked, at least 0, sums to 1; 14 x 14 for pictures of 224. None
            where there is no lettering, or no reader.
        experts: those that were asked for the answer and had something to say. Without the visual
            head among them, the map tells what it would have said.
        width, height: of the original.
    """

    visual: Float32[np.ndarray, "r c"]
    constant: float
    words: Float32[np.ndarray, "rr cc"] | None
    experts: Mapping[ExpertName, Opinion]
    width: int
    height: int

    @property
    def logit(self) -> float:
        """Of the visual head, all places together."""
        return float(self.visual.sum(dtype=np.float64)) + self.constant


def explain(
    ensemble: Ensemble,
    known: Known,
    pixels: UInt8[np.ndarray, "size size 3"],
    width: int,
    height: int,
    signals: Signals | None = None,
) -> Explanation:
    """Explain what a category's experts say of one picture.

    Args:
        pixels: letterboxed, as :func:`model.images.decode` gives them.
        width, height: of the original.
        signals: of the picture, one row, as far as the category needs them; looked for where None.
    Raises:
        SupportError: pixels of another size, or a backbone or learner that cannot be taken apart.
    """
    questions = [Question(0, 0)]
    if signals is None:
        signals = ensemble.examine([ensemble.look(pixels, width, height)], [known], questions)
    route = ensemble.route(signals, [known], questions)
    (experts,) = route.opinions()
    visual, constant = shares(
        ensemble.encoder, ensemble.learner, known.state.heads["visual"], pixels
    )
    return Explanation(visual, constant, _words(ensemble, pixels), experts, width, height)


def shares(
    encoder: Encoder,
    learner: Learner,
    state: Float[Tensor, " s"],
    pixels: UInt8[np.ndarray, "size size 3"],
) -> tuple[Float32[np.ndarray, "r c"], float]:
    """Each place's share of a head's log odds, and the constant that belongs to none.

    Args:
        state: of a head that the learner made.
    Raises:
        SupportError: as :func:`explain`.
    """
    side = encoder.image_size
    if pixels.shape != (side, side, 3) or pixels.dtype != np.uint8:
        raise SupportError(
            f"the encoder takes uint8 pixels of shape {(side, side, 3)}, got {pixels.dtype} of "
            f"shape {pixels.shape}"
        )
    if not isinstance(learner, MetaLearner):
        raise SupportError(f"heads of learner {learner.name!r} have no gradient to take apart")
    # A gradient is taken below, which inference mode would refuse.
    with torch.inference_mode(False), torch.no_grad():
        features = _features(encoder, pixels)
        pooled = features.mean((1, 2))
        projection = encoder.net.projection
        projected = projection(functional.normalize(pooled, dim=0)[None])[0]
        bias = projection(torch.zeros_like(pooled)[None])[0]
        size = projected.norm().clamp_min(1e-12)
        weight, free = _tangent(learner, state.clone(), (projected / size).cpu())
        weight = weight.to(pooled)
        # W^T w, as one product in place of one for each place.
        back = weight @ projection.weight if isinstance(projection, torch.nn.Linear) else weight
        places = torch.einsum("c,chw->hw", back, features)
        places /= places.numel() * pooled.norm().clamp_min(1e-12) * size
        return places.cpu().numpy(), float(weight @ bias / size) + free


def _features(encoder: Encoder, pixels: np.ndarray) -> Float[Tensor, "c h w"]:
    """What the backbone averages over places."""
    x = normalise(torch.from_numpy(pixels[None].copy()).to(encoder.device))
    half = encoder.precision == "fp16"
    backbone = cast(Any, encoder.net.backbone)
    with torch.autocast("cuda", torch.float16) if half else contextlib.nullcontext():
        features: Tensor = backbone.forward_features(x)
        pooled: Tensor = backbone.forward_head(features, pre_logits=True)
    features, pooled = features.float(), pooled.float()
    near = 1e-2 if half else 1e-4
    mean = features.mean((2, 3)) if features.ndim == 4 else features
    if mean.shape != pooled.shape or not torch.allclose(mean, pooled, near, near):
        raise SupportError(
            f"{encoder.backbone} does not end in a mean over places, so places have no shares"
        )
    return features[0]


def _tangent(
    learner: MetaLearner, state: Float[Tensor, " s"], embedding: Float[Tensor, " d"]
) -> tuple[Float[Tensor, " d"], float]:
    """w and c with logit = w . x + c: everywhere for a linear head, else at the embedding."""
    with torch.enable_grad():
        x = embedding.detach().clone().requires_grad_()
        logit = learner.logits(state[None], x[None, None])[0, 0]
        (weight,) = torch.autograd.grad(logit, x)
    return weight, float(logit.detach() - weight @ x.detach())


def _words(ensemble: Ensemble, pixels: np.ndarray) -> Float32[np.ndarray, "r c"] | None:
    if ensemble.experts is None:
        return None
    reading = ensemble.experts.reader.read(torch.from_numpy(pixels[None].copy()))
    place: np.ndarray = reading.place[0].numpy()
    return place if reading.lettering[0] > 0 else None


def overlay(explanation: Explanation, pixels: UInt8[np.ndarray, "size size 3"]) -> bytes:
    """Draw the visual map over the picture: orange towards placeholder, blue towards real.

    The picture is shown in grey, so that what is orange comes from the map, and without the bars
    of its letterbox. The more a place matters beside the picture's strongest, the stronger its
    colour; where all places together move the answer by less than 1 the colours are faint. The
    same input gives the same bytes.

    Args:
        pixels: those that were explained.
    Returns:
        A WebP file.
    """
    side = len(pixels)
    visual = explanation.visual
    scale = max(float(np.abs(visual).max()), 1 / visual.size)
    small = Image.fromarray(np.clip(visual / scale, -1, 1).astype(np.float32))
    strength = np.asarray(small.resize((side, side), Image.Resampling.BILINEAR))[..., None]
    grey = np.asarray(Image.fromarray(pixels).convert("L"), dtype=np.float32)[..., None]
    colour = np.where(strength > 0, np.array(ORANGE), np.array(BLUE))
    drawn = grey + (colour - grey) * np.abs(strength) * _STRONGEST
    square = np.clip(np.rint(drawn), 0, 255).astype(np.uint8)
    own = own_area(square, explanation.width, explanation.height)
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(own)).save(out, "WEBP", quality=85, method=1)
    return out.getvalue()
