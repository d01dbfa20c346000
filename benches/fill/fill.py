"""Measures the spatial fill against OpenCV's Telea and Navier-Stokes (radius 4) and FFmpeg's delogo on the cases of cases.py.

    cargo build --release -p cleanplate-core --example fill_planes
    python3 cases.py --out /tmp/fillcases
    python3 fill.py --cases /tmp/fillcases --engine ../../target/release/examples/fill_planes > table.md

Per case: luma PSNR and SSIM inside the mask against the clean clip, pooled over the measured frames; flicker = mean absolute
difference of consecutive frames inside the mask (all planes of luma, no cuts) against 1.1 x the clean clip's + 0.3; and
milliseconds a frame, all planes, copying in and out included. "Best" is the best of the three others per case and frame.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import cv2
import numpy as np

cv2.setNumThreads(1)
MEASURED = (1, 4, 7, 10)  # frames of the twelve for which the slower fills are run


def ssim_map(a, b):
    a, b = a.astype(np.float32), b.astype(np.float32)
    blur = lambda x: cv2.GaussianBlur(x, (11, 11), 1.5)
    ma, mb = blur(a), blur(b)
    va, vb, cov = blur(a * a) - ma * ma, blur(b * b) - mb * mb, blur(a * b) - ma * mb
    return (2 * ma * mb + 6.5025) * (2 * cov + 58.5225) / ((ma**2 + mb**2 + 6.5025) * (va + vb + 58.5225))


def psnr(a, b, mask):
    return float(10 * np.log10(65025 / max(((a.astype(np.float32) - b) ** 2)[mask].mean(), 0.05)))


def box_of(mask, pad):
    ys, xs = np.where(mask)
    h, w = mask.shape
    return max(0, ys.min() - pad), min(h, ys.max() + 1 + pad), max(0, xs.min() - pad), min(w, xs.max() + 1 + pad)


def delogo(luma, mask):
    y0, y1, x0, x1 = box_of(mask, 0)
    h, w = luma.shape
    out = subprocess.run(["ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{w}x{h}", "-i", "-", "-vf",
                          f"delogo=x={x0}:y={y0}:w={x1 - x0}:h={y1 - y0}", "-f", "rawvideo", "-pix_fmt", "gray", "-"],
                         input=luma.tobytes(), capture_output=True, check=True).stdout
    return np.frombuffer(out, np.uint8).reshape(h, w)


def others(luma, mask):
    u8 = mask.astype(np.uint8)
    return dict(telea=cv2.inpaint(luma, u8, 4, cv2.INPAINT_TELEA), ns=cv2.inpaint(luma, u8, 4, cv2.INPAINT_NS),
                delogo=delogo(luma, mask))


def engine(binary, folder, w, h, mask, repeat):
    """The luma planes that the engine makes, and its times (first, median, worst) in ms."""
    with tempfile.TemporaryDirectory() as tmp:
        (mask.astype(np.uint8) * 255).tofile(f"{tmp}/mask")
        done = subprocess.run([binary, str(w), str(h), f"{tmp}/mask", str(folder / "marked.yuv"), f"{tmp}/out", str(repeat)],
                              capture_output=True, text=True, check=True)
        raw = np.fromfile(f"{tmp}/out", np.uint8).reshape(-1, w * h * 3 // 2)
    return raw[:, : w * h].reshape(-1, h, w), [float(v) for v in done.stdout.split()]


def flicker(luma, mask, run):
    pairs = [t for t in range(1, len(luma)) if t % run]
    return float(np.mean([np.abs(luma[t].astype(np.int16) - luma[t - 1])[mask].mean() for t in pairs]))


def measure(args, cache):
    rows = []
    for folder in sorted(Path(args.cases).iterdir()):
        if args.only and not any(o in folder.name for o in args.only.split(",")):
            continue
        info = json.loads((folder / "info.json").read_text())
        w, h = info["width"], info["height"]
        clean = np.fromfile(folder / "clean.yuv", np.uint8).reshape(-1, w * h * 3 // 2)[:, : w * h].reshape(-1, h, w)
        marked = np.fromfile(folder / "marked.yuv", np.uint8).reshape(-1, w * h * 3 // 2)[:, : w * h].reshape(-1, h, w)
        for mark in info["marks"]:
            mask = cv2.imread(str(folder / f"{mark['name']}.png"), 0) > 0
            ours, ms = engine(args.engine, folder, w, h, mask, args.repeat)
            y0, y1, x0, x1 = box_of(mask, 24)
            cut = (slice(y0, y1), slice(x0, x1))
            m = mask[cut]
            for t in MEASURED:
                key = f"{folder.name}/{mark['name']}/{t}"
                if key not in cache:
                    made = others(marked[t][cut].copy(), m)
                    cache[key] = {k: [psnr(v, clean[t][cut], m), float(ssim_map(v, clean[t][cut])[m].mean())]
                                  for k, v in made.items()}
                rows.append(dict(clip=folder.name, mark=mark["name"], kind=mark["kind"], frame=t, others=cache[key],
                                 psnr=psnr(ours[t][cut], clean[t][cut], m),
                                 ssim=float(ssim_map(ours[t][cut], clean[t][cut])[m].mean()), ms=ms,
                                 flicker=flicker(ours[:, y0:y1, x0:x1], m, info["run"]) if t == MEASURED[0] else None,
                                 flicker_clean=flicker(clean[:, y0:y1, x0:x1], m, info["run"]) if t == MEASURED[0] else None,
                                 area=int(mask.sum()), size=(w, h)))
    return rows


def gain(row):
    return row["psnr"] - max(v[0] for v in row["others"].values())


def report(rows, per_case):
    print("| kind | cases | Telea | NS | delogo | best of the three | ours | gain, mean | worst | below -0.5 dB | SSIM best, ours |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for kind in ("strokes", "box", "soft"):
        some = [r for r in rows if r["kind"] == kind]
        if not some:
            continue
        mean = lambda f: float(np.mean([f(r) for r in some]))
        g = np.array([gain(r) for r in some])
        print(f"| {kind} | {len(some)} | " + " | ".join(f"{mean(lambda r: r['others'][k][0]):.2f}" for k in ("telea", "ns", "delogo")) +
              f" | {mean(lambda r: max(v[0] for v in r['others'].values())):.2f} | **{mean(lambda r: r['psnr']):.2f}** | "
              f"**{g.mean():+.2f}** | {g.min():+.2f} | {(g < -0.5).sum()} ({100 * (g < -0.5).mean():.1f} %) | "
              f"{mean(lambda r: max(v[1] for v in r['others'].values())):.3f}, {mean(lambda r: r['ssim']):.3f} |")
    f = [(r["flicker"], r["flicker_clean"], r) for r in rows if r["flicker"] is not None]
    over = [x for x in f if x[0] > 1.1 * x[1] + 0.3]
    print(f"\nFlicker: mean {np.mean([x[0] for x in f]):.2f} (clean clip {np.mean([x[1] for x in f]):.2f}); {len(over)} of {len(f)} "
          "over 1.1 x clean + 0.3" + "".join(f"; {r['clip']}/{r['mark']} {a:.2f} ({b:.2f})" for a, b, r in over))
    big = [r for r in rows if r["size"][0] == 1920 and r["mark"] == "bug" and r["frame"] == MEASURED[0]]
    if big:
        print(f"Time, 1080p, {big[0]['area']} luma samples: median {np.median([r['ms'][1] for r in big]):.2f} ms a frame, worst "
              f"{max(r['ms'][2] for r in big):.2f}, first frame (prepares the mask) {max(r['ms'][0] for r in big):.2f}")
    if per_case:
        print("\nGain in dB by clip and mark (mean of the measured frames), PSNR of ours:\n")
        names = list(dict.fromkeys(r["mark"] for r in rows))
        print("| clip | " + " | ".join(names) + " |\n|---" * 1 + "|---" * len(names) + "|")
        for clip in dict.fromkeys(r["clip"] for r in rows):
            cell = lambda n: [r for r in rows if r["clip"] == clip and r["mark"] == n]
            print(f"| {clip} | " + " | ".join(f"{np.mean([gain(r) for r in cell(n)]):+.1f} ({np.mean([r['psnr'] for r in cell(n)]):.1f})"
                                              for n in names) + " |")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--cases", default="/tmp/fillcases")
    p.add_argument("--engine", default="target/release/examples/fill_planes")
    p.add_argument("--repeat", type=int, default=1)
    p.add_argument("--only", help="parts of clip names, comma-separated")
    p.add_argument("--brief", action="store_true", help="no table by clip")
    p.add_argument("--dump", help="write every case as JSON")
    args = p.parse_args()
    cache_file = Path(args.cases).with_suffix(".others.json")  # results of the other fills, which do not change
    cache = json.loads(cache_file.read_text()) if cache_file.exists() else {}
    rows = measure(args, cache)
    cache_file.write_text(json.dumps(cache))
    if args.dump:
        Path(args.dump).write_text(json.dumps(rows))
    report(rows, not args.brief)


if __name__ == "__main__":
    main()
