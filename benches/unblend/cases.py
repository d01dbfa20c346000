"""Builds the cases of the un-blending benchmark: clean clip -> translucent marks of known matte -> x264.

Eight marks lie in the cells of a 4 x 2 grid of the same picture, so that one job serves them all. Written per clip and crf:
clean.yuv (planar 8-bit 4:2:0), marked.mkv, one matte a mark (MARK.planes: float32, keep and add of Y, U and V over the mark's
rectangle) and info.json with the size and the rectangles. unblend.py calls it.
"""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from planar import probe, write

MAX_WIDTH = 854
FRAMES = 72
# By how much the picture behind the marks moves; frames are taken every n-th, n at most 3, so that a clip shows some seconds.
MOVING = ("bmx_pan", "crystal", "dim_room", "dashcam", "tokyo", "elemental")
STILL = ("cups", "motorway", "bbb_animation", "portrait", "cactus", "flower", "highway", "lime")
MARKS = ("white20", "soft35", "white50", "white70", "grey50", "orange35", "logo", "star")
PAD = 24  # samples of the mark's rectangle around what is drawn


def decode(path, count, step, w, h):
    """`count` frames, every `step`-th, as an array of planar 4:2:0 frames of w x h in limited range."""
    vf = f"select=not(mod(n\\,{step})),scale={w}:{h}:flags=area:out_range=tv,format=yuv420p"
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-vf", vf, "-frames:v", str(count), "-vsync", "0", "-f",
                          "rawvideo", "-"], capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, w * h * 3 // 2)


def drawn(w, h, draw):
    """A shape in 0..1, drawn at four times the size and averaged down."""
    image = Image.new("L", (w * 4, h * 4), 0)
    draw(ImageDraw.Draw(image))
    return np.asarray(image.resize((w, h), Image.BOX), np.float32) / 255


def over(below, alpha, rgb):
    a, colour = below
    return alpha + a * (1 - alpha), np.stack([alpha * c for c in rgb], -1) + colour * (1 - alpha)[..., None]


def mark(kind, w, h):
    """Alpha [h, w] and RGB multiplied by it [h, w, 3], 0..255."""
    nothing = (np.zeros((h, w), np.float32), np.zeros((h, w, 3), np.float32))
    font = lambda size: ImageFont.load_default(size * 4)
    word = lambda s, x, y, size: drawn(w, h, lambda d: d.text((x * 4, y * 4), s, 255, font(size), anchor="mm"))
    if kind == "star":
        y, x = np.mgrid[0:h, 0:w]
        u, v = np.abs(x - w / 2 + 0.5) / (h * 0.45), np.abs(y - h / 2 + 0.5) / (h * 0.45)
        inside = 1 - (u**0.66 + v**0.66)
        return over(nothing, np.clip(inside * 9, 0, 1) * (0.3 + 0.21 * np.clip(inside * 1.5, 0, 1)), (255, 255, 255))
    if kind == "logo":
        r, cx, cy = h * 0.4, w / 2, h / 2
        disc = drawn(w, h, lambda d: d.ellipse([(cx - r) * 4, (cy - r) * 4, (cx + r) * 4, (cy + r) * 4], fill=255))
        shadow = cv2.GaussianBlur(np.roll(disc, (3, 3), (0, 1)), (0, 0), 2.5)
        return over(over(over(nothing, 0.35 * shadow, (0, 0, 0)), 0.45 * disc, (255, 140, 20)),
                    0.7 * word("TV7", cx, cy, r * 0.8), (255, 255, 255))
    badge = drawn(w, h, lambda d: d.rounded_rectangle([w * 0.24, h * 0.8, w * 0.96, h * 3.2], radius=h * 0.6, fill=255))
    alpha = np.maximum(word("Stock" if kind.startswith("white") else "MEDIA", w * 0.6, h / 2, h * 0.42), badge)
    if kind in ("soft35", "orange35"):
        alpha = cv2.GaussianBlur(alpha, (0, 0), max(1.5, h * 0.025))
        alpha /= alpha.max()
    colour = {"g": (128, 128, 128), "o": (255, 140, 20)}.get(kind[0], (255, 255, 255))
    return over(nothing, alpha * int(kind[-2:]) / 100, colour)


def half(a):
    return (a[0::2, 0::2] + a[1::2, 0::2] + a[0::2, 1::2] + a[1::2, 1::2]) / 4


def mattes(w, h):
    """Name, rectangle (x, y, w, h, all even) and the keep and add planes of every mark in a picture of w x h."""
    mw, mh = int(w * 0.15) // 2 * 2, int(w * 0.062) // 2 * 2
    for i, kind in enumerate(MARKS):
        x, y = int(w * (0.125 + 0.25 * (i % 4)) - mw / 2) // 2 * 2 - PAD, int(h * (0.28 if i < 4 else 0.66) - mh / 2) // 2 * 2 - PAD
        a, rgb = mark(kind, mw, mh)
        a, rgb = np.pad(a, PAD), np.pad(rgb, ((PAD, PAD), (PAD, PAD), (0, 0)))
        r, g, b = (rgb[..., k] / 255 for k in range(3))
        # BT.601 in limited range; what black adds is weighed by alpha as colour is.
        luma = 16 * a + 65.481 * r + 128.553 * g + 24.966 * b
        cb, cr = 128 * a - 37.797 * r - 74.203 * g + 112 * b, 128 * a + 112 * r - 93.786 * g - 18.214 * b
        planes = [(1 - a, luma), (1 - half(a), half(cb)), (1 - half(a), half(cr))]
        yield kind, (x, y, mw + 2 * PAD, mh + 2 * PAD), [(k.astype(np.float32), p.astype(np.float32)) for k, p in planes]


def views(frames, w, h):
    n, c = w * h, w * h // 4
    return (frames[:, :n].reshape(-1, h, w), frames[:, n:n + c].reshape(-1, h // 2, w // 2),
            frames[:, n + c:].reshape(-1, h // 2, w // 2))


def build(source, folder, crf):
    """Writes the cases of a clip and returns what info.json says."""
    w, h, count = probe(source)
    k = min(1.0, MAX_WIDTH / w)
    w, h = int(w * k) // 4 * 4, int(h * k) // 4 * 4
    clean = decode(source, FRAMES, max(1, min(3, count // FRAMES)), w, h)
    marked = clean.copy()
    folder.mkdir(parents=True, exist_ok=True)
    listed = []
    for kind, (x, y, mw, mh), planes in mattes(w, h):
        for n, (plane, (keep, add)) in enumerate(zip(views(marked, w, h), planes)):
            s = 1 if n else 0
            cut = plane[:, y >> s:(y + mh) >> s, x >> s:(x + mw) >> s]
            cut[:] = np.where(keep < 1, np.clip(keep * cut + add + 0.5, 0, 255), cut).astype(np.uint8)
        np.concatenate([v.ravel() for pair in planes for v in pair]).tofile(folder / f"{kind}.planes")
        listed.append(dict(name=kind, rect=[x, y, mw, mh]))
    clean.tofile(folder / "clean.yuv")
    write(marked, w, h, crf, folder / "marked.mkv")
    info = dict(width=w, height=h, frames=len(clean), marks=listed)
    (folder / "info.json").write_text(json.dumps(info, indent=1))
    return info
