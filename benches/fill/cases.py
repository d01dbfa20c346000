"""Builds the cases of the fill benchmark: clean clip -> marks of known shape -> x264 crf 20 -> what a fill is given.

Each clip gives two runs of consecutive frames, joined by a cut. Every mark lies at its own place of the same frame, so
that one encode serves them all. Written per clip: clean.yuv and marked.yuv (planar 8-bit 4:2:0), one PNG mask a mark and
info.json with sizes and kinds.

    python3 cases.py --clips ../shared/testdata/clips --out /tmp/fillcases

Layout 1 is the one that constants were chosen on. Layouts 2 (the places mirrored) and 3 (places and sizes drawn for each clip)
have other words, sizes, colours and moments of the same clips.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from planar import encode, probe

RUN = 6  # consecutive frames a run
STARTS = {1: (0.25, 0.7), 2: (0.1, 0.5), 3: (0.35, 0.85)}  # where the runs start, as a share of the clip, by layout
MAX_WIDTH = 1920


def decode(path, start, count, width, height):
    """`count` frames from `start` as an array of planar 4:2:0 frames, scaled to width x height."""
    vf = f"select=gte(n\\,{start}),scale={width}:{height}:flags=area,format=yuv420p"
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-vf", vf, "-frames:v", str(count), "-vsync", "0", "-f",
                          "rawvideo", "-"], capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, width * height * 3 // 2)


def disc(mask, radius):
    k = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(mask.astype(np.uint8), k) > 0


def text(w, h, at, size, words, colour, outline, anchor="mm"):
    """RGBA of a line of text, drawn at four times the size and averaged down."""
    k = 4
    box = (int(len(words) * size * 0.8) + 8, int(size * 2))
    image = Image.new("RGBA", (box[0] * k, box[1] * k), (*(outline[1] if outline else colour), 0))
    draw = ImageDraw.Draw(image)
    extra = dict(stroke_width=int(outline[0] * k), stroke_fill=(*outline[1], 255)) if outline else {}
    draw.text((box[0] * k / 2, box[1] * k / 2), words, (*colour, 255), ImageFont.load_default(size * k), anchor="mm", **extra)
    small = cv2.resize(np.array(image), box, interpolation=cv2.INTER_AREA)
    return paste(w, h, small, int(at[0] - box[0] / 2), int(at[1] - box[1] / 2))


def paste(w, h, rgba, x, y):
    full = np.zeros((h, w, 4), np.uint8)
    x, y = max(0, min(x, w - rgba.shape[1])), max(0, min(y, h - rgba.shape[0]))
    full[y:y + rgba.shape[0], x:x + rgba.shape[1]] = rgba[:h, :w]
    return full


def badge(bw, bh):
    """An opaque channel logo that fills its box: two colours, a disc and letters."""
    image = Image.new("RGBA", (bw * 4, bh * 4), (20, 40, 120, 255))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, bh * 3, bw * 4, bh * 4), (230, 200, 30, 255))
    draw.ellipse((bh // 2, bh // 2, bh * 3, bh * 3), (240, 240, 240, 255))
    draw.text((bw * 2.4, bh * 2), "CHANNEL", (255, 255, 255, 255), ImageFont.load_default(bh * 1.6), anchor="mm")
    return cv2.resize(np.array(image), (bw, bh), interpolation=cv2.INTER_AREA)


def soft(size, aspect, colour):
    """A blurred ellipse with a hole, alpha up to 0.9."""
    bw, bh = int(size * aspect), int(size)
    y, x = np.mgrid[0:bh, 0:bw]
    r = np.hypot((x - bw / 2 + 0.5) / (bw / 2), (y - bh / 2 + 0.5) / (bh / 2))
    alpha = np.clip((0.85 - r) / 0.3, 0, 1) * np.clip((r - 0.05) / 0.3, 0.3, 1) * 0.9
    rgba = np.zeros((bh, bw, 4), np.uint8)
    rgba[..., :3] = colour
    rgba[..., 3] = (alpha * 255).astype(np.uint8)
    return rgba


def marks(w, h):
    """name, kind, RGBA layer and mask of every mark in a picture of w x h."""
    out = []
    add = lambda name, kind, layer, mask: out.append((name, kind, layer, mask))
    o = max(1, w * 0.0022)
    layer = text(w, h, (w / 2, h * 0.9), w * 0.035, "Nobody told me about that", (255, 255, 255), (o, (0, 0, 0)))
    add("caption", "strokes", layer, disc(layer[..., 3] > 5, 2))
    layer = text(w, h, (w * 0.26, h * 0.66), w * 0.05, "LIVE NEWS", (255, 220, 0), (2 * o, (10, 10, 10)))
    add("bold", "strokes", layer, disc(layer[..., 3] > 5, 2))
    layer = text(w, h, (w * 0.75, h * 0.72), w * 0.018, "www.example.com/watch?v=31415", (240, 240, 240), None)
    add("thin", "strokes", layer, disc(layer[..., 3] > 5, 2))
    bw, bh = int(w * 0.15), int(w * 0.06)
    layer = paste(w, h, badge(bw, bh), int(w * 0.8), int(h * 0.07))
    add("badge", "box", layer, layer[..., 3] > 0)
    bw, bh = int(w * 0.104), int(w * 0.042)
    layer = paste(w, h, badge(bw, bh), int(w * 0.5), int(h * 0.45))
    add("bug", "box", layer, disc(layer[..., 3] > 0, 1))
    side = int(w * 0.05)
    layer = paste(w, h, badge(side, side), int(w * 0.9), int(h * 0.5))
    add("square", "box", layer, layer[..., 3] > 0)
    layer = paste(w, h, soft(w * 0.06, 1.0, (255, 255, 255)), int(w * 0.04), int(h * 0.07))
    add("disc", "soft", layer, disc(layer[..., 3] > 5, 2))
    layer = paste(w, h, soft(w * 0.04, 2.6, (250, 120, 20)), int(w * 0.33), int(h * 0.2))
    add("oval", "soft", layer, disc(layer[..., 3] > 5, 2))
    return out


def marks_mirrored(w, h):
    """As `marks`, at the mirrored places, with other words and sizes."""
    out = []
    add = lambda name, kind, layer, mask: out.append((name, kind, layer, mask))
    o = max(1, w * 0.002)
    layer = text(w, h, (w / 2, h * 0.13), w * 0.03, "We never said it would be easy", (255, 240, 90), (o, (0, 0, 0)))
    add("caption", "strokes", layer, disc(layer[..., 3] > 5, 2))
    layer = text(w, h, (w * 0.72, h * 0.33), w * 0.045, "SPORT 24", (240, 60, 40), (2 * o, (250, 250, 250)))
    add("bold", "strokes", layer, disc(layer[..., 3] > 5, 2))
    layer = text(w, h, (w * 0.24, h * 0.27), w * 0.02, "@somebody_who_films_2718", (245, 245, 245), None)
    add("thin", "strokes", layer, disc(layer[..., 3] > 5, 2))
    bw, bh = int(w * 0.13), int(w * 0.07)
    layer = paste(w, h, badge(bw, bh), int(w * 0.05), int(h * 0.8))
    add("badge", "box", layer, layer[..., 3] > 0)
    bw, bh = int(w * 0.115), int(w * 0.047)
    layer = paste(w, h, badge(bw, bh), int(w * 0.38), int(h * 0.48))
    add("bug", "box", layer, disc(layer[..., 3] > 0, 1))
    side = int(w * 0.06)
    layer = paste(w, h, badge(side, side), int(w * 0.03), int(h * 0.45))
    add("square", "box", layer, layer[..., 3] > 0)
    layer = paste(w, h, soft(w * 0.05, 1.2, (255, 255, 255)), int(w * 0.88), int(h * 0.82))
    add("disc", "soft", layer, disc(layer[..., 3] > 5, 2))
    layer = paste(w, h, soft(w * 0.045, 2.2, (30, 160, 250)), int(w * 0.56), int(h * 0.7))
    add("oval", "soft", layer, disc(layer[..., 3] > 5, 2))
    return out


def marks_drawn(w, h, seed):
    """As `marks_mirrored`, with every place moved and every size changed by a draw."""
    draw = np.random.default_rng(seed)
    out = []

    def add(name, kind, layer, grow):
        dx, dy = int(draw.uniform(-0.05, 0.05) * w), int(draw.uniform(-0.06, 0.06) * h)
        layer = np.roll(layer, (dy, dx), (0, 1))
        mask = layer[..., 3] > (5 if kind != "box" else 0)
        out.append((name, kind, layer, disc(mask, grow) if grow else mask))

    size = lambda v: v * draw.uniform(0.85, 1.15)
    o = max(1, w * 0.0022)
    words = "Where have they been all day"
    add("caption", "strokes", text(w, h, (w / 2, h * 0.84), size(w * 0.03), words, (255, 255, 255), (o, (0, 0, 0))), 2)
    add("bold", "strokes", text(w, h, (w * 0.68, h * 0.2), size(w * 0.045), "WEATHER", (30, 200, 90), (2 * o, (10, 10, 10))), 2)
    add("thin", "strokes", text(w, h, (w * 0.28, h * 0.42), size(w * 0.018), "clips.example.org/user/1618", (235, 235, 235), None), 2)
    bw, bh = int(size(w * 0.15)), int(size(w * 0.06))
    add("badge", "box", paste(w, h, badge(bw, bh), int(w * 0.08), int(h * 0.1)), 0)
    bw, bh = int(size(w * 0.11)), int(size(w * 0.045))
    add("bug", "box", paste(w, h, badge(bw, bh), int(w * 0.7), int(h * 0.62)), 1)
    side = int(size(w * 0.05))
    add("square", "box", paste(w, h, badge(side, side), int(w * 0.55), int(h * 0.4)), 0)
    add("disc", "soft", paste(w, h, soft(size(w * 0.055), 1.0, (255, 255, 255)), int(w * 0.85), int(h * 0.35)), 2)
    add("oval", "soft", paste(w, h, soft(size(w * 0.042), 2.4, (240, 60, 200)), int(w * 0.15), int(h * 0.64)), 2)
    return out


def composite(frame, w, h, layer):
    """`layer` over a planar 4:2:0 frame, BT.601 limited range, chroma alpha averaged over its footprint."""
    out = frame.astype(np.float32)
    r, g, b = (layer[..., i] / 255.0 for i in range(3))
    a = layer[..., 3] / 255.0
    planes = [16 + 65.481 * r + 128.553 * g + 24.966 * b, 128 - 37.797 * r - 74.203 * g + 112 * b,
              128 + 112 * r - 93.786 * g - 18.214 * b]
    n, c = w * h, w * h // 4
    half = lambda p: cv2.resize(p.astype(np.float32), (w // 2, h // 2), interpolation=cv2.INTER_AREA)
    for k, (start, size) in enumerate(((0, n), (n, c), (n + c, c))):
        alpha = (a if k == 0 else half(a)).ravel()
        value = (planes[k] if k == 0 else half(planes[k])).ravel()
        out[start:start + size] += alpha * (value - out[start:start + size])
    return np.clip(out + 0.5, 0, 255).astype(np.uint8)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--clips", default=os.environ.get("CLEANPLATE_TESTDATA", "../shared/testdata") + "/clips")
    p.add_argument("--out", default="/tmp/fillcases")
    p.add_argument("--crf", type=int, default=20)
    p.add_argument("--layout", type=int, choices=(1, 2, 3), default=1)
    args = p.parse_args()
    for path in sorted(Path(args.clips).iterdir()):
        w, h, count = probe(path)
        k = min(1.0, MAX_WIDTH / w)
        w, h = int(w * k) // 2 * 2, int(h * k) // 2 * 2
        clean = np.concatenate([decode(path, min(int(s * count), count - RUN), RUN, w, h) for s in STARTS[args.layout]])
        layers = {1: marks, 2: marks_mirrored, 3: lambda w, h: marks_drawn(w, h, path.stem.encode()[0])}[args.layout](w, h)
        marked = clean.copy()
        for _, _, layer, _ in layers:
            marked = np.stack([composite(f, w, h, layer) for f in marked])
        folder = Path(args.out) / path.stem
        folder.mkdir(parents=True, exist_ok=True)
        clean.tofile(folder / "clean.yuv")
        encode(marked, w, h, args.crf).tofile(folder / "marked.yuv")
        for name, _, _, mask in layers:
            cv2.imwrite(str(folder / f"{name}.png"), mask.astype(np.uint8) * 255)
        info = dict(width=w, height=h, frames=len(clean), run=RUN, marks=[dict(name=m[0], kind=m[1]) for m in layers])
        (folder / "info.json").write_text(json.dumps(info, indent=1))
        print(path.stem, w, h, len(clean))


if __name__ == "__main__":
    main()
