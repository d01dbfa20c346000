"""Opaque marks that come, stay for seconds and go, through whole jobs: what a plate gives against the fills.

    stays.py --out /tmp/stays [--cleanplate target/release/cleanplate] [--only cactus,badge] [--hops 67]

Every case is one clip with one mark, composited in the clip's own planes and encoded by x264; shown on the middle two thirds of
the clip, or with --hops at three places in turn, so many frames each. The mark's place is given: `mask` as a mask video, `times` as a
rectangle with times (`--how`). Luma PSNR inside the mask over all marked frames; Telea and Navier-Stokes (the better one) on
one frame of twelve. "Share" is what was borrowed; flicker as borrow.py has it, of the whole mask.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fill"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from borrow import marks  # noqa: E402
from cases import composite, decode, probe  # noqa: E402
from fill import box_of, psnr  # noqa: E402
from flicker import flicker  # noqa: E402

EVERY = 12
CLIPS = [("motorway_static_1080p", 960), ("cactus_flower_720p", 960), ("portrait_woman_720p", 960), ("cups_hands_720p", 960),
         ("bbb_animation_720p", 960), ("flower_macro_540p", 0), ("dim_room_reading_720p", 960), ("bmx_pan_480p", 0),
         ("dashcam_trees_1080p", 960), ("line_art_1200p60", 800)]


def shown(count, kind, hops):
    """Number of the place on every frame, -1 for none."""
    t = np.arange(count)
    if hops:
        return t // hops % 3
    return np.where((t >= count // 6) & (t < count - count // 6), 0, -1)


def raw(path, *more):
    return subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-vsync", "0", "-f", "rawvideo", *more, "-"],
                          capture_output=True, check=True).stdout


def write(frames, w, h, pix, path, *codec):
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", pix, "-s", f"{w}x{h}", "-r", "25", "-i", "-",
                    *codec, path], input=frames.tobytes(), check=True)


def build(args, name, width, mark):
    folder = Path(args.out) / f"{name}-{mark}{args.hops or ''}"
    if (folder / "info.json").exists():
        return folder
    path = next(Path(args.clips).glob(name + ".*"))
    w, h, total = probe(str(path))
    if width:
        w, h = width, int(h * width / w) // 2 * 2
    w, h = w // 2 * 2, h // 2 * 2
    clean = decode(str(path), 0, min(300, total), w, h)
    layer, mask = next((layer, mask) for kind, layer, mask, _ in marks(w, h, len(clean)) if kind == mark)
    at = shown(len(clean), mark, args.hops)
    steps = [(0, 0), (w // 4 // 2 * 2, h // 4 // 2 * 2), (w // 3 // 2 * 2, h // 2 // 2 * 2)]
    layers = [np.roll(layer, (dy, -dx), (0, 1)) for dx, dy in steps]
    masks = [np.roll(mask, (dy, -dx), (0, 1)) for dx, dy in steps]
    folder.mkdir(parents=True, exist_ok=True)
    marked = np.stack([composite(f, w, h, layers[k]) if k >= 0 else f for f, k in zip(clean, at)])
    write(marked, w, h, "yuv420p", f"{folder}/marked.mkv", "-c:v", "libx264", "-crf", str(args.crf), "-threads", "1")
    clean.tofile(folder / "clean.yuv")
    hidden = np.stack([masks[k] if k >= 0 else np.zeros_like(mask) for k in at])
    write(hidden.astype(np.uint8) * 255, w, h, "gray", f"{folder}/mask.mkv", "-c:v", "ffv1")
    boxes = []
    for k, m in enumerate(masks):
        y0, y1, x0, x1 = box_of(m, 0)
        t = np.flatnonzero(at == k)
        runs = np.split(t, np.flatnonzero(np.diff(t) > 1) + 1) if len(t) else []
        boxes += [[int(x0), int(y0), int(x1 - x0), int(y1 - y0), int(r[0]), int(r[-1]) + 1] for r in runs]
    (folder / "info.json").write_text(json.dumps(dict(width=w, height=h, frames=len(clean), boxes=boxes)))
    return folder


def measure(args, folder):
    info = json.loads((folder / "info.json").read_text())
    w, h = info["width"], info["height"]
    lumas = lambda data: np.frombuffer(data, np.uint8).reshape(-1, w * h * 3 // 2)[:, : w * h].reshape(-1, h, w)
    clean = lumas((folder / "clean.yuv").read_bytes())
    masks = np.frombuffer(raw(f"{folder}/mask.mkv", "-pix_fmt", "gray"), np.uint8).reshape(-1, h, w) > 127
    place = ["--mask-video", f"{folder}/mask.mkv"]
    if args.how == "times":
        place = [a for x, y, bw, bh, f, l in info["boxes"] for a in ("--region", f"{x},{y},{bw},{bh}@f{f}-f{l}")]
    if args.how == "region":
        boxes = sorted({tuple(b[:4]) for b in info["boxes"]})
        place = [a for x, y, bw, bh in boxes for a in ("--region", f"{max(x - 12, 0)},{max(y - 12, 0)},{bw + 24},{bh + 24}")]
    job = lambda exe, out, *more: subprocess.run(
        [exe, "remove", f"{folder}/marked.mkv", "-o", out, "-y", "--progress", "none", "--crf", "12", "--preset", "veryfast", "--work-dir", f"{folder}/work",
         *place, *more], capture_output=True, text=True)
    done = job(args.cleanplate, f"{folder}/ours.mkv", "--origin-map", f"{folder}/origin.mkv", "--report", f"{folder}/report.json")
    if done.returncode not in (0, 11):
        return f"| {folder.name} | exit {done.returncode}: {done.stderr.strip().splitlines()[-1]} |"
    ours = lumas(raw(f"{folder}/ours.mkv"))
    origin = np.frombuffer(raw(f"{folder}/origin.mkv", "-pix_fmt", "gray"), np.uint8).reshape(-1, h, w) // 85
    cache = folder / "others.json"
    if not cache.exists():
        job(args.cleanplate, f"{folder}/fill.mkv", "--tiers", "fill", *(["--mask-video", f"{folder}/mask.mkv"] if args.how != "mask" else []))
        rest = dict(fill=float(psnr(lumas(raw(f"{folder}/fill.mkv")), clean, masks)))
        given, sums = lumas(raw(f"{folder}/marked.mkv")), [[], []]
        for t in range(0, len(clean), EVERY):
            if masks[t].any():
                y0, y1, x0, x1 = box_of(masks[t], 24)
                m, cut = masks[t][y0:y1, x0:x1], np.ascontiguousarray(given[t][y0:y1, x0:x1])
                for sum, how in zip(sums, (cv2.INPAINT_TELEA, cv2.INPAINT_NS)):
                    out = cv2.inpaint(cut, m.astype(np.uint8), 4, how)
                    sum.append((out.astype(np.float32) - clean[t][y0:y1, x0:x1])[m] ** 2)
        rest["others"] = max(float(10 * np.log10(65025 / np.concatenate(s).mean())) for s in sums)
        cache.write_text(json.dumps(rest))
    rest = json.loads(cache.read_text())
    best = max(rest.values())
    f = flicker(ours, clean, masks, box_of(masks.any(0), 24))
    share = ((origin == 2) & masks).sum() / masks.sum()
    bar = "" if f[0] <= 1.1 * f[1] + 0.3 else " !"
    both = psnr(ours, clean, masks)
    outside = ""
    bare = ~masks.any((1, 2))
    if args.how == "region" and bare.any():
        outside = f" {int((origin[bare] != 0).sum())} samples of unmarked frames changed |"
    return (f"| {folder.name} | {rest['others']:.2f} | {rest['fill']:.2f} | **{both:.2f}** | **{both - best:+.2f}** | "
            f"{100 * share:.1f} % | {f[0]:.2f} ({f[1]:.2f}){bar} |{outside}")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--clips", default=os.environ.get("CLEANPLATE_TESTDATA", "../shared/testdata") + "/clips")
    p.add_argument("--out", default="/tmp/stays")
    p.add_argument("--cleanplate", default="target/release/cleanplate")
    p.add_argument("--only", default="", help="parts of clips' and marks' names, comma-separated; all of one kind where none is named")
    p.add_argument("--how", default="mask", choices=("mask", "times", "region"))
    p.add_argument("--hops", type=int, default=0)
    p.add_argument("--crf", type=int, default=20)
    args = p.parse_args()
    parts = [part for part in args.only.split(",") if part]
    print("| case | best of Telea, NS | fill | ours | gain over the best | borrowed | flicker (clean) |\n|---|---|---|---|---|---|---|")
    for name, width in CLIPS:
        for mark in ("badge", "caption", "blink"):
            named = lambda of: not any(part in of for part in parts)
            clips_named = any(part in clip for part in parts for clip, _ in CLIPS)
            marks_named = any(part in ("badge", "caption", "blink") for part in parts)
            if (clips_named and named(name)) or (marks_named and mark not in parts):
                continue
            print(measure(args, build(args, name, width, mark)), flush=True)


if __name__ == "__main__":
    main()
