"""Marks that fade in over 20 frames and out over 20, through whole jobs: the marks of cases.py over the clips that benches/unblend
has built.

    fades.py CASES [--cleanplate target/release/cleanplate] [--crf 20] [--clips bmx crystal ...]

Per mark: luma PSNR inside it over the frames of the fades and over those on which it is shown fully, of the harmonic fill
(true mask, every frame on which the mark is shown) and of the job, the largest error of the fitted gain, and what the job changed
while the mark was not shown (FFV1 output).
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import cases
import unblend
from planar import read, write


def gains(count):
    t = np.arange(count)
    return np.clip(np.minimum((t - 6) / 20, (count - 7 - t) / 20), 0, 1)


def fitted(knots, count):
    if not knots:
        return np.ones(count)
    return np.interp(np.arange(count), [k[0] for k in knots], [k[1] for k in knots])


def clip(args, folder):
    info = json.loads((folder / "info.json").read_text())
    w, h = info["width"], info["height"]
    clean = np.fromfile(folder / "clean.yuv", np.uint8).reshape(-1, w * h * 3 // 2)
    gain = gains(len(clean))
    marked = clean.copy()
    truths = [unblend.read_planes(folder / f"{m['name']}.planes", *m["rect"][2:]) for m in info["marks"]]
    boxes = []
    for mark, truth in zip(info["marks"], truths):
        x, y, mw, mh = mark["rect"]
        for n, (plane, (keep, add)) in enumerate(zip(cases.views(marked, w, h), truth)):
            s = 1 if n else 0
            cut = plane[:, y >> s:(y + mh) >> s, x >> s:(x + mw) >> s]
            g = gain[:, None, None]
            cut[:] = np.where(keep < 1, np.clip((1 - g * (1 - keep)) * cut + g * add + 0.5, 0, 255), cut).astype(np.uint8)
        ys, xs = np.where(truth[0][0] < 0.98)
        b = unblend.BOX
        boxes.append([x + xs.min() - b, y + ys.min() - b, np.ptp(xs) + 1 + 2 * b, np.ptp(ys) + 1 + 2 * b])
    with tempfile.TemporaryDirectory() as tmp:
        source, out, plan = f"{tmp}/marked.mkv", f"{tmp}/o.mkv", f"{tmp}/p.json"
        write(marked, w, h, args.crf, source)
        unblend.job(args, source, boxes, out, "--plan-out", plan)
        coded, made = (cases.views(read(path, w, h), w, h) for path in (source, out))
        entries = json.loads(Path(plan).read_text())["marks"]
    fading, full, absent = (gain > 0) & (gain < 1), gain >= 1, gain <= 0
    for mark, truth, entry in zip(info["marks"], truths, entries):
        m = truth[0][0] < 0.98
        was, seen, took = (unblend.crop(views, mark["rect"])[0] for views in (cases.views(clean, w, h), coded, made))
        base = unblend.harmonic(seen, m)
        score = lambda x, frames: unblend.psnr([x[frames] - was[frames].astype(np.float32)], m)
        matte = entry.get("matte")
        off = np.abs(fitted(matte["gain"], len(gain)) - gain).max() if matte else float("nan")
        touched = int((took[absent] != seen[absent]).any(0).sum())
        yield dict(clip=folder.name, mark=mark["name"], solved=matte is not None, off=off, touched=touched,
                   base=score(base, fading), job=score(took, fading), base_full=score(base, full), job_full=score(took, full))


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("cases", type=Path)
    p.add_argument("--cleanplate", default="target/release/cleanplate")
    p.add_argument("--crf", type=int, default=20)
    p.add_argument("--clips", nargs="*", default=["bmx", "crystal", "dim_room", "elemental"])
    args = p.parse_args()
    print("| clip | mark | matte | gain off by | fade: harmonic | job | gain | full: harmonic | job | samples touched while absent |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    rows = []
    for folder in sorted((args.cases / str(args.crf)).glob("*/")):
        if not any(name in folder.name for name in args.clips):
            continue
        for r in clip(args, folder):
            rows.append(r)
            print(f"| {r['clip']} | {r['mark']} | {'solved' if r['solved'] else 'refused'} | {r['off']:.2f} | {r['base']:.1f} | {r['job']:.1f} | "
                  f"{r['job'] - r['base']:+.1f} | {r['base_full']:.1f} | {r['job_full']:.1f} | {r['touched']} |", flush=True)
    for name, some in [("all", rows), ("solved", [r for r in rows if r["solved"]])]:
        if some:
            mean = lambda key: np.mean([r[key] for r in some])
            print(f"\n{name}, {len(some)}: fades {mean('base'):.1f} -> {mean('job'):.1f}, full {mean('base_full'):.1f} -> {mean('job_full'):.1f}")


if __name__ == "__main__":
    main()
