"""Overlays and scenes for `text.py`: captions, titles, marks and watermarks drawn as editing programs draw them, with the truth of
which samples they cover; and scenes without any, some with text of their own."""

import subprocess
from functools import cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

# Script: its share, the languages whose fonts have it, its letters.
SCRIPTS = {
    "latin": (44, "en", None),
    "han": (16, "zh-cn zh-tw", None),
    "kana": (7, "ja", None),
    "hangul": (5, "ko", [(0xAC00, 0xD7A3)]),
    "cyrillic": (8, "ru", [(0x430, 0x44F)]),
    "greek": (3, "el", [(0x3B1, 0x3C9)]),
    "arabic": (5, "ar", [(0x628, 0x63A), (0x641, 0x64A)]),
    "hebrew": (3, "he", [(0x5D0, 0x5EA)]),
    "devanagari": (3, "hi", [(0x915, 0x939)]),
    "bengali": (1.5, "bn", [(0x995, 0x9A8)]),
    "thai": (4, "th", [(0xE01, 0xE2E)]),
    "armenian": (0.3, "hy", [(0x561, 0x586)]),
    "georgian": (0.3, "ka", [(0x10D0, 0x10F0)]),
}
MARKS = {"devanagari": [0x93E, 0x93F, 0x940, 0x941, 0x947, 0x94B, 0x902], "bengali": [0x9BE, 0x9BF, 0x9C0, 0x9C7],
         "thai": [0xE30, 0xE32, 0xE34, 0xE35, 0xE38, 0xE48, 0xE49]}
NO_LETTERS = ("D050000L", "Standard Symbols", "Keyboard", "Emoji", "Cupola", "Caliban", "UnPilgi", "Isabella", "Math")
COMMON = ("the you I to a and it of that in is what me this for my on your have do no be not are we know can with but all so just "
          "there here they like get he she if right out about up at him now oh come her how well yeah want think good see let did "
          "why who will going when back one would from time never because some look OK Then Where Hello Please Wait Stop Thank").split()


@cache
def fonts(script):
    """Families with the files of a script's fonts."""
    families = {}
    for language in SCRIPTS[script][1].split():
        listed = subprocess.run(["fc-list", "-f", "%{family[0]}|%{file}|%{index}\n", f":lang={language}"], capture_output=True,
                                text=True, check=True).stdout
        for line in sorted(set(listed.split("\n"))):
            family, _, rest = line.partition("|")
            path, _, index = rest.partition("|")
            if not path.endswith((".ttf", ".otf", ".ttc", ".pfb")) or int(index) > 0xFFFF or any(n in family for n in NO_LETTERS):
                continue
            families.setdefault(family, []).append((path, int(index)))
    return [families[name] for name in sorted(families)]


@cache
def face(path, index, size):
    return ImageFont.truetype(path, size, index)


def font_of(draw, script, size):
    family = fonts(script)[draw.integers(len(fonts(script)))]
    return face(*family[draw.integers(len(family))], size)


def script_of(draw):
    shares = np.array([share for share, *_ in SCRIPTS.values()])
    return list(SCRIPTS)[draw.choice(len(shares), p=shares / shares.sum())]


