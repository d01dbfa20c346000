"""Captions of known shape and time over clean clips: the styles that benches/captions measures."""

import subprocess
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

FONTS = ["/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf", "/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf",
         "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"]
TEXTS = ["Nobody told me about that", "Where have you been all day?", "- I was at the station", "They said it would be easy",
         "Come back before the rain", "Listen to what he says now", "It was never his house", "Only for the two of us"]
STYLES = ["outline", "yellow", "plate", "lines", "small", "karaoke", "fade", "top", "side"]
# Beyond those of the table: named with --only.
MORE = ["vertical", "roll", "ticker"]
MOVING = {"roll": (0, -0.0042), "ticker": (-0.0034, 0)}  # columns of the width, rows of the height, a frame
FADE = 10


def font(size, n=0):
    """Of the Debian packages fonts-dejavu-core and fonts-liberation; no other takes the place of one, or runs could not be compared."""
    if not Path(FONTS[n]).exists():
        raise SystemExit(f"{FONTS[n]} is missing: apt-get install fonts-dejavu-core fonts-liberation")
    return ImageFont.truetype(FONTS[n], max(8, int(round(size))))


def layer(w, h, rows, size, fill, stroke=0, edge=(0, 0, 0), shadow=0, plate=0.0, at=(0.5, 0.88), upto=None, fontno=0):
    """RGBA floats 0..1 of the picture's size: `rows` of text centred at `at`; `upto`: the share of letters in the second colour."""
    face = font(size, fontno)
    total = Image.new("RGBA", (w, h))
    draw = ImageDraw.Draw(total)
    heights = size * 1.3
    boxes = []
    for n, row in enumerate(rows):
        box = draw.textbbox((0, 0), row, font=face, stroke_width=stroke)
        x = int(w * at[0] - (box[2] - box[0]) / 2) if at[0] >= 0.3 else int(w * at[0])
        y = int(h * at[1] - heights * (len(rows) - n))
        boxes.append((x, y, row, box))
    if plate:
        x0, x1 = min(b[0] for b in boxes), max(b[0] + b[3][2] for b in boxes)
        y0, y1 = min(b[1] for b in boxes), max(b[1] + b[3][3] for b in boxes)
        pad = int(size * 0.35)
        draw.rectangle((x0 - pad, y0 - pad // 2, x1 + pad, y1 + pad), fill=(0, 0, 0, int(255 * plate)))
    if shadow:
        under = Image.new("RGBA", (w, h))
        pen = ImageDraw.Draw(under)
        for x, y, row, _ in boxes:
            pen.text((x + shadow, y + shadow), row, font=face, fill=(0, 0, 0, 200))
        total = Image.alpha_composite(total, under.filter(ImageFilter.GaussianBlur(shadow * 0.6)))
    over = Image.new("RGBA", (w, h))
    pen = ImageDraw.Draw(over)
    for x, y, row, _ in boxes:
        pen.text((x, y), row, font=face, fill=fill, stroke_width=stroke, stroke_fill=edge + (255,))
        if upto is not None:
            words = row.split(" ")
            part = " ".join(words[: max(1, int(round(upto * len(words))))])
            pen.text((x, y), part, font=face, fill=(255, 220, 0, 255), stroke_width=stroke, stroke_fill=edge + (255,))
    return np.asarray(Image.alpha_composite(total, over)).astype(np.float32) / 255


def schedule(count):
    """Spans of the captions of a clip, a gap of 5 frames after one, none after the next."""
    spans, at, n = [], 8, 0
    while at + 20 < count - 6:
        length = [34, 41, 29, 46][n % 4]
        end = min(at + length, count - 6)
        spans.append((at, end))
        at = end + (5 if n % 2 == 0 else 0)
        n += 1
    return spans


def caption(style, n, w, h, share):
    """The layer of caption `n` at `share` of its time, and its gain."""
    text, other = TEXTS[n % len(TEXTS)], TEXTS[(n + 3) % len(TEXTS)]
    size = 0.052 * h
    o = max(1, int(round(0.0035 * h)))
    white = (255, 255, 255, 255)
    if style == "outline" or style == "fade":
        return layer(w, h, [text], size, white, stroke=o)
    if style == "yellow":
        return layer(w, h, [text], size, (250, 225, 40, 255), shadow=max(2, int(0.005 * h)), fontno=1)
    if style == "plate":
        return layer(w, h, [text], 0.045 * h, white, plate=0.55, fontno=2)
    if style == "lines":
        a = layer(w, h, [text, other], size, white, stroke=o)
        b = layer(w, h, [other], 0.04 * h, white, stroke=o, at=(0.5, 0.14))
        return np.maximum(a, b)
    if style == "small":
        return layer(w, h, [text], 0.03 * h, (205, 205, 205, 215), fontno=1)
    if style == "karaoke":
        return layer(w, h, [text], size, white, stroke=o, upto=share)
    if style == "top":
        return layer(w, h, [text], size, white, stroke=o, at=(0.5, 0.13))
    if style == "vertical":
        return layer(w, h, list(text.split(" ")[-1][:6].upper()), 0.06 * h, white, stroke=o, at=(0.86, 0.75))
    return layer(w, h, text.split(" ")[:3], 0.045 * h, white, stroke=o, at=(0.05, 0.6))


def strip(style, w, h):
    """The layer of a text that moves, larger than the picture, and where its first corner lies on the first frame."""
    white, o = (255, 255, 255, 255), max(1, int(round(0.0035 * h)))
    if style == "ticker":
        long = layer(5 * w, h, [" +++ ".join(TEXTS)], 0.045 * h, white, stroke=o, at=(0.5, 0.94))
        x = np.where(long[..., 3].any(0))[0]
        return long[:, x[0]:x[-1] + 1], (0.8 * w, 0)
    tall = layer(w, 2 * h, [t for t in TEXTS for _ in (0, 1)], 0.05 * h, white, stroke=o, at=(0.5, 0.75))
    y = np.where(tall[..., 3].any(1))[0]
    return tall[y[0]:y[-1] + 1], (0, 0.7 * h)


def moving(clean, w, h, style):
    """As `build`, for a text that moves at a constant speed, to fractions of a pixel."""
    out, truth = [f.copy() for f in clean], [None] * len(clean)
    rgba, (x, y) = strip(style, w, h)
    rgba = np.dstack([rgba[..., :3] * rgba[..., 3:], rgba[..., 3]])
    a, b = 8, len(clean) - 6
    for t in range(a, b):
        dx, dy = x + (t - a) * MOVING[style][0] * w, y + (t - a) * MOVING[style][1] * h
        now = cv2.warpAffine(rgba, np.float32([[1, 0, dx], [0, 1, dy]]), (w, h))
        alpha = now[..., 3:]
        out[t] = (clean[t] * (1 - alpha) + 255 * now[..., :3] + 0.5).clip(0, 255).astype(np.uint8)
        truth[t] = dict(strokes=now[..., 3] > 0.1, all=now[..., 3] > 0.02, shown=True, gain=1.0)
    return np.stack(out), truth, [(a, b)]


def build(clean, w, h, style):
    """Marked frames (RGB), truth per frame (bool or None; `gain`: the share of a caption that is shown), spans. `clean`: frames of RGB."""
    if style in MOVING:
        return moving(clean, w, h, style)
    out, truth = [f.copy() for f in clean], [None] * len(clean)
    spans = schedule(len(clean))
    for n, (a, b) in enumerate(spans):
        known = {}
        for t in range(a, b):
            share = round((t - a) / max(1, b - a) * 5) / 5 if style == "karaoke" else 0
            if share not in known:
                known[share] = caption(style, n, w, h, share)
            rgba = known[share]
            gain = min(1, (t - a + 1) / (FADE + 1), (b - t) / (FADE + 1)) if style == "fade" else 1
            alpha = rgba[..., 3:] * gain
            out[t] = (clean[t] * (1 - alpha) + 255 * rgba[..., :3] * alpha + 0.5).astype(np.uint8)
            strokes = rgba[..., 3] > 0.1
            if style == "plate":  # the plate is not a stroke, but has to go as well
                strokes = rgba[..., 3] > 0.7
            truth[t] = dict(strokes=strokes, all=rgba[..., 3] > 0.02, shown=gain >= 0.15, gain=gain)
    return np.stack(out), truth, spans


def decode(path, w, h, start, count):
    cmd = ["ffmpeg", "-v", "error", "-i", str(path), "-vf", f"select='between(n,{start},{start + count - 1})',scale={w}:{h}:flags=area",
           "-vsync", "0", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(cmd, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, h, w, 3)


def encode(frames, path, crf, rate=25):
    h, w = frames.shape[1:3]
    cmd = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{w}x{h}", "-r", str(rate), "-i", "-",
           "-c:v", "libx264", "-crf", str(crf), "-preset", "fast", "-pix_fmt", "yuv420p", str(path)]
    subprocess.run(cmd, input=frames.tobytes(), check=True)


def probe(path):
    cap = cv2.VideoCapture(str(path))
    return int(cap.get(cv2.CAP_PROP_FRAME_WIDTH)), int(cap.get(cv2.CAP_PROP_FRAME_HEIGHT))
