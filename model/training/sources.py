"""Where the pictures of meta-training come from, and what is known of each.

A *view* is one picture as a shop would serve it: a product or a real stand-in after what shops do
to pictures, or a stand-in drawn by the generator. View i of a source depends on the seed and on i
alone, so that views can be made in any order, in parallel, and again after a kill.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from model.data import Record
from model.episodes import Traits
from model.holdout import Role, position, role
from model.images import decode_image, letterbox
from model.standins import (
    KINDS,
    PRODUCT_FAMILIES,
    Drawn,
    Resources,
    degrade,
    draw,
    draw_product,
)
from model.standins.drawings import draw_drawing
from model.training.config import ViewsConfig

# Look of a drawn kind in a task that turns around: silhouettes, errors, spinners and mixtures are
# never the goods.
_LOOK_OF_KIND = {"logo": "logo", "icon": "icon", "text": "lettering", "blank": "swatch"}
# How often each is drawn: shops use words most, and telling a notice from a logo or a title is the
# hardest part.
_KINDS = tuple(
    kind
    for kind in KINDS
    for _ in range({"text": 3, "icon": 2, "logo": 2, "mixed": 2}.get(kind, 1))
)
_GOODS = (*PRODUCT_FAMILIES, "lettering")
# Titles and brand names are ordinary goods, too, so drawn lettering is a category of its own.
LETTERING = "drawn lettering"
DRAWINGS = "drawn drawings"
# Categories of scripts/import_clipart.py begin so. Some of its drawings are symbols that would be
# stand-ins in any other category.
CLIP_ART = "clip art: "


@dataclass(frozen=True)
class ViewLabel:
    """What is known of one view, as one line of JSON.

    Attributes:
        fine: the finest class known: a family of the generator, ``kind:text`` for a real stand-in,
            ``product:shoes`` for a product; the auxiliary loss works on these.
        role: what it may be used for (``model.holdout.role``).
        drawn: made by the generator.
    """

    is_standin: bool
    category: str
    kind: str
    look: str
    fine: str
    hardtag: str
    role: Role
    drawn: bool

    @property
    def traits(self) -> Traits:
        """The part that the episode sampler needs."""
        return Traits(self.is_standin, self.category, self.kind, self.look)

    @property
    def is_decided(self) -> bool:
        """Whether it is a stand-in can be told before its category has spoken."""
        named = bool(self.category) and self.category != LETTERING
        return self.is_standin or (named and not self.category.startswith(CLIP_ART))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Source:
    """Everything that views are made from.

    Attributes:
        records: real pictures; those held out get one plain view and no degradation.
    """

    records: Sequence[Record]
    resources: Resources
    counts: ViewsConfig
    seed: int
    image_size: int

    def plan(self) -> list[tuple[str, int, int]]:
        """What each view is: (sort, index of the record or of the drawing, number of the view)."""
        found: list[tuple[str, int, int]] = []
        for index, record in enumerate(self.records):
            views = self.counts.per_standin if record.is_standin else self.counts.per_product
            found += [("record", index, v) for v in range(1 if record.is_held_out else views)]
        found += [("standin", i, 0) for i in range(self.counts.drawn_standins)]
        found += [("product", i, 0) for i in range(self.counts.drawn_products)]
        found += [("drawing", i, 0) for i in range(self.counts.drawn_drawings)]
        if any(not record.is_held_out for record in self.records):
            found += [("tiny", i, 0) for i in range(self.counts.tiny)]
        return found

    def view(self, sort: str, index: int, number: int) -> tuple[NDArray[np.uint8], ViewLabel]:
        """Make one view: pixels (size, size, 3) uint8, and what is known of it.

        Raises:
            PictureError: a real picture cannot be read.
        """
        image, label = self.picture(sort, index, number)
        return letterbox(image, self.image_size), label

    def picture(self, sort: str, index: int, number: int) -> tuple[Image.Image, ViewLabel]:
        """The same view before it is letterboxed, in the shape that a shop would serve.

        Raises:
            PictureError: a real picture cannot be read.
        """
        salt = ("record", "standin", "product", "drawing", "tiny").index(sort)
        rng = np.random.default_rng([self.seed, salt, index, number])
        if sort == "record":
            return self._real(self.records[index], number, rng)
        if sort == "tiny":
            return self._tiny(index, rng)
        return self._drawn(sort, index, rng)

    def _real(
        self, record: Record, number: int, rng: np.random.Generator
    ) -> tuple[Image.Image, ViewLabel]:
        image = decode_image(record.path.read_bytes(), self.image_size)
        if number > 0:  # the first view is the picture as it is
            if rng.random() < 0.5 and not _has_words(record):
                image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            image = degrade(image, rng)
        return image, _label(record)

    def _tiny(self, index: int, rng: np.random.Generator) -> tuple[Image.Image, ViewLabel]:
        """A thumbnail, enlarged again by letterboxing; two in three are products."""
        wanted = [
            record
            for record in self.records
            if not record.is_held_out and record.is_standin == (index % 3 == 0)
        ]
        wanted = wanted or [record for record in self.records if not record.is_held_out]
        record = wanted[int(rng.integers(len(wanted)))]
        image = decode_image(record.path.read_bytes(), self.image_size).copy()
        side = int(rng.integers(20, 56))
        image.thumbnail((side, side), Image.Resampling.BICUBIC)
        if rng.random() < 0.6:
            image = image.convert("L").convert("RGB")
        if rng.random() < 0.35:
            image = ImageOps.invert(image)
        return image, _label(record)

    def _drawn(
        self, sort: str, index: int, rng: np.random.Generator
    ) -> tuple[Image.Image, ViewLabel]:
        if sort == "standin":
            drawn = draw(_KINDS[index % len(_KINDS)], rng, self.resources)
            look = _LOOK_OF_KIND.get(drawn.kind, "")
            fine = drawn.family
            category = ""
        elif sort == "drawing":
            drawn = Drawn(draw_drawing(rng, self.resources), "icon", "icon/drawing", "", "", True)
            look, fine, category = "", f"product:{DRAWINGS}", DRAWINGS
        else:
            family = _GOODS[index % len(_GOODS)]
            drawn = draw_product(family, rng, self.resources)
            look, fine = family, f"product:drawn {family}"
            category = LETTERING if family == "lettering" else ""
        image = degrade(drawn.image, rng) if rng.random() < 0.7 else drawn.image
        return image, ViewLabel(
            is_standin=not drawn.is_product,
            category=category,
            kind="" if drawn.is_product else drawn.kind,
            look=look,
            fine=fine,
            hardtag="",
            role=_role_of_drawing(drawn.family, sort, index),
            drawn=True,
        )


def _label(record: Record) -> ViewLabel:
    return ViewLabel(
        is_standin=record.is_standin,
        category=record.category,
        kind=record.kind,
        look=record.look,
        fine=f"kind:{record.kind}" if record.is_standin else f"product:{record.category}",
        hardtag=record.hardtag,
        role=record.role,
        drawn=False,
    )


def _has_words(record: Record) -> bool:
    """Mirror writing is no lettering."""
    return record.kind in ("text", "logo", "error", "mixed") or record.look == "lettering"


def _role_of_drawing(family: str, sort: str, index: int) -> Role:
    """By its family; of the families that the encoder learns from, one drawing in five is kept
    for the learner's stage."""
    found = role({"family": family})
    if found == "encoder" and position(f"{sort} {index}", "drawing") < 0.2:
        return "learner"
    return found
