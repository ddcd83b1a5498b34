"""Bytes in, checked pixels out: the one preprocessing, for training and for serving.

A picture is decoded once, at about the size that is needed, turned upright, put on white where
it is transparent, and fitted whole into a square: words sit at the edges, so nothing is cut off.
Whatever a decoder may raise leaves this module as a :class:`~model.errors.PictureError`.

Everything here may be called from several threads at once: no setting of Pillow or of the
``warnings`` module is touched, so limits are checked here and not by Pillow's bomb warning.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import simplejpeg
from jaxtyping import UInt8
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL.ExifTags import Base as ExifTag

from model.errors import PictureError, PictureTooLarge, UnreadablePicture
from model.resizing import Pixels, as_image, resized, size_of

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", "TIFF")
GREY = 128
"""What letterboxing pads with: mid-grey, which normalisation maps next to zero."""

# Opened by class, not by Image.open: that would warn about sizes before the limit here is
# checked, and try formats that nobody sends, where most of Pillow's vulnerabilities were.
_PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
}
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# A progressive JPEG may revisit all its pixels in every scan, a few bytes each. Encoders write
# about ten; a thousand over 50 megapixels would keep a core busy for minutes.
_MAX_SCANS = 100


@dataclass(frozen=True)
class Limits:
    """How much one picture may cost.

    Attributes:
        max_bytes: of the file.
        max_pixels: width times height, read from the header before anything is decoded. Pillow
            has a ceiling of its own at 178 million.
    """

    max_bytes: int = 20 * 2**20
    max_pixels: int = 50_000_000


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, eq=False)
class Picture:
    """One decoded picture.

    Attributes:
        pixels: shape (size, size, 3), sRGB as stored, letterboxed on mid-grey.
        width: of the original, in pixels, once upright.
        height: likewise.
        format: one of :data:`FORMATS`.
        thumbnail: a small WebP for people, where one was asked for.
    """

    pixels: UInt8[np.ndarray, "size size 3"]
    width: int
    height: int
    format: str
    thumbnail: bytes | None = None


def decode(
    data: bytes, size: int = 224, limits: Limits = DEFAULT_LIMITS, *, thumbnail: int = 0
) -> Picture:
    """Decode one picture into the square that the encoder takes.

    Args:
        data: a whole file; the format is read from its first bytes.
        size: side of the square, in pixels, at least 1.
        limits: of bytes and pixels.
        thumbnail: bound on the longer side of a thumbnail, at most twice ``size``; 0 makes none.
            One of ``size`` costs least.

    Raises:
        UnreadablePicture: not a picture in one of :data:`FORMATS`, damaged or truncated.
        PictureTooLarge: over one of the limits.
    """
    pixels, width, height, name = _read(data, 2 * size, limits)
    square = _letterboxed(pixels, size)
    small = None
    if thumbnail == size <= max(width, height):
        small = _webp(Image.fromarray(_inside(square, *size_of(pixels))))  # it is there already
    elif thumbnail:
        small = _small(as_image(pixels), width, height, thumbnail)
    return Picture(square, width, height, name, small)


def decode_image(data: bytes, size: int = 224, limits: Limits = DEFAULT_LIMITS) -> Image.Image:
    """Decode one picture as :func:`decode` does, before it is fitted into the square.

    For training, which does to pictures what shops do before they are letterboxed.

    Raises:
        UnreadablePicture: as :func:`decode`.
        PictureTooLarge: as :func:`decode`.
    """
    return as_image(_read(data, 2 * size, limits)[0])


def thumbnail(data: bytes, longest: int = 256, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Make a small WebP of one picture, for people to look at.

    Nothing of the file's metadata is kept, and small pictures are not enlarged.

    Args:
        data: a whole file.
        longest: bound on the longer side, in pixels.
        limits: of bytes and pixels.

    Raises:
        UnreadablePicture: as :func:`decode`.
        PictureTooLarge: as :func:`decode`.
    """
    pixels, width, height, _ = _read(data, 2 * longest, limits)
    return _small(as_image(pixels), width, height, longest)


def _small(image: Image.Image, width: int, height: int, longest: int) -> bytes:
    fitted = _fitted(*image.size, min(longest, max(width, height)))
    return _webp(image.resize(fitted, Image.Resampling.BICUBIC, reducing_gap=2.0))


def _webp(image: Image.Image) -> bytes:
    out = io.BytesIO()
    # Method 1 takes half the time of the default for the same bytes.
    image.save(out, "WEBP", quality=80, method=1)
    return out.getvalue()


