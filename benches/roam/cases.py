"""Clips under marks that do not stay: one that hops between three places, one that drifts slowly in a straight line, one that
bounces off the borders. Composited in the clip's own planes and encoded by x264 at crf 20, with the truth beside."""

import json
import os
import subprocess

import numpy as np
from PIL import Image, ImageDraw, ImageFont

STAY = 67                    # frames of a stay of the recorded mark, the last of them blank
KINDS = ("hop", "drift", "bounce")


def probe(path):
    out = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries",
                          "stream=width,height,r_frame_rate", "-of", "json", path], capture_output=True, text=True, check=True)
    s = json.loads(out.stdout)["streams"][0]
    a, b = s["r_frame_rate"].split("/")
    return s["width"] // 2 * 2, s["height"] // 2 * 2, float(a) / float(b)


def decode(path, width, height, most):
    """Frames as packed 4:2:0 planes of limited range, one row each."""
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-map", "0:v:0", "-frames:v", str(most), "-vsync", "0", "-vf",
                          f"crop={width}:{height}:0:0,scale=out_range=tv", "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"],
                         capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, width * height * 3 // 2).copy()


def planes(packed, width, height):
    y, c = width * height, width * height // 4
    return (packed[:y].reshape(height, width), packed[y:y + c].reshape(height // 2, width // 2),
            packed[y + c:].reshape(height // 2, width // 2))


def resized(alpha, size):
    return np.asarray(Image.fromarray((alpha * 255).astype(np.uint8)).resize(size, Image.LANCZOS), np.float32) / 255


def hopping(overlay, width):
    """The opacity of the recorded mark on every frame of a stay."""
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", overlay, "-frames:v", str(STAY), "-f", "rawvideo", "-pix_fmt", "gray",
                          "-"], capture_output=True, check=True).stdout
    crop = np.frombuffer(raw, np.uint8).reshape(-1, 1280, 704)[:, 100:176, 20:200]
    size = [int(round(n * min(1.0, width / 1280))) // 2 * 2 for n in (180, 76)]
    return [resized(np.where(m < 6, 0, m) / 255.0, size) for m in crop], (235, 128, 128)


def lettering(width, alpha, word, disc):
    """A mark of a disc and a word."""
    h = int(width * 0.04) // 2 * 2
    font = ImageFont.load_default(size=h * 0.8)
    text = int(font.getlength(word)) + (h if disc else 0) + 8
    image = Image.new("L", (text // 2 * 2 + 2, h + 4))
    draw = ImageDraw.Draw(image)
    if disc:
        draw.ellipse([2, 2, h - 2, h - 2], fill=255)
        draw.ellipse([h * 0.35, h * 0.35, h * 0.6, h * 0.6], fill=0)
    draw.text((h + 4 if disc else 2, h * 0.05), word, fill=255, font=font)
    return np.asarray(image, np.float32) / 255 * alpha


def reflected(start, step, room, count):
    """Positions of a point that moves by `step` a frame and turns at 0 and `room`."""
    at = np.abs((start + step * np.arange(count)) % (2 * room))
    return np.where(at > room, 2 * room - at, at)


def path_of(kind, shape, width, height, count):
    """Column and row of the mark on every frame."""
    w, h = shape
    if kind == "hop":
        places = [(0.06, 0.12), (0.78, 0.48), (0.08, 0.80)]
        places = [(int(width * x) // 2 * 2, int(height * y) // 2 * 2) for x, y in places]
        return [places[t // STAY % 3] for t in range(count)]
    scale = width / 1280
    if kind == "drift":
        x, y = width * 0.1 + 0.7 * scale * np.arange(count), height * 0.72 - 0.22 * scale * np.arange(count)
    else:
        x = reflected(width * 0.3, 2.6 * scale, width - w, count)
        y = reflected(height * 0.4, 1.7 * scale, height - h, count)
    return [(int(round(a)), int(round(b))) for a, b in zip(np.clip(x, 0, width - w), np.clip(y, 0, height - h))]


def compose(kind, overlay, width, height, packed):
    """Draws the mark into the frames; the opacities in turn and each frame's place and opacity."""
    if kind == "hop":
        alphas, colour = hopping(overlay, width)
    elif kind == "drift":
        alphas, colour = [lettering(width, 1.0, "Studio", True)], (200, 90, 160)
    else:
        alphas, colour = [lettering(width, 0.5, "preview", False)], (235, 128, 128)
    h, w = alphas[0].shape
    path = path_of(kind, (w, h), width, height, len(packed))
    track = []
    for t, (x, y) in enumerate(path):
        n = t % len(alphas)
        whole = np.zeros((height, width), np.float32)
        whole[y:y + h, x:x + w] = alphas[n]
        x0, y0, x1, y1 = x // 2 * 2, y // 2 * 2, min(x + w + 2, width) // 2 * 2, min(y + h + 2, height) // 2 * 2
        a = whole[y0:y1, x0:x1]
        half = (a[0::2, 0::2] + a[1::2, 0::2] + a[0::2, 1::2] + a[1::2, 1::2]) / 4
        luma, *chroma = planes(packed[t], width, height)
        luma[y0:y1, x0:x1] = np.clip(a * colour[0] + (1 - a) * luma[y0:y1, x0:x1] + 0.5, 0, 255)
        for plane, code in zip(chroma, colour[1:]):
            part = plane[y0 // 2:y1 // 2, x0 // 2:x1 // 2]
            part[:] = np.clip(half * code + (1 - half) * part + 0.5, 0, 255)
        track.append((x, y, n))
    return alphas, track


def encode(packed, width, height, rate, crf, path):
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}", "-r",
                    f"{rate:.6f}", "-i", "-", "-c:v", "libx264", "-preset", "medium", "-crf", str(crf), "-threads", "1", path],
                   input=packed.tobytes(), check=True)


def build(clip, kind, overlay, folder, most=360):
    """`folder/NAME_KIND.mp4` with its truth in `.npz` (opacities, and column, row and opacity of every frame) and the clean
    clip in `NAME_clean.mp4`."""
    name = os.path.splitext(os.path.basename(clip))[0]
    path = f"{folder}/{name}_{kind}"
    if os.path.exists(path + ".npz"):
        return path
    width, height, rate = probe(clip)
    packed = decode(clip, width, height, most)
    alphas, track = compose(kind, overlay, width, height, packed)
    encode(packed, width, height, rate, 20, path + ".mp4")
    np.savez_compressed(path + ".npz", alphas=np.stack(alphas), track=np.array(track))
    return path
