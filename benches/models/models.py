#!/usr/bin/env python3
"""Compares the boxes of users' detectors with those of ONNX Runtime in Python.

    pip install numpy scipy opencv-python onnxruntime
    cargo build --release -p cleanplate-infer --example boxes
    benches/models/models.py TESTDATA [--runtime libonnxruntime.so]

Every detector of TESTDATA/models/detect runs on frames of TESTDATA/clips, in Python (this file: scaling, network, decoding,
suppression) and in cleanplate on the same raw frames. What the networks are given must be the same codes but for ties of
rounding. On the same input boxes must pair up within a pixel and scores within 0.001. For comparison: how far the whole
pipeline is off for those ties (a network that quantises as it goes answers a single changed code with pixels), and how far
the pipeline that people usually write is (8-bit RGB by ffmpeg, cv2.resize), which rounds more.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from scipy.ndimage import map_coordinates

BOXES = Path(__file__).resolve().parents[2] / "target" / "release" / "examples" / "boxes"
CLIPS = ["highway_dash_540p.mp4", "motorway_static_1080p.mkv", "portrait_woman_720p.mp4", "dim_room_reading_720p.mp4",
         "cups_hands_720p.mp4", "bmx_pan_480p.mkv"]
FRAMES = 4
MIN_SCORE = 0.10


def decode(clip, pix_fmt, folder):
    probe = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height",
                            "-of", "csv=p=0", clip], check=True, capture_output=True, text=True)
    width, height = map(int, probe.stdout.strip().split(",")[:2])
    raw = Path(folder) / f"{clip.stem}.{pix_fmt}"
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", clip, "-vf", r"select=not(mod(n\,12)),scale=out_range=tv",
                    "-vsync", "0", "-frames:v", str(FRAMES), "-f", "rawvideo", "-pix_fmt", pix_fmt, raw], check=True)
    return raw, width, height


def letterbox(width, height, side, centred):
    scale = min(side / width, side / height)
    inner = round(width * scale), round(height * scale)
    left, top = ((side - inner[0]) // 2, (side - inner[1]) // 2) if centred else (0, 0)
    return scale, inner, left, top


def scaled_exactly(raw, width, height, inner):
    """4:2:0 codes -> planar RGB of 0..1 at the inner size, without rounding between."""
    cw, ch = (width + 1) // 2, (height + 1) // 2
    y, u, v = np.split(raw.astype(np.float64), [width * height, width * height + cw * ch])
    columns = (np.arange(inner[0]) + 0.5) * width / inner[0] - 0.5
    rows = (np.arange(inner[1]) + 0.5) * height / inner[1] - 0.5
    grid = lambda r, c: np.meshgrid(r, c, indexing="ij")
    sample = lambda plane, r, c: map_coordinates(plane, grid(r, c), order=1, mode="nearest")
    luma = (sample(y.reshape(height, width), rows, columns) - 16) / 219
    chroma = [(sample(p.reshape(ch, cw), (rows - 0.5) / 2, columns / 2) - 128) / 224 for p in (u, v)]
    red = luma + 2 * (1 - 0.2126) * chroma[1]
    blue = luma + 2 * (1 - 0.0722) * chroma[0]
    green = (luma - 0.2126 * red - 0.0722 * blue) / 0.7152
    return np.clip(np.stack([red, green, blue]), 0, 1)


def scaled_usually(raw, width, height, inner):
    rgb = cv2.resize(raw.reshape(height, width, 3), inner, interpolation=cv2.INTER_LINEAR)
    return rgb.transpose(2, 0, 1) / 255.0


def suppress(boxes, limit=0.45):
    kept = []
    for box in sorted(boxes, key=lambda b: -b[4]):
        for other in kept:
            w = min(box[2], other[2]) - max(box[0], other[0])
            h = min(box[3], other[3]) - max(box[1], other[1])
            shared = max(w, 0) * max(h, 0)
            area = lambda b: (b[2] - b[0]) * (b[3] - b[1])
            if other[5] == box[5] and shared / (area(box) + area(other) - shared) > limit:
                break
        else:
            kept.append(box)
    return kept


def given(session, planes, width, height):
    """The input of a picture whose scaled planes `planes` gives."""
    side = session.get_inputs()[0].shape[2]
    is_yolox = kind(session, side)
    _, inner, left, top = letterbox(width, height, side, not is_yolox)
    canvas = np.full((3, side, side), 114 / 255)
    canvas[:, top:top + inner[1], left:left + inner[0]] = planes(inner)
    canvas = np.round(canvas * 255)
    canvas = canvas[::-1] if is_yolox else canvas / 255
    return canvas[None].astype(np.float32)


def kind(session, side):
    return session.get_outputs()[0].shape[1] == sum((side // s) ** 2 for s in (8, 16, 32))


def detect(session, canvas, width, height):
    side = session.get_inputs()[0].shape[2]
    is_yolox = kind(session, side)
    scale, inner, left, top = letterbox(width, height, side, not is_yolox)
    (out,) = session.run(None, {session.get_inputs()[0].name: canvas})
    if is_yolox:
        rows = out[0].astype(np.float64)
        grids = [(x, y, s) for s in (8, 16, 32) for y in range(side // s) for x in range(side // s)]
        x, y, s = np.array(grids).T
        centre = np.stack([(rows[:, 0] + x) * s, (rows[:, 1] + y) * s], 1)
        size = np.exp(rows[:, 2:4]) * s[:, None]
        scores = rows[:, 5:] * rows[:, 4:5]
    else:
        rows = out[0].T.astype(np.float64)
        centre, size, scores = rows[:, :2], rows[:, 2:4], rows[:, 4:]
    found = []
    for k in np.flatnonzero(scores.max(1) >= MIN_SCORE):
        sides = np.concatenate([centre[k] - size[k] / 2, centre[k] + size[k] / 2])
        found.append([*sides, scores[k].max(), int(scores[k].argmax())])
    shift, top_right = np.array([left, top, left, top]), np.array([width, height, width, height])
    return [[*np.clip((np.array(b[:4]) - shift) / scale, 0, top_right), *b[4:]] for b in suppress(found)]


def compare(ours, theirs):
    """Pairs boxes: worst distance of a side, worst difference of scores, boxes on one side only (surer than the limit)."""
    pixels = score = 0.0
    alone, left = 0, list(theirs)
    for box in ours:
        pairs = [(max(abs(a - b) for a, b in zip(box[:4], other[:4])), other) for other in left if other[5] == box[5]]
        near = min(pairs, default=(np.inf, None), key=lambda p: p[0])
        if near[0] > 8:
            alone += box[4] > MIN_SCORE + 0.002
            continue
        left.remove(near[1])
        pixels, score = max(pixels, near[0]), max(score, abs(box[4] - near[1][4]))
    return pixels, score, alone + sum(b[4] > MIN_SCORE + 0.002 for b in left)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("testdata", type=Path)
    parser.add_argument("--runtime", default="", help="library of ONNX Runtime for cleanplate; without it the embedded one")
    args = parser.parse_args()
    failed = False
    print("| network | clip | boxes | input: codes off | same input: px, score, alone | whole: px, score, alone "
          "| usual pipeline: px, score, alone | |")
    print("|---|---|---|---|---|---|---|---|")
    for net in sorted((args.testdata / "models" / "detect").glob("*.onnx")):
        session = onnxruntime.InferenceSession(str(net), providers=["CPUExecutionProvider"])
        for name in CLIPS:
            with tempfile.TemporaryDirectory() as folder:
                raw, width, height = decode(args.testdata / "clips" / name, "yuv420p", folder)
                rgb, _, _ = decode(args.testdata / "clips" / name, "rgb24", folder)
                dump = Path(folder) / "inputs.f32"
                command = [BOXES, net, raw, width, height, MIN_SCORE, dump, *([args.runtime] if args.runtime else [])]
                ran = subprocess.run([str(c) for c in command], capture_output=True, text=True)
                if ran.returncode != 0:
                    print(f"| {net.name} | | refused: {ran.stderr.strip().splitlines()[-1]} | | | | | |", flush=True)
                    break
                ours = [json.loads(line) for line in ran.stdout.splitlines()]
                frames = np.fromfile(raw, np.uint8).reshape(len(ours), -1)
                pictures = np.fromfile(rgb, np.uint8).reshape(len(ours), -1)
                inputs = np.fromfile(dump, np.float32).reshape(len(ours), *session.get_inputs()[0].shape)
            same, exact, usual, off, ties = [], [], [], 0, True
            for k, mine in enumerate(ours):
                exactly = given(session, lambda i: scaled_exactly(frames[k], width, height, i), width, height)
                usually = given(session, lambda i: scaled_usually(pictures[k], width, height, i), width, height)
                codes = np.abs(exactly - inputs[k]) * (1 if exactly.max() > 4 else 255)
                off += int((codes > 0.5).sum())
                ties &= codes.max() < 1.5 and (codes > 0.5).mean() < 1e-4
                run = lambda canvas: compare(mine, detect(session, canvas, width, height))
                same.append(run(inputs[k]))
                exact.append(run(exactly))
                usual.append(run(usually))
            worst = lambda rows: (max(r[0] for r in rows), max(r[1] for r in rows), sum(r[2] for r in rows))
            px, score, alone = worst(same)
            good = px <= 1 and score <= 1e-3 and alone == 0 and ties
            failed |= not good
            words = lambda rows: f"{worst(rows)[0]:.2f}, {worst(rows)[1]:.3f}, {worst(rows)[2]}"
            print(f"| {net.name} | {name} | {sum(map(len, ours))} | {off} | {px:.4f}, {score:.6f}, {alone} | "
                  f"{words(exact)} | {words(usual)} | {'ok' if good else 'FAILS'} |", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