def letterbox(image: Image.Image, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """Fit a whole RGB picture into a square, its aspect kept, centred on mid-grey.

    The longer side becomes ``size``, also where that enlarges; the shorter has at least 1 pixel.

    Raises:
        ValueError: the picture is not RGB, is empty, or size is below 1.
    """
    if image.mode != "RGB" or min(image.size) < 1 or size < 1:
        raise ValueError(
            f"letterbox takes an RGB picture with pixels and a size above 0, got mode "
            f"{image.mode}, {image.width} x {image.height} and size {size}"
        )
    return _letterboxed(image, size)


def _letterboxed(pixels: Pixels, size: int) -> UInt8[np.ndarray, "size size 3"]:
    square = np.full((size, size, 3), GREY, dtype=np.uint8)
    fitted = _fitted(*size_of(pixels), size)
    _inside(square, *fitted)[:] = resized(pixels, *fitted)
    return square


def _inside(square: UInt8[np.ndarray, "size size 3"], width: int, height: int) -> np.ndarray:
    """Where a picture of this shape lies in a square, a view."""
    size = len(square)
    width, height = _fitted(width, height, size)
    left, top = (size - width) // 2, (size - height) // 2
    return square[top : top + height, left : left + width]


def to_rgb(image: Image.Image) -> Image.Image:
    """Turn a picture of any of Pillow's modes into RGB.

    Alpha is put on white. Samples of 16 bits are scaled to 8; for wider integers and floats,
    whose white is written nowhere, values within 0..1 (floats), 0..255 or 0..65535 are taken to
    use that range, and others are stretched from their least to their greatest. Colour profiles
    are not applied, except that LAB is converted.
    """
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _grey_to_rgb(image)
    if image.has_transparency_data or image.mode in ("La", "RGBa"):
        # A conversion to the same mode would copy 4 bytes for each of up to 50 million pixels.
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        ground = Image.new("RGB", rgba.size, (255, 255, 255))
        ground.paste(rgba, mask=rgba)
        return ground
    return image.convert("RGB")


def _fitted(width: int, height: int, longest: int) -> tuple[int, int]:
    """Scale a size so that its longer side is ``longest``; no side falls below 1."""
    scale = longest / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _read(data: bytes, longest: int, limits: Limits) -> tuple[Pixels, int, int, str]:
    """Decode to an upright RGB picture, and say its original width, height and format.

    JPEG decoders can shrink while they decode; the longer side is then at least ``longest``.
    This is the one border where the decoders' exceptions are translated.
    """
    if len(data) > limits.max_bytes:
        raise PictureTooLarge(
            f"the picture has {len(data):,} bytes, more than the {limits.max_bytes:,} allowed"
        )
    name = _sniff(data)
    try:
        return *_decoded(name, data, longest, limits), name
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureTooLarge(f"the {name} picture has more pixels than can be decoded") from error
    except MemoryError as error:
        raise PictureTooLarge(f"the {name} picture needs more memory than there is") from error
    # Decoders raise whatever their parsing meets: SyntaxError, struct.error, KeyError, EOFError...
    except Exception as error:
        if _ends_early(name, data):
            message = f"the {name} picture is truncated: the file ends before the picture does"
        else:
            message = f"the {name} picture is damaged or truncated and cannot be decoded"
        raise UnreadablePicture(message) from error


def _decoded(name: str, data: bytes, longest: int, limits: Limits) -> tuple[Pixels, int, int]:
    """Decode a file of a known format: upright RGB, original width and height."""
    with _PLUGINS[name](io.BytesIO(data)) as image:
        _check_pixels(image.width, image.height, limits)
        width, height = image.size
        pixels: Pixels
        if name == "JPEG":
            pixels = _jpeg(data, image, longest, limits)
        else:
            image.load()
            # TIFF turns itself upright while loading.
            width, height = image.size
            pixels = to_rgb(image)
        # PNG may keep its orientation behind the pixels, so it is looked up after loading.
        turn = _TRANSPOSE.get(_orientation(image))
        if turn is not None:
            pixels = as_image(pixels).transpose(turn)
            if turn not in (
                Image.Transpose.FLIP_LEFT_RIGHT,
                Image.Transpose.FLIP_TOP_BOTTOM,
                Image.Transpose.ROTATE_180,
            ):
                width, height = height, width
        return pixels, width, height


def _scans(data: bytes) -> int:
    """Of how many a file has the beginning, FF DA: ``data.count`` in a sixth of its time."""
    pairs = (np.frombuffer(data, "<u2", (len(data) - start) // 2, start) for start in (0, 1))
    return sum(int(np.count_nonzero(each == 0xDAFF)) for each in pairs)


def _jpeg(data: bytes, image: ImageFile.ImageFile, longest: int, limits: Limits) -> Pixels:
    """Decode a JPEG, shrunk while decoding to at least ``longest`` on its longer side."""
    if _scans(data) > _MAX_SCANS:
        raise UnreadablePicture(f"the JPEG picture has more than {_MAX_SCANS} scans")
    width, height = image.size
    tall = height > width
    try:
        # Its own header counts, lest a crafted file shows Pillow another size.
        rows, columns, *_ = simplejpeg.decode_jpeg_header(data)
        _check_pixels(columns, rows, limits)
        found: np.ndarray = simplejpeg.decode_jpeg(
            data, min_height=longest if tall else 0, min_width=0 if tall else longest
        )
        return found
    except ValueError:
        # CMYK, which it does not convert, or damage. Pillow forgives what all browsers forgive
        # (stray bytes between segments, say) and still refuses a file that ends early.
        image.draft(None, _fitted(width, height, min(longest, max(width, height))))
        image.load()
        return to_rgb(image)


def _check_pixels(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.max_pixels:
        raise PictureTooLarge(
            f"the picture has {width * height:,} pixels ({width} x {height}), "
            f"more than the {limits.max_pixels:,} allowed"
        )


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 where there is none or the EXIF block is damaged."""
    try:
        return int(image.getexif().get(ExifTag.Orientation, 1))
    # As browsers do: a damaged note about the picture is no reason to refuse the picture.
    except Exception:
        return 1


def _grey_to_rgb(image: Image.Image) -> Image.Image:
    """Convert one channel of 16 bits or more; see :func:`to_rgb` for the range."""
    values = np.asarray(image)
    key = image.info.get("transparency")
    low, high = 0.0, 65535.0
    if image.mode in ("I", "F"):
        values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
        least, greatest = float(values.min()), float(values.max())
        ranges = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
        fitting = [top for top in ranges if least >= 0 and greatest <= top]
        low, high = (0.0, fitting[0]) if fitting else (least, greatest)
    scale = 255 / (high - low) if high > low else 0.0
    grey = np.empty(values.shape, dtype=np.uint8)
    # By strips: in double precision, all of a large picture would take 8 bytes a pixel thrice.
    for top in range(0, len(values), 256):
        strip = (values[top : top + 256].astype(np.float64) - low) * scale + 0.5
        grey[top : top + 256] = strip.clip(0, 255)
    if isinstance(key, int):
        grey[values == key] = 255
    return Image.fromarray(grey).convert("RGB")


def _sniff(data: bytes) -> str:
    """Tell the format by the first bytes.

    Raises:
        UnreadablePicture: none of :data:`FORMATS`; names what it is where that helps.
    """
    if not data:
        raise UnreadablePicture("the picture is empty: 0 bytes")
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis", b"mif1", b"msf1"):
        return "AVIF"
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    if data.startswith(b"BM"):
        return "BMP"
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in start:
        what = "it looks like SVG"
    elif start.startswith((b"<!doctype html", b"<html", b"<?xml", b"<head")):
        what = "it looks like a web page"
    elif data[4:8] == b"ftyp":
        what = "it looks like HEIC or a film"
    elif data.startswith(b"%PDF"):
        what = "it looks like PDF"
    else:
        what = "its first bytes are of none of them"
    raise UnreadablePicture(f"not a picture in {', '.join(FORMATS)}: {what}")


def _ends_early(name: str, data: bytes) -> bool:
    """Say whether a file that could not be decoded lacks its end, as its own frame tells."""
    if name == "JPEG":
        return data.rfind(b"\xff\xd9") < max(data.rfind(b"\xff\xda"), 0)
    if name == "PNG":
        return b"IEND" not in data
    if name == "GIF":
        return not data.rstrip(b"\0").endswith(b";")
    if name == "WEBP":
        return int.from_bytes(data[4:8], "little") + 8 > len(data)
    if name == "BMP":
        return int.from_bytes(data[2:6], "little") > len(data)
    if name == "AVIF":
        at = 0
        while at + 8 <= len(data):
            box = int.from_bytes(data[at : at + 4], "big")
            if box < 8:  # 0 runs to the end of the file, 1 has a 64-bit size elsewhere.
                return False
            at += box
        return at != len(data)
    # TIFF: a first directory that lies behind the end; its strips are left to the decoder.
    first = int.from_bytes(data[4:8], "little" if data[:2] == b"II" else "big")
    return len(data) < 8 or first >= len(data)
