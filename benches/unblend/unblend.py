"""Measures the un-blending of marks whose matte is solved from the clip, on the cases of cases.py.

    cargo build --release -p cleanplate-core --example unblend_planes
    python3 cases.py --out /tmp/unblendcases --crf 20
    python3 unblend.py --cases /tmp/unblendcases/20 --engine ../../target/release/examples/unblend_planes

Only the mark's box, 3 samples generous, is given. Per case: luma PSNR inside the mark (alpha > .02) of the spatial fill
(given the true mask and 2 samples more), of the solved matte and of the true one (oracle), both through the same tier;
the same for chroma; whether it was accepted; mean and signed error of the opacity; error of the colour where alpha > .1;
luma samples changed farther than 4 from the mark; how the un-blended picture's gradients are left on the mark's edges.
--pictures writes crops of clean | marked | filled | solved | oracle at 1:1 and 3x.
"""

import argparse
import json
import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

cv2.setNumThreads(1)
BOX = 3


def psnr(a, b, mask):
    return float(10 * np.log10(65025 / max(((a.astype(np.float32) - b)[:, mask] ** 2).mean(), 1e-3)))


def planes(raw, w, h):
    n, c = w * h, w * h // 4
    return (raw[:, :n].reshape(-1, h, w), raw[:, n:n + c].reshape(-1, h // 2, w // 2), raw[:, n + c:].reshape(-1, h // 2, w // 2))


def crop(frames, rect):
    x, y, w, h = rect
    return [p[:, y >> s:(y + h) >> s, x >> s:(x + w) >> s] for p, s in zip(frames, (0, 1, 1))]


def matte(path, w, h):
    v, out = np.fromfile(path, np.float32), []
    for n in (w * h, w * h // 4, w * h // 4):
        shape = (h, w) if n == w * h else (h // 2, w // 2)
        out.append((v[:n].reshape(shape), v[n:2 * n].reshape(shape)))
        v = v[2 * n:]
    return out


def colour(yuv):
    y, u, v = (p.astype(np.float32) for p in yuv)
    up = lambda p: cv2.resize(p, (y.shape[1], y.shape[0]), interpolation=cv2.INTER_LINEAR) - 128
    y, u, v = (y - 16) * 255 / 219, up(u), up(v)
    return np.clip(np.stack([y + 2.017 * u, y - 0.392 * u - 0.813 * v, y + 1.596 * v], -1) + 0.5, 0, 255).astype(np.uint8)


def pictures(folder, name, sources, t):
    row = [colour([p[t] for p in s]) for s in sources]
    cv2.imwrite(str(folder / f"{name}.png"), np.concatenate(row, 1))
    big = [cv2.resize(r, None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST) for r in row]
    cv2.imwrite(str(folder / f"{name}_3x.png"), np.concatenate(big, 0))


def case(args, folder, info, frames, mark):
    w, h, rect = info["width"], info["height"], mark["rect"]
    truth = matte(folder / f"{mark['name']}.matte", rect[2], rect[3])
    alpha = 1 - truth[0][0]
    m, mc = alpha > 0.02, 1 - truth[1][0] > 0.02
    ys, xs = np.where(m)
    box = [rect[0] + xs.min() - BOX, rect[1] + ys.min() - BOX, np.ptp(xs) + 1 + 2 * BOX, np.ptp(ys) + 1 + 2 * BOX]
    with tempfile.TemporaryDirectory() as tmp:
        done = subprocess.run([args.engine, str(w), str(h), str(folder / "marked.yuv"), ",".join(map(str, box)), f"{tmp}/o",
                               str(folder / f"{mark['name']}.matte"), ",".join(map(str, rect))], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        read = lambda kind: planes(np.fromfile(f"{tmp}/o.{kind}", np.uint8).reshape(info["frames"], -1), rect[2], rect[3])
        solved, filled, oracle = read("solved"), read("filled"), read("oracle")
        found = matte(f"{tmp}/o.matte", rect[2], rect[3])
    clean, marked = crop(frames[0], rect), crop(frames[1], rect)
    far = cv2.distanceTransform((~m).astype(np.uint8), cv2.DIST_L2, 5) > 4
    est = 1 - found[0][0]
    strong = m & (alpha > 0.1) & (est > 0.05)
    off = found[0][1][strong] / est[strong] - truth[0][1][strong] / alpha[strong]
    chroma = lambda p: float(10 * np.log10(65025 / max(1e-3, np.mean([((p[k].astype(np.float32) - clean[k])[:, mc] ** 2).mean() for k in (1, 2)]))))
    row = dict(clip=folder.name, mark=mark["name"], **json.loads(done.stdout), filled=psnr(filled[0], clean[0], m),
               solved=psnr(solved[0], clean[0], m), oracle=psnr(oracle[0], clean[0], m), none=psnr(marked[0], clean[0], m),
               c_filled=chroma(filled), c_solved=chroma(solved), c_oracle=chroma(oracle),
               alpha_error=float(np.abs(est - alpha)[m].mean()), alpha_bias=float((est - alpha)[m].mean()),
               colour_error=float(np.abs(off).mean()) if strong.any() else -1.0,
               far=int(((solved[0] != marked[0]).any(0) & far).sum()) if json.loads(done.stdout)["accepted"] else 0,
               missed=float((m & (alpha > 0.05) & (est < 0.02)).sum() / m.sum()))
    if args.pictures:
        out = Path(args.pictures)
        out.mkdir(parents=True, exist_ok=True)
        pictures(out, f"{folder.name[:8]}_{mark['name']}", (clean, marked, filled, solved, oracle), info["frames"] // 2)
    return row


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--cases", default="/tmp/unblendcases/20")
    p.add_argument("--engine", default="target/release/examples/unblend_planes")
    p.add_argument("--only", default="", help="parts of clip names, comma-separated")
    p.add_argument("--marks", default="", help="parts of names of marks, comma-separated")
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--pictures", help="a folder for pictures")
    p.add_argument("--dump", help="write every case as JSON")
    args = p.parse_args()
    rows = []
    os.environ["RAYON_NUM_THREADS"] = "1"
    print("| clip | mark | filled | solved | oracle | gain | to oracle | chroma filled, solved, oracle | alpha error, bias | colour | far | missed | s | why |")
    print("|" + "---|" * 14)
    for folder in sorted(Path(args.cases).iterdir()):
        if not any(o in folder.name for o in args.only.split(",")):
            continue
        info = json.loads((folder / "info.json").read_text())
        w, h = info["width"], info["height"]
        frames = [planes(np.fromfile(folder / f"{k}.yuv", np.uint8).reshape(info["frames"], -1), w, h) for k in ("clean", "marked")]
        marks = [m for m in info["marks"] if any(o in m["name"] for o in args.marks.split(","))]
        with ThreadPoolExecutor(args.jobs) as pool:
            for r in pool.map(lambda m: case(args, folder, info, frames, m), marks):
                rows.append(r)
                print(f"| {r['clip'][:10]} | {r['mark']} | {r['filled']:.1f} | {r['solved']:.1f} | {r['oracle']:.1f} | "
                      f"{'' if r['accepted'] else '('}{r['solved'] - r['filled']:+.1f}{'' if r['accepted'] else ')'} | {r['solved'] - r['oracle']:+.1f} | "
                      f"{r['c_filled']:.1f} {r['c_solved']:.1f} {r['c_oracle']:.1f} | {r['alpha_error']:.3f} {r['alpha_bias']:+.3f} | "
                      f"{r['colour_error']:.0f} | {r['far']} | {r['missed']:.2f} | {r['seconds']:.2f} | {r['reason']} |", flush=True)
    taken = [r for r in rows if r["accepted"]]
    mean = lambda f, some: float(np.mean([f(r) for r in some])) if some else 0.0
    gain = lambda r: r["solved"] - r["filled"]
    print(f"\naccepted {len(taken)} of {len(rows)}; of these filled {mean(lambda r: r['filled'], taken):.2f}, solved {mean(lambda r: r['solved'], taken):.2f}, "
          f"oracle {mean(lambda r: r['oracle'], taken):.2f}; gain {mean(gain, taken):+.2f}, worst {min(map(gain, taken), default=0):+.2f}; chroma gain "
          f"{mean(lambda r: r['c_solved'] - r['c_filled'], taken):+.2f} (oracle {mean(lambda r: r['c_oracle'] - r['c_filled'], taken):+.2f}); alpha error "
          f"{mean(lambda r: r['alpha_error'], taken):.3f}; cases with samples changed far away {sum(r['far'] > 0 for r in taken)}")
    for mark in dict.fromkeys(r["mark"] for r in rows):
        own = [r for r in taken if r["mark"] == mark]
        print(f"{mark}: {len(own)} accepted, gain {mean(gain, own):+.1f}, to oracle {mean(lambda r: r['solved'] - r['oracle'], own):+.1f}, chroma "
              f"{mean(lambda r: r['c_solved'] - r['c_filled'], own):+.1f} (oracle {mean(lambda r: r['c_oracle'] - r['c_filled'], own):+.1f})")
    if args.dump:
        Path(args.dump).write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