def words(draw, script, letters):
    """A line of about `letters` letters."""
    if script in ("han", "kana"):
        def one():
            if script == "kana" and draw.random() < 0.65:
                return chr(draw.integers(0x3042, 0x3094) if draw.random() < 0.7 else draw.integers(0x30A2, 0x30F4))
            return bytes([draw.integers(0xB0, 0xD7), draw.integers(0xA1, 0xFF)]).decode("gb2312", "ignore") or "的"
        line = "".join(one() for _ in range(max(1, letters // 2)))
        if draw.random() < 0.2:
            k = draw.integers(len(line) + 1)
            line = line[:k] + ("，" if draw.random() < 0.5 else " ") + line[k:]
        return line
    line, kind = [], draw.random()
    while sum(map(len, line)) + len(line) - 1 < letters:
        if script == "latin" and kind < 0.85:
            if draw.random() < 0.06:
                word = str(draw.integers(0, 10 ** int(draw.integers(1, 6))))
            elif draw.random() < 0.6:
                word = COMMON[draw.integers(len(COMMON))]
            else:
                word = "".join("bcdfghjklmnprstvwzß"[draw.integers(19)] + "aeiouyàéîöü"[min(draw.integers(16), 10) - 5 * (draw.random() < 0.9)]
                               for _ in range(draw.integers(1, 5)))
        elif script == "latin":
            word = "".join("0123456789:;.-/%#"[draw.integers(17)] for _ in range(draw.integers(2, 9)))
        else:
            spans = SCRIPTS[script][2]
            word = ""
            for _ in range(draw.integers(1, 9)):
                low, high = spans[draw.integers(len(spans))]
                word += chr(draw.integers(low, high + 1))
                if script in MARKS and draw.random() < 0.4:
                    word += chr(MARKS[script][draw.integers(len(MARKS[script]))])
        line.append(word)
    text = " ".join(line)
    if script in ("latin", "cyrillic", "greek", "armenian"):
        case = draw.random()
        text = text.upper() if case < 0.2 else text[:1].upper() + text[1:] if case < 0.85 else text
        text += ("", "", ".", "?", "!", ",", "...")[draw.integers(7)]
        if draw.random() < 0.04:
            text = " ".join(text)
    if draw.random() < 0.06:
        text = "- " + text
    return text


def letters_of(lines, font, stroke, gap, upright=False):
    """Masks of 0..1 of the letters and of the letters with an outline of `stroke` samples, lines centred; and each line's box."""
    boxes = [font.getbbox(line, anchor="ls") for line in lines]
    pad = int(stroke) + 3
    size = font.size
    if upright:
        glyphs = [list(line) for line in lines]
        w, h = int(len(lines) * gap) + 2 * pad + size // 2, int(max(map(len, glyphs)) * size * 1.08) + size // 2 + 2 * pad
    else:
        w = max(b[2] - b[0] for b in boxes) + 2 * pad
        h = int((len(lines) - 1) * gap) + max(b[3] - b[1] for b in boxes) + 2 * pad
    if w < 2 or h < 2 or w > 3000:
        return None
    masks, spans = [], []
    for width in (0, stroke) if stroke else (0,):
        image = Image.new("L", (w, h))
        pen = ImageDraw.Draw(image)
        for n, (line, box) in enumerate(zip(lines, boxes)):
            if upright:
                for k, letter in enumerate(line):
                    pen.text((pad + size * 0.6 + n * gap, pad + size * (0.9 + 1.08 * k)), letter, 255, font, "ms", stroke_width=width)
            else:
                base = pad + n * gap - min(b[1] for b in boxes)
                pen.text(((w - (box[2] - box[0])) / 2 - box[0], base), line, 255, font, "ls", stroke_width=width)
                spans.append(((w - (box[2] - box[0])) / 2, base + box[1], (w + (box[2] - box[0])) / 2, base + box[3]))
        masks.append(np.asarray(image, np.float32) / 255)
    return masks[0], masks[-1], spans or [(pad, pad, w - pad, h - pad)]


def placed(mask, shape, x, y):
    """`mask` at (x, y) of an empty plane."""
    plane = np.zeros(shape, np.float32)
    h, w = mask.shape
    x0, y0, x1, y1 = max(0, x), max(0, y), min(shape[1], x + w), min(shape[0], y + h)
    if x1 > x0 and y1 > y0:
        plane[y0:y1, x0:x1] = mask[y0 - y:y1 - y, x0 - x:x1 - x]
    return plane


class Overlay:
    """Layers over a picture: colour times alpha, alpha, and what of it is strokes (letters, outlines, shadows) and what plate."""

    def __init__(self, shape):
        self.colour = np.zeros((*shape, 3), np.float32)
        self.alpha, self.strokes, self.plate = (np.zeros(shape, np.float32) for _ in range(3))

    def over(self, colour, alpha):
        self.colour = self.colour * (1 - alpha[..., None]) + np.asarray(colour, np.float32) * alpha[..., None]
        self.alpha = self.alpha * (1 - alpha) + alpha

    def stroke(self, colour, cover, opacity=1.0):
        self.over(colour, cover * opacity)
        self.strokes = np.maximum(self.strokes, cover * (1 if opacity > 0.35 else opacity / 0.35))

    def onto(self, picture):
        return picture * (1 - self.alpha[..., None]) + self.colour

    def merge(self, other, opacity):
        """Puts a whole other overlay over this one, at `opacity`."""
        self.colour = self.colour * (1 - opacity * other.alpha[..., None]) + opacity * other.colour
        self.alpha = self.alpha * (1 - opacity * other.alpha) + opacity * other.alpha
        self.strokes, self.plate = np.maximum(self.strokes, other.strokes), np.maximum(self.plate, other.plate)


def colour_of(draw):
    """BGR of letters."""
    kind = draw.random()
    if kind < 0.48:
        return np.full(3, draw.uniform(225, 255))
    if kind < 0.60:
        return np.array([draw.uniform(0, 90), draw.uniform(200, 255), draw.uniform(225, 255)])
    if kind < 0.72:
        return np.full(3, draw.uniform(90, 225)) + draw.uniform(-12, 12, 3)
    if kind < 0.82:
        return draw.uniform(0, 60, 3)
    hue = cv2.cvtColor(np.uint8([[[draw.integers(180), draw.integers(110, 256), draw.integers(130, 256)]]]), cv2.COLOR_HSV2BGR)
    return hue[0, 0].astype(np.float64)


def disc(radius):
    r = max(1, int(np.ceil(radius)))
    y, x = np.mgrid[-r:r + 1, -r:r + 1]
    return (np.hypot(x, y) <= radius + 0.3).astype(np.uint8)


def caption(draw, shape, em, plain=False):
    """A block of text of letters `em` samples high somewhere in a plane of `shape`, in one of the usual styles."""
    side, kind = shape[0], draw.random()
    script = script_of(draw)
    upright = kind < 0.05 and script in ("han", "kana", "hangul", "latin")
    font = font_of(draw, script, em)
    fits = int(draw.uniform(0.4, 2.2) * side / (0.5 * em))
    count = int(np.clip(draw.integers(3, 40), 2, max(3, fits)))
    rows = 1 + (draw.random() < 0.4) + (draw.random() < 0.06)
    lines = [words(draw, script, max(2, int(count * draw.uniform(0.5, 1)))) for _ in range(rows)]
    if kind < 0.18 and not upright:
        lines = [words(draw, script, int(draw.integers(1, 9)))]
    style = draw.random()
    outlined = not plain and draw.random() < 0.55
    stroke = max(1.0, em * draw.uniform(0.03, 0.13)) if outlined else 0.0
    drawn = letters_of(lines, font, stroke, em * draw.uniform(1.1, 1.5), upright)
    if drawn is None:
        return None
    letters, outline, spans = drawn
    if draw.random() < 0.10 and not upright:  # italics by shearing
        lean = draw.uniform(0.1, 0.3)
        h, w = letters.shape
        m = np.float32([[1, -lean, lean * h], [0, 1, 0]])
        letters, outline = (cv2.warpAffine(a, m, (int(w + lean * h), h)) for a in (letters, outline))
    if draw.random() < 0.08 and em > 16:  # drawn at a lower resolution and scaled up
        h, w = letters.shape
        f = draw.uniform(0.4, 0.8)
        letters, outline = (cv2.resize(cv2.resize(a, None, fx=f, fy=f, interpolation=cv2.INTER_AREA), (w, h),
                                       interpolation=cv2.INTER_LINEAR) for a in (letters, outline))
    elif draw.random() < 0.05:
        letters, outline = (letters > 0.5).astype(np.float32), (outline > 0.5).astype(np.float32)
    elif draw.random() < 0.12:
        s = draw.uniform(0.4, 0.9)
        letters, outline = cv2.GaussianBlur(letters, (0, 0), s), cv2.GaussianBlur(outline, (0, 0), s)
    # A random sample of the block lies somewhere near the middle of the picture.
    h, w = letters.shape
    x = int(side * draw.uniform(0.1, 0.9) - w * draw.uniform(0.15, 0.85))
    y = int(side * draw.uniform(0.08, 0.92) - h * draw.uniform(0, 1))
    fill, edge = placed(letters, shape, x, y), placed(outline, shape, x, y)
    o = Overlay(shape)
    fill_colour = colour_of(draw)
    is_light = fill_colour.mean() > 110
    contrast = draw.uniform(0, 40, 3) if is_light else draw.uniform(210, 255, 3)
    if not plain and draw.random() < 0.2:
        box = np.zeros(shape, np.float32)
        pad = em * draw.uniform(0.1, 0.5)
        whole = [min(s[0] for s in spans), min(s[1] for s in spans), max(s[2] for s in spans), max(s[3] for s in spans)]
        if draw.random() < 0.25:
            whole[0], whole[2] = -2 * side, 2 * side  # a bar across the picture
        for s in spans if draw.random() < 0.3 and not upright else [whole]:
            a = (round(x + s[0] - 1.3 * pad), round(y + s[1] - pad))
            b = (round(x + s[2] + 1.3 * pad), round(y + s[3] + pad))
            cv2.rectangle(box, a, b, 1.0, -1)
        if draw.random() < 0.3:
            box = cv2.GaussianBlur(box, (0, 0), max(0.6, pad * 0.5))
            box = np.clip(2 * box - 0.5, 0, 1) if draw.random() < 0.7 else box
        plate_colour = contrast if draw.random() < 0.8 else draw.uniform(0, 255, 3)
        o.over(plate_colour, box * (draw.uniform(0.25, 0.85) if draw.random() < 0.75 else 1.0))
        o.plate = (box > 0.3).astype(np.float32)
    if not plain and draw.random() < (0.3 if outlined else 0.5):
        body = edge
        if draw.random() < 0.25:  # a glow: wide, soft and not moved
            s = em * draw.uniform(0.04, 0.14)
            soft = np.clip(cv2.GaussianBlur(cv2.dilate(body, disc(s)), (0, 0), s) * draw.uniform(0.8, 1.4), 0, 1)
            o.stroke(contrast if draw.random() < 0.8 else colour_of(draw), soft, draw.uniform(0.4, 1.0))
        else:
            dx, dy = em * draw.uniform(0.02, 0.1) * draw.choice((-1, 1, 1, 1)), em * draw.uniform(0.02, 0.1)
            soft = cv2.warpAffine(body, np.float32([[1, 0, dx], [0, 1, dy]]), shape[::-1])
            if draw.random() < 0.6:
                soft = cv2.GaussianBlur(soft, (0, 0), max(0.5, em * draw.uniform(0.01, 0.07)))
            o.stroke(contrast, soft, draw.uniform(0.4, 1.0))
    if outlined:
        o.stroke(contrast if draw.random() < 0.85 else colour_of(draw), edge, 1.0 if draw.random() < 0.85 else draw.uniform(0.5, 1))
    hollow = outlined and draw.random() < 0.02
    if not hollow:
        paint = np.broadcast_to(fill_colour, (*shape, 3))
        if style < 0.1:  # karaoke: sung and unsung
            at = x + w * draw.uniform(0.2, 0.8)
            paint = np.where((np.arange(side) < at)[None, :, None], paint, colour_of(draw))
        elif style < 0.16:  # from one colour to another
            t = np.clip((np.arange(side) - y) / max(h, 1), 0, 1)[:, None, None]
            paint = paint * (1 - t) + colour_of(draw) * t
        o.stroke(paint, fill)
    return o


def logo(draw, shape, em):
    """A few flat shapes, alone or with letters."""
    o, side = Overlay(shape), shape[0]
    r = em * draw.uniform(0.5, 1.6)
    cx, cy = draw.uniform(0.15, 0.85, 2) * side
    big = 4  # drawn larger and scaled down, for smooth edges
    for _ in range(draw.integers(1, 4)):
        image = Image.new("L", (side * big, side * big))
        pen = ImageDraw.Draw(image)
        ox, oy, q = cx + draw.uniform(-r, r), cy + draw.uniform(-r, r) * 0.5, r * draw.uniform(0.4, 1.0)
        box = [int(v * big) for v in (ox - q, oy - q, ox + q, oy + q)]
        thick = int(max(1.2, q * draw.uniform(0.08, 0.5)) * big)
        kind = draw.integers(6)
        if kind == 0:
            pen.ellipse(box, 255)
        elif kind == 1:
            pen.ellipse(box, outline=255, width=thick)
        elif kind == 2:
            pen.rounded_rectangle(box, thick, 255 if draw.random() < 0.5 else None, 255, thick // 2 + 1)
        elif kind == 3:
            angles = draw.uniform(0, 6.28) + np.arange(2 * (n := draw.integers(3, 8))) * np.pi / n
            radii = np.where(np.arange(2 * n) % 2, q * draw.uniform(0.3, 0.9), q)
            pen.polygon([(int((ox + a * np.cos(t)) * big), int((oy + a * np.sin(t)) * big)) for a, t in zip(radii, angles)], 255)
        elif kind == 4:
            pen.arc(box, draw.uniform(0, 360), draw.uniform(0, 360), 255, thick)
        else:
            points = [tuple(int(v * big) for v in (cx + draw.uniform(-r, r), cy + draw.uniform(-r, r))) for _ in range(3)]
            pen.line(points, 255, thick, "curve")
        shape_mask = np.asarray(image.resize((side, side), Image.BOX), np.float32) / 255
        o.stroke(colour_of(draw), shape_mask)
    if draw.random() < 0.6:
        text = caption(draw, shape, max(8, int(em * draw.uniform(0.4, 0.9))))
        if text is not None:
            o.merge(text, 1.0)
    return o


def watermark(draw, shape):
    """Large or repeated slanted letters, translucent."""
    side = shape[0]
    script = script_of(draw)
    em = int(draw.uniform(14, 90))
    drawn = letters_of([words(draw, script, int(draw.integers(3, 14)))], font_of(draw, script, em), 0, em)
    if drawn is None:
        return None
    h, w = drawn[0].shape
    reach = 2 * side
    plane = np.zeros((reach, reach), np.float32)
    if draw.random() < 0.6:
        sx, sy = w + em * draw.uniform(0.5, 4), h + em * draw.uniform(0.5, 5)
        for n, yy in enumerate(np.arange(0, reach, sy)):
            for xx in np.arange(-(n % 2) * sx / 2, reach, sx):
                plane = np.maximum(plane, placed(drawn[0], plane.shape, int(xx), int(yy)))
    else:
        plane = placed(drawn[0], plane.shape, (reach - w) // 2, (reach - h) // 2)
    turn = draw.uniform(-50, 50) if draw.random() < 0.7 else 0.0
    m = cv2.getRotationMatrix2D((reach / 2, reach / 2), turn, 1.0)
    m[:, 2] += draw.uniform(-0.25, 0.25, 2) * side - side / 2
    o = Overlay(shape)
    o.stroke(colour_of(draw) if draw.random() < 0.4 else np.full(3, 255.0), cv2.warpAffine(plane, m, shape[::-1]))
    return o


def overlay(draw, shape, scale=1.0):
    """Something laid over a whole frame, or `None` where it came out empty. `scale`: samples by which sizes are multiplied."""
    em = lambda low, high: max(8, int(scale * np.exp(draw.uniform(np.log(low), np.log(high)))))
    o, kind = Overlay(shape), draw.random()
    faded = lambda: 1.0 if draw.random() < 0.68 else draw.uniform(0.3, 0.95)
    if kind < 0.62:
        parts = [(caption(draw, shape, em(11, 52)), faded())]
        if draw.random() < 0.2:
            parts.append((caption(draw, shape, em(10, 40)), faded()))
    elif kind < 0.74:
        parts = [(caption(draw, shape, em(8, 18), plain=draw.random() < 0.6), faded()) for _ in range(draw.integers(1, 4))]
    elif kind < 0.82:
        parts = [(caption(draw, shape, em(14, 60), plain=True), faded())]
    elif kind < 0.86:
        parts = [(caption(draw, shape, em(50, 110)), faded())]
    elif kind < 0.93:
        parts = [(logo(draw, shape, em(14, 60)), draw.uniform(0.3, 0.9) if draw.random() < 0.5 else 1.0)]
    else:
        parts = [(watermark(draw, shape), draw.uniform(0.15, 0.7))]
    for part, opacity in parts:
        if part is not None:
            o.merge(part, opacity)
    return o if o.alpha.max() > 0.1 else None


def blocks(draw, em):
    """Stripes, blocks and arrows as they are painted on roads, walls and clothes."""
    w, h = int(em * draw.uniform(2, 8)), int(em * draw.uniform(1, 5))
    image = Image.new("L", (w, h))
    pen = ImageDraw.Draw(image)
    kind = draw.integers(3)
    if kind == 0:
        for at in np.arange(0, w, step := em * draw.uniform(0.3, 2)):
            pen.rectangle([at, 0, at + step * draw.uniform(0.15, 0.6), h], 255)
    elif kind == 1:
        for _ in range(draw.integers(1, 6)):
            x, y = draw.uniform(0, 0.8, 2) * (w, h)
            pen.rectangle([x, y, x + em * draw.uniform(0.1, 1.5), y + em * draw.uniform(0.1, 1)], 255)
    else:
        tip, half, thick = h * draw.uniform(0.3, 0.6), w * draw.uniform(0.2, 0.5), w * draw.uniform(0.05, 0.15)
        pen.polygon([(w / 2, 0), (w / 2 + half, tip), (w / 2 - half, tip)], 255)
        pen.rectangle([w / 2 - thick, tip, w / 2 + thick, h], 255)
    return np.asarray(image, np.float32) / 255


def scene_text(draw, picture):
    """Letters or flat shapes that belong to the scene: slanted, lit, blurred and noisy as it is. The picture and where they are."""
    side = picture.shape[0]
    script, em = script_of(draw), int(np.exp(draw.uniform(np.log(14), np.log(80))))
    rows = [words(draw, script, int(draw.integers(2, 14))) for _ in range(draw.integers(1, 4))]
    drawn = letters_of(rows, font_of(draw, script, em), 0, em * draw.uniform(1.1, 1.6))
    if drawn is None:
        return picture, np.zeros(picture.shape[:2], np.float32)
    letters = drawn[0] if draw.random() < 0.65 else blocks(draw, em)
    h, w = letters.shape
    # A quadrilateral: a rectangle turned and foreshortened.
    size = draw.uniform(0.3, 1.1) * side
    a, b = size / 2 * draw.uniform(0.5, 1), size / 2 * draw.uniform(0.5, 1) * min(1.0, h / w * 1.5)
    corners = np.float32([[-a, -b], [a, -b], [a, b], [-a, b]])
    corners[:, 1] *= 1 + draw.uniform(-0.45, 0.45) * corners[:, 0] / a
    turn = draw.normal(0, 0.25)
    corners = corners @ np.float32([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    corners += np.float32(draw.uniform(0.2, 0.8, 2) * side)
    m = cv2.getPerspectiveTransform(np.float32([[0, 0], [w, 0], [w, h], [0, h]]), corners.astype(np.float32))
    cover = cv2.warpPerspective(letters, m, (side, side), flags=cv2.INTER_AREA)
    board = cv2.warpPerspective(np.ones_like(letters), m, (side, side))
    light = cv2.resize(draw.uniform(0.45, 1.05, (3, 3)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)[..., None]
    out = picture.astype(np.float32)
    glowing = draw.random() < 0.25
    if not glowing and draw.random() < 0.55:
        shade = draw.uniform(0, 255, 3) * light
        keep = draw.uniform(0.05, 0.5)
        out = out * (1 - board[..., None] * (1 - keep)) + shade * board[..., None] * (1 - keep)
    s = max(0.35, draw.uniform(0.3, 2.2))
    cover = cv2.GaussianBlur(cover, (0, 0), s)
    if draw.random() < 0.3:
        n = int(draw.integers(3, 12))
        k = np.zeros((n, n), np.float32)
        k[n // 2] = 1 / n
        k = cv2.warpAffine(k, cv2.getRotationMatrix2D((n / 2 - 0.5, n / 2 - 0.5), draw.uniform(0, 180), 1), (n, n))
        cover = cv2.filter2D(cover, -1, k / max(k.sum(), 1e-3))
    ink = colour_of(draw)
    if glowing:
        halo = np.clip(cover + cv2.GaussianBlur(cover, (0, 0), em * 0.25) * draw.uniform(0.4, 1.2), 0, 1)
        out = out * 0.75 + ink * halo[..., None]
    else:
        c = cover[..., None] * draw.uniform(0.6, 1.0)
        texture = (out - cv2.GaussianBlur(out, (0, 0), 3)) * draw.uniform(0.2, 1)
        out = out * (1 - c) + (ink * light + texture) * c
    out += draw.normal(0, draw.uniform(0, 4), out.shape[:2])[..., None]
    return np.clip(out, 0, 255).astype(np.uint8), cv2.dilate((cover > 0.15).astype(np.float32), np.ones((5, 5)))


def page(draw, side):
    """A document, a window, code or a table: text that is the picture itself. The picture and where it is."""
    dark = draw.random() < 0.4
    paper = draw.uniform(8, 60, 3) if dark else draw.uniform(215, 255, 3)
    image = Image.new("RGB", (side, side), tuple(int(v) for v in paper))
    pen, text = ImageDraw.Draw(image), Image.new("L", (side, side))
    mark = ImageDraw.Draw(text)
    ink = lambda: tuple(int(v) for v in (draw.uniform(140, 255, 3) if dark else draw.uniform(0, 120, 3)))
    kind, script = draw.integers(4), script_of(draw)
    for _ in range(draw.integers(0, 7) if kind != 1 else 0):
        x, y, w, h = draw.uniform(-0.2, 1, 2).tolist() + draw.uniform(0.05, 0.8, 2).tolist()
        box = [int(v * side) for v in (x, y, x + w, y + h)]
        shade = tuple(int(v) for v in np.clip(paper + draw.uniform(-40, 40), 0, 255))
        pen.rounded_rectangle(box, int(draw.integers(0, 9)), shade, ink() if draw.random() < 0.5 else None, 1)
    one = ink()
    if draw.random() < 0.35:  # what is selected
        x, y = draw.uniform(-0.3, 0.6, 2) * side
        shade = tuple(int(v) for v in (draw.uniform(60, 160), draw.uniform(120, 200), draw.uniform(180, 255)))
        pen.rectangle([x, y, x + draw.uniform(0.3, 1) * side, y + draw.uniform(0.05, 0.5) * side], shade)
    for _ in range(draw.integers(0, 3)):  # rows or columns of small pictures
        at, size, is_row = draw.uniform(0, 0.95) * side, draw.uniform(9, 26), draw.random() < 0.7
        shade = tuple(int(v) for v in np.clip(paper + draw.uniform(-50, 30), 0, 255))
        strip = [0, at - size * 0.3, side, at + size * 1.3]
        pen.rectangle(strip if is_row else [strip[k] for k in (1, 0, 3, 2)], shade)
        for along in np.arange(draw.uniform(0, 30), side, size * draw.uniform(1.2, 2.5)):
            x, y = (along, at) if is_row else (at, along)
            box = [x, y, x + size, y + size]
            for _ in range(draw.integers(1, 4)):
                shape, tint = draw.integers(4), tuple(int(v) for v in draw.uniform(0, 255, 3))
                box = [box[0] + draw.uniform(0, 3), box[1] + draw.uniform(0, 3), box[2] - draw.uniform(0, 3), box[3] - draw.uniform(0, 3)]
                if box[2] <= box[0] + 1 or box[3] <= box[1] + 1:
                    break
                if shape == 0:
                    pen.ellipse(box, tint)
                elif shape == 1:
                    pen.rectangle(box, tint if draw.random() < 0.5 else None, tint)
                elif shape == 2:
                    pen.line(box, tint, int(draw.integers(1, 4)))
                else:
                    pen.polygon([(box[0], box[3]), (box[2], box[3]), ((box[0] + box[2]) / 2, box[1])], tint)
    if kind in (0, 1, 2):  # lines of a page, of code, of a list
        em = int(draw.integers(8, 22))
        font = font_of(draw, script, em)
        y, left = -int(draw.integers(em)), int(draw.integers(-100, 60))
        gap = em * draw.uniform(1.1, 1.9)
        while y < side:
            if draw.random() < 0.85:
                line = words(draw, script, int(draw.integers(5, 70)) if kind == 0 else int(draw.integers(2, 30)))
                x = left + (int(draw.integers(4)) * em * 2 if kind == 1 else 0)
                pen.text((x, y), line, one if kind == 0 else ink(), font)
                mark.text((x, y), line, 255, font)
            y += int(gap * (1.8 if draw.random() < 0.1 else 1))
    else:  # labels of a window
        for _ in range(draw.integers(5, 40)):
            font = font_of(draw, script, int(draw.integers(8, 24)))
            at, line = tuple(draw.uniform(-0.1, 0.95, 2) * side), words(draw, script, int(draw.integers(2, 20)))
            pen.text(at, line, ink(), font)
            mark.text(at, line, 255, font)
            if draw.random() < 0.2:
                y = int(at[1]) - 4
                pen.line([(0, y), (side, y)], ink(), 1)
    picture = np.asarray(image)[..., ::-1].copy()
    if draw.random() < 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), draw.uniform(0.3, 0.8))
    return picture, cv2.dilate((np.asarray(text) > 30).astype(np.float32), np.ones((5, 5)))


def structures(draw, side):
    """Bright and dark thin things, lights and patterns that are no text."""
    low = draw.uniform(0, 255, (int(draw.integers(2, 6)), int(draw.integers(2, 6)), 3)).astype(np.float32)
    out = cv2.resize(low * draw.uniform(0.2, 1), (side, side), interpolation=cv2.INTER_CUBIC).clip(0, 255)
    kind = draw.integers(7)
    layer, ink = np.zeros((side, side), np.float32), colour_of(draw)
    if kind == 0:  # twigs
        def branch(x, y, angle, length, thick):
            for _ in range(int(length / 6)):
                x2, y2 = x + 6 * np.cos(angle), y + 6 * np.sin(angle)
                cv2.line(layer, (int(x * 8), int(y * 8)), (int(x2 * 8), int(y2 * 8)), 1.0, max(1, int(thick)), cv2.LINE_AA, 3)
                x, y, angle = x2, y2, angle + draw.normal(0, 0.2)
                if thick > 0.8 and draw.random() < 0.22:
                    branch(x, y, angle + draw.choice((-1, 1)) * draw.uniform(0.3, 1), length * 0.6, thick * 0.6)
        for _ in range(draw.integers(2, 7)):
            branch(*draw.uniform(0, side, 2), draw.uniform(0, 6.28), draw.uniform(60, 260), draw.uniform(1, 6))
    elif kind == 1:  # fences, grids, rails
        for _ in range(draw.integers(1, 3)):
            step, thick = draw.uniform(5, 40), int(draw.integers(1, 5))
            a = draw.uniform(-0.3, 0.3) + draw.choice((0, np.pi / 2, np.pi / 4))
            for k in np.arange(-side, side, step):
                p = np.array([np.cos(a), np.sin(a)]) * 2 * side
                q = np.array([-np.sin(a), np.cos(a)]) * k + side / 2
                cv2.line(layer, tuple(np.int32(q - p)), tuple(np.int32(q + p)), 1.0, thick, cv2.LINE_AA)
    elif kind == 2:  # neon tubes
        for _ in range(draw.integers(1, 6)):
            points = np.cumsum(draw.normal(0, 22, (8, 2)), 0) + draw.uniform(0, side, 2)
            cv2.polylines(layer, [np.int32(cv2.blur(points, (1, 3)))], draw.random() < 0.3, 1.0, int(draw.integers(2, 6)), cv2.LINE_AA)
        layer = np.clip(cv2.GaussianBlur(layer, (0, 0), draw.uniform(0.6, 1.5)) + cv2.GaussianBlur(layer, (0, 0), 7), 0, 1)
    elif kind == 3:  # lights out of focus
        for _ in range(draw.integers(3, 40)):
            spot = np.zeros_like(layer)
            cv2.circle(spot, tuple(np.int32(draw.uniform(0, side, 2))), int(draw.uniform(1, 22)), float(draw.uniform(0.2, 0.9)), -1,
                       cv2.LINE_AA)
            layer = np.maximum(layer, spot)
    elif kind in (4, 5):  # foil, ripples, hair: where smooth noise passes through a level
        field = cv2.GaussianBlur(draw.normal(size=(side, side)).astype(np.float32), (0, 0), draw.uniform(1.5, 9), None,
                                 draw.uniform(1.5, 9))
        field /= field.std() + 1e-6
        layer = np.clip(1 - np.abs(field) / draw.uniform(0.05, 0.35), 0, 1) if kind == 4 else np.clip(field * 3, 0, 1)
    else:  # stars, sparks, crumbs
        dots = (draw.random((side, side)) < draw.uniform(0.001, 0.02)).astype(np.float32)
        layer = np.clip(cv2.GaussianBlur(dots, (0, 0), draw.uniform(0.6, 1.6)) * draw.uniform(4, 14), 0, 1)
    if draw.random() < 0.4 and kind != 2:
        layer = cv2.GaussianBlur(layer, (0, 0), draw.uniform(0.5, 2.5))
    out = out * (1 - layer[..., None]) + ink * layer[..., None]
    return np.clip(out + draw.normal(0, draw.uniform(0, 5), (side, side))[..., None], 0, 255).astype(np.uint8)
