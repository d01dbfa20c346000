"""Measures borrowing on known truth: clean clip -> opaque marks -> x264 crf 20 -> restored, against Telea, Navier-Stokes
(radius 4), delogo and the spatial fill alone.

    cargo build --release -p cleanplate-core --example borrow_planes --example fill_planes
    python3 borrow.py --out /tmp/borrowcases > table.md          # cases are built once and kept in --out

Every case is one clip with one mark, so that marks do not see each other. Luma PSNR inside the mask is pooled over all
measured frames. "Share" is the share of the mask's luma samples that were borrowed; "of them" the PSNR of those alone, and of the fill in
their place.
Flicker: mean absolute difference of each restored frame from the restored frame before, moved by the clean clip's own motion
(OpenCV DIS), where both are borrowed, beside the same figure of the clean clip; the bar is 1.1 x clean + 0.3.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fill"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cases import badge, composite, decode, disc, encode, paste, probe, text  # noqa: E402
from fill import box_of, others, psnr  # noqa: E402
from flicker import flicker  # noqa: E402

cv2.setNumThreads(1)
EVERY = 6  # one frame of so many goes through the slow other fills

# clip, first frame, frames, width (0: as it is)
CLIPS = [("bmx_pan_480p", 0, 60, 0), ("crystal_handheld_480p", 40, 60, 0), ("dashcam_trees_1080p", 0, 50, 1280),
         ("dim_room_reading_720p", 20, 60, 0), ("cactus_flower_720p", 30, 60, 0), ("tokyo_night_neon_720p15", 20, 60, 0),
         ("highway_dash_540p", 20, 60, 0), ("motorway_static_1080p", 20, 60, 1280), ("bbb_animation_720p", 0, 50, 960),
         ("cups_hands_720p", 0, 50, 960), ("line_art_1200p60", 0, 50, 600), ("portrait_woman_720p", 0, 50, 960)]


def marks(w, h, frames):
    """name, RGBA layer, mask, and on which frames it is shown."""
    every = np.ones(frames, bool)
    bw, bh = int(w * 0.115) // 2 * 2, int(w * 0.047) // 2 * 2
    layer = paste(w, h, badge(bw, bh), int(w * 0.82) // 2 * 2, int(h * 0.08) // 2 * 2)
    yield "badge", layer, disc(layer[..., 3] > 0, 1), every
    o = max(1, w * 0.0022)
    layer = text(w, h, (w / 2, h * 0.88), w * 0.035, "Nobody told me about that", (255, 255, 255), (o, (0, 0, 0)))
    yield "caption", layer, disc(layer[..., 3] > 5, 2), every
    layer = paste(w, h, badge(bw, bh), int(w * 0.4) // 2 * 2, int(h * 0.55) // 2 * 2)
    shown = np.arange(frames) % 30 < 20  # comes and goes: 20 frames of 30
    yield "blink", layer, disc(layer[..., 3] > 0, 1), shown


def build(args, name, start, count, width):
    path = next(Path(args.clips).glob(name + ".*"))
    w, h, total = probe(str(path))
    if width:
        w, h = width, int(h * width / w) // 2 * 2
    w, h = w // 2 * 2, h // 2 * 2
    clean = decode(str(path), start, min(count, total - start), w, h)
    for mark, layer, mask, shown in marks(w, h, len(clean)):
        folder = Path(args.out) / f"{name}-{mark}"
        if (folder / "info.json").exists() or not wanted(args, folder.name):
            continue
        folder.mkdir(parents=True, exist_ok=True)
        marked = np.stack([composite(f, w, h, layer) if s else f for f, s in zip(clean, shown)])
        clean.tofile(folder / "clean.yuv")
        encode(marked, w, h, args.crf).tofile(folder / "marked.yuv")
        (np.where(shown[:, None, None], mask[None], False).astype(np.uint8) * 255).tofile(folder / "mask.raw")
        (folder / "info.json").write_text(json.dumps(dict(width=w, height=h, frames=len(clean))))


def wanted(args, name):
    return not args.only or any(o in name for o in args.only.split(","))


def luma(path, w, h):
    return np.fromfile(path, np.uint8).reshape(-1, w * h * 3 // 2)[:, : w * h].reshape(-1, h, w)


def measure(args, folder):
    info = json.loads((folder / "info.json").read_text())
    w, h = info["width"], info["height"]
    clean, marked = luma(folder / "clean.yuv", w, h), luma(folder / "marked.yuv", w, h)
    masks = np.fromfile(folder / "mask.raw", np.uint8).reshape(-1, h, w) > 0
    reach = args.reach.split(",") if args.reach else []
    done = subprocess.run([args.engine, str(w), str(h), str(folder / "mask.raw"), str(folder / "marked.yuv"),
                           str(folder / "restored.yuv"), str(folder / "origin.raw"), *reach], capture_output=True, text=True,
                          check=True)
    ms = [float(v) for v in done.stdout.split()]
    ours = luma(folder / "restored.yuv", w, h)
    origin = np.fromfile(folder / "origin.raw", np.uint8).reshape(-1, h, w)
    cache = folder / "others.json"
    if not cache.exists():
        sums = {}
        for t in range(0, len(clean), EVERY):
            if masks[t].any():
                y0, y1, x0, x1 = box_of(masks[t], 24)
                cut = (slice(y0, y1), slice(x0, x1))
                m = masks[t][cut]
                for k, v in others(marked[t][cut].copy(), m).items():
                    sums.setdefault(k, []).append([float(((v.astype(np.float32) - clean[t][cut]) ** 2)[m].sum()), int(m.sum())])
        with tempfile.TemporaryDirectory() as tmp:
            (masks.any(0).astype(np.uint8) * 255).tofile(f"{tmp}/mask")
            subprocess.run([args.fill, str(w), str(h), f"{tmp}/mask", str(folder / "marked.yuv"), f"{tmp}/out"], check=True,
                           capture_output=True)
            filled = luma(f"{tmp}/out", w, h)
            np.save(folder / "fill.npy", filled)
            sums["fill"] = [[float(((filled[masks].astype(np.float32) - clean[masks]) ** 2).sum()), int(masks.sum())]]
        db = lambda v: 10 * np.log10(65025 / max(np.sum(v, 0)[0] / np.sum(v, 0)[1], 0.05))
        cache.write_text(json.dumps({k: db(v) for k, v in sums.items()}))
    rest = json.loads(cache.read_text())
    filled = np.load(folder / "fill.npy", mmap_mode="r")
    best = max(rest[k] for k in ("telea", "ns", "delogo"))
    borrowed = (origin == 2) & masks
    y0, y1, x0, x1 = box_of(masks.any(0), 24)
    f = flicker(ours, clean, borrowed, (y0, y1, x0, x1))
    row = dict(case=folder.name, best=best, fill=rest["fill"], ours=psnr(ours, clean, masks), share=borrowed.sum() / masks.sum(),
               borrowed=psnr(ours, clean, borrowed) if borrowed.any() else float("nan"),
               fill_there=psnr(filled, clean, borrowed) if borrowed.any() else float("nan"), flicker=f[0], flicker_clean=f[1], ms=ms[0], mean=ms[1], worst=ms[2], area=int(masks.any(0).sum()))
    return row


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--clips", default=os.environ.get("CLEANPLATE_TESTDATA", "../shared/testdata") + "/clips")
    p.add_argument("--out", default="/tmp/borrowcases")
    p.add_argument("--engine", default="target/release/examples/borrow_planes")
    p.add_argument("--fill", default="target/release/examples/fill_planes")
    p.add_argument("--reach", help="BEFORE,AFTER,MARGIN instead of the default")
    p.add_argument("--crf", type=int, default=20)
    p.add_argument("--only", help="parts of case names, comma-separated")
    args = p.parse_args()
    for name, start, count, width in CLIPS:
        if not args.only or any(o.split("-")[0] in name or name in o or o in ("badge", "caption", "blink") for o in args.only.split(",")):
            build(args, name, start, count, width)
    print("| case | best of Telea, NS, delogo | fill | ours | gain | share | of them (fill there) | flicker (clean) | ms median, mean, worst |")
    print("|---|---|---|---|---|---|---|---|---|")
    for folder in sorted(Path(args.out).iterdir()):
        if not wanted(args, folder.name) or not (folder / "info.json").exists():
            continue
        r = measure(args, folder)
        bar = "" if r["flicker"] <= 1.1 * r["flicker_clean"] + 0.3 else " !"
        print(f"| {r['case']} | {r['best']:.2f} | {r['fill']:.2f} | **{r['ours']:.2f}** | **{r['ours'] - r['best']:+.2f}** | "
              f"{100 * r['share']:.1f} % | {r['borrowed']:.2f} ({r['fill_there']:.2f}) | {r['flicker']:.2f} ({r['flicker_clean']:.2f}){bar} | "
              f"{r['ms']:.0f}, {r['mean']:.0f}, {r['worst']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
