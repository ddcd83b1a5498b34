"""Stand-ins that say that something went wrong: broken pictures, 404 pages, XML, torn paper."""

import numpy as np
from PIL import Image, ImageDraw

from model.standins.chance import between, chance, pick, weighted, whole
from model.standins.grounds import Sheet, draw_ground, photolike
from model.standins.names import brand, listed
from model.standins.palette import WHITE, brand_colour, grey, ink_on, mix
from model.standins.relief import glossy
from model.standins.resources import Resources
from model.standins.scenes import put_window
from model.standins.surface import Pen, canvas_size, ink
from model.standins.texts import Words, notice, write

ERROR_FAMILIES = {
    "browser": 0.3,
    "page": 0.26,
    "xml": 0.1,
    "hotlink": 0.14,
    "torn": 0.1,
    "dialog": 0.1,
}

_CODES = ("404", "403", "500", "503", "400", "410", "401", "502")
_SAYINGS = listed("""
    Not Found; Page not found; Forbidden; Access Denied; File not found; Error; Oops!;
    Something went wrong; Image not found; Internal Server Error;
    The requested URL was not found on this server.; Bad Gateway; Service Unavailable;
    No such file or directory; Nothing here; Whoops; Object not found!; Gone; Ошибка 404;
    Страница не найдена; Página no encontrada; Page introuvable; Seite nicht gefunden;
    Pagina non trovata; 页面不存在; ページが見つかりません; Sayfa bulunamadı; Nie znaleziono strony;
    Página não encontrada
""")
_HOTLINKS = listed("""
    Hotlinking not allowed; Hotlinking is not permitted; Image hosting disabled;
    Bandwidth limit exceeded; Please update your account to enable 3rd party hosting;
    This image is hosted elsewhere; Stop stealing bandwidth; Do not hotlink;
    This picture has been removed;
    The image you are requesting does not exist or is no longer available; Access restricted;
    Sorry, you have been blocked; Content blocked; Upgrade to view this image; Image expired;
    此图片|来自|外部|网站; 未经|允许|不可|引用; Хотлинк запрещён; Direktverlinkung nicht erlaubt
""")


def _language(text: str) -> str:
    first = ord(text[0])
    if 0x400 <= first < 0x530:
        return "ru"
    if 0x3040 <= first < 0x3100:
        return "ja"
    return "zh" if first > 0x4E00 else "en"


def _browser_glyph(rng: np.random.Generator, side: int) -> Image.Image:
    """The small broken picture of browsers, in colour, on white (RGB, side by side)."""
    n = 4
    tile = Image.new("RGB", (side * n, side * n), WHITE)
    draw = ImageDraw.Draw(tile)
    s = side * n / 16
    edge = grey(whole(rng, 120, 200))
    sky = pick(rng, ((190, 215, 245), (232, 240, 250), (200, 225, 255), (255, 255, 255)))
    green = pick(rng, ((70, 160, 70), (90, 180, 90), (110, 150, 110), (52, 168, 83)))
    draw.polygon(
        [(1 * s, 1 * s), (11 * s, 1 * s), (15 * s, 5 * s), (15 * s, 15 * s), (1 * s, 15 * s)],
        fill=sky,
        outline=edge,
        width=max(1, round(s)),
    )
    draw.polygon(
        [(11 * s, 1 * s), (11 * s, 5 * s), (15 * s, 5 * s)],
        fill=WHITE,
        outline=edge,
        width=max(1, round(s * 0.8)),
    )
    draw.polygon(
        [
            (2 * s, 14 * s),
            (2 * s, 12 * s),
            (6 * s, 7 * s),
            (9 * s, 11 * s),
            (11 * s, 9 * s),
            (14 * s, 13 * s),
            (14 * s, 14 * s),
        ],
        fill=green,
    )
    if chance(rng, 0.5):
        draw.ellipse((3 * s, 3 * s, 6 * s, 6 * s), fill=WHITE)
    style = whole(rng, 0, 2)
    if style == 0:  # torn across
        draw.line(
            [(0, 12 * s), (5 * s, 8 * s), (8 * s, 11 * s), (16 * s, 5 * s)],
            fill=WHITE,
            width=round(1.6 * s),
        )
    elif style == 1:  # the red cross of old
        red = (200, 30, 30)
        draw.rectangle(
            (1 * s, 1 * s, 15 * s, 15 * s), outline=edge, width=max(1, round(s)), fill=WHITE
        )
        draw.line([(4 * s, 4 * s), (12 * s, 12 * s)], fill=red, width=round(2 * s))
        draw.line([(12 * s, 4 * s), (4 * s, 12 * s)], fill=red, width=round(2 * s))
    else:  # a corner torn off
        draw.polygon([(9 * s, 16 * s), (16 * s, 9 * s), (16 * s, 16 * s)], fill=WHITE)
    return tile.reduce(n)


def _browser(rng: np.random.Generator, resources: Resources) -> tuple[Image.Image, Words]:
    """An empty frame with the browser's glyph, usually with the alternative text beside it."""
    size = canvas_size(rng)
    w, h = size
    colour = WHITE if chance(rng, 0.75) else grey(whole(rng, 225, 250))
    picture = Image.new("RGB", size, colour)
    if chance(rng, 0.6):
        ImageDraw.Draw(picture).rectangle((0, 0, w - 1, h - 1), outline=grey(whole(rng, 120, 215)))
    side = min(w, h, max(12, round(pick(rng, (16, 16, 20, 24, 32, min(size) * 0.3)))))
    middle = chance(rng, 0.35)
    if middle:  # alone and 16 pixels wide on a large page, one looks like the next
        side = max(side, round(min(w, h) * between(rng, 0.12, 0.4)))
    glyph = _browser_glyph(rng, side)
    x, y = ((w - side) // 2, (h - side) // 2) if middle else (max(1, side // 6), max(1, side // 6))
    picture.paste(glyph, (x, y))
    if middle or w < 60 or chance(rng, 0.3):
        return picture, Words("", "")
    name, file = f"{brand(rng)} {whole(rng, 1, 99)}", f"IMG_{whole(rng, 1000, 9999)}"
    words = Words(pick(rng, ("image", "product image", "Photo", "thumbnail", name, file)), "en")
    if chance(rng, 0.4):
        words = notice(rng, resources)
    sheet = Sheet(picture, colour)
    room = max(0.1, (w - side * 1.6) / w)
    share = (min(room * 0.9, 0.75), min(0.5, side * 1.1 / h))
    centre = ((side * 1.4 + w * room / 2 * 0.9) / w, (y + side / 2) / h)
    write(rng, sheet, resources, words, share, centre, grey(whole(rng, 0, 90)), tilt=False)
    return picture, words


def _page(rng: np.random.Generator, resources: Resources) -> tuple[Image.Image, Words]:
    """A big error number and a line of explanation, perhaps a drawing beside them."""
    sheet = draw_ground(rng, resources)
    code, saying = pick(rng, _CODES), pick(rng, _SAYINGS)
    words = Words(saying, _language(saying))
    if not resources.fonts.writes(saying, words.script):
        words = Words("Not Found", "en")
    if min(sheet.picture.size) > 60 and chance(rng, 0.25):
        window = put_window(rng, sheet)
        write(rng, window, resources, Words(code, ""), (0.45, 0.3), (0.5, 0.54), tilt=False)
        if chance(rng, 0.5):
            write(rng, sheet, resources, words, (0.6, 0.1), (0.5, 0.92), tilt=False)
        return sheet.picture, Words(f"{code} {words.text}", words.language)
    colour = sheet.ink(rng)
    top = between(rng, 0.32, 0.45)
    if chance(rng, 0.3) and min(sheet.picture.size) > 90:
        side = round(min(sheet.picture.size) * between(rng, 0.25, 0.4))
        mask = resources.icon(rng, pick(rng, ("empty", "picture-off", "alert", "question")), side)
        ink(
            sheet.picture,
            mask,
            ((sheet.picture.width - side) // 2, round(sheet.picture.height * 0.08)),
            colour,
        )
        top = 0.58
    write(
        rng,
        sheet,
        resources,
        Words(code, ""),
        (between(rng, 0.3, 0.7), between(rng, 0.2, 0.4)),
        (0.5, top),
        colour,
        tilt=False,
    )
    write(
        rng,
        sheet,
        resources,
        words,
        (between(rng, 0.4, 0.85), 0.15),
        (0.5, top + 0.27),
        None if chance(rng, 0.5) else colour,
        tilt=False,
    )
    return sheet.picture, Words(f"{code} {words.text}", words.language)


def _xml(rng: np.random.Generator, resources: Resources) -> tuple[Image.Image, Words]:
    """A storage service's XML, JSON or a server's plain answer, as text in a picture."""
    dark = chance(rng, 0.2)
    colour = grey(whole(rng, 20, 40)) if dark else WHITE
    size = canvas_size(rng)
    sheet = Sheet(Image.new("RGB", size, colour), colour)
    key = f"{brand(rng).lower()}/{whole(rng, 100, 99999)}.jpg"
    lines = pick(
        rng,
        (
            ["<Error>", "  <Code>AccessDenied</Code>", "  <Message>Access Denied</Message>",
             f"  <RequestId>{whole(rng, 10**6, 10**9):X}</RequestId>", "</Error>"],
            ["<Error>", "<Code>NoSuchKey</Code>", f"<Key>{key}</Key>", "</Error>",
             "<Message>The specified key does not exist.</Message>"],
            ["This XML file does not appear to have any", "style information associated with it.",
             "<Error><Code>NoSuchBucket</Code></Error>"],
            ["{", '  "error": "not_found",', f'  "path": "/{key}"', "}"],
            ["HTTP/1.1 404 Not Found", "Server: nginx", "Content-Length: 0"],
            ["Warning: getimagesize():",
             f"failed to open stream: {key}", "in /var/www/html/image.php"],
            ["Fatal error: Allowed memory size", "of 134217728 bytes exhausted"],
        ),
    )  # fmt: skip
    faces = resources.fonts.table["latin"]
    mono = tuple(f for f in faces if "mono" in f.name.lower() or "courier" in f.name.lower())
    face = pick(rng, mono or faces)
    points = max(
        5,
        int(
            min(
                size[0] * 0.9 / max(face.width(line, 40) / 40 for line in lines),
                size[1] * 0.7 / (len(lines) * 1.4),
            )
        ),
    )
    over = Image.new("L", size)
    x, y = points * 0.4, points * 1.5
    for line in lines:
        if face.covers(line):
            face.draw(ImageDraw.Draw(over), (x, y), line, points, 255, 0)
        y += points * 1.4
    ink(sheet.picture, over, (0, 0), ink_on(rng, colour, 110))
    return sheet.picture, Words("\n".join(lines), "en")


def _torn(rng: np.random.Generator, resources: Resources) -> tuple[Image.Image, Words]:
    """A picture torn in two along a ragged line: an icon's, a photograph's or an empty sheet's."""
    sheet = draw_ground(rng, resources, plainer=True)
    w, h = sheet.picture.size
    side = max(14, round(min(w, h) * between(rng, 0.4, 0.9)))
    pen = Pen(side)
    n = whole(rng, 3, 8)
    middle, lean, rag = between(rng, 40, 60), between(rng, -15, 15), between(rng, 3, 10)
    edge = [
        (100 * i / n, middle + lean * (i / n - 0.5) * 2 + (rag if i % 2 else -rag))
        for i in range(n + 1)
    ]
    gap = between(rng, 3, 9)
    pen.box(6, 10, 94, 90, between(rng, 0, 8))
    pen.polygon([*edge, *((x, y + gap) for x, y in reversed(edge))], tone=0)
    mask = pen.mask()
    at = ((w - side) // 2, (h - side) // 2)
    if chance(rng, 0.3):
        sheet.picture.paste(photolike(rng, (side, side)), at, mask)
        return sheet.picture, Words("", "")
    colour = sheet.ink(rng)
    ink(sheet.picture, mask, at, colour)
    scene = resources.icon(rng, "picture", side)
    kept = Image.composite(scene, Image.new("L", scene.size), mask)
    ink(sheet.picture, kept, at, mix(colour, sheet.colour, between(rng, 0.4, 0.9)))
    return sheet.picture, Words("", "")


def _dialog(rng: np.random.Generator, resources: Resources) -> tuple[Image.Image, Words]:
    """A red cross, a yellow warning or a notice with a button."""
    sheet = draw_ground(rng, resources, plainer=True)
    w, h = sheet.picture.size
    tone = pick(
        rng, ((200, 40, 40), (220, 53, 69), (240, 180, 0), (255, 193, 7), brand_colour(rng))
    )
    side = max(12, round(min(w, h) * between(rng, 0.3, 0.8)))
    pen = Pen(side)
    pen.circle(50, 50, 48)
    at = ((w - side) // 2, round((h - side) * pick(rng, (0.5, 0.5, 0.2))))
    if chance(rng, 0.45):
        glossy(rng, sheet.picture, pen.mask(), at, tone)
    else:
        ink(sheet.picture, pen.mask(), at, tone)
    sign = Pen(side)
    if chance(rng, 0.5):
        sign.line([(33, 33), (67, 67)], between(rng, 6, 14))
        sign.line([(67, 33), (33, 67)], between(rng, 6, 14))
    else:
        sign.line([(50, 22), (50, 58)], between(rng, 7, 12))
        sign.circle(50, 76, between(rng, 5, 8))
    ink(sheet.picture, sign.mask(), at, ink_on(rng, tone, 60))
    if at[1] + side < h * 0.75 and h > 60:
        words = notice(rng, resources)
        write(rng, sheet, resources, words, (0.8, 0.18), (0.5, 0.86), tilt=False)
        return sheet.picture, words
    return sheet.picture, Words("", "")


def draw_error(rng: np.random.Generator, resources: Resources) -> tuple[Image.Image, str, Words]:
    """A stand-in of a failure: picture, family and words."""
    family = weighted(rng, ERROR_FAMILIES)
    if family == "browser":
        picture, words = _browser(rng, resources)
    elif family == "page":
        picture, words = _page(rng, resources)
    elif family == "xml":
        picture, words = _xml(rng, resources)
    elif family == "torn":
        picture, words = _torn(rng, resources)
    elif family == "dialog":
        picture, words = _dialog(rng, resources)
    else:
        text = pick(rng, _HOTLINKS)
        words = Words(text, _language(text))
        if not resources.fonts.can_write(words.script):
            words = Words("Hotlinking not allowed", "en")
        sheet = draw_ground(rng, resources)
        if not write(rng, sheet, resources, words):
            words = Words("Do not hotlink", "en")
            write(rng, sheet, resources, words)
        picture = sheet.picture
    return picture, f"error/{family}", words
