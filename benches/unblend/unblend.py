"""Measures un-blending as users get it: whole jobs of `cleanplate remove` on marks of known matte (cases.py).

    cargo build --release -p cleanplate-cli
    python3 benches/unblend/unblend.py > table.md            # all clips at crf 20 and 28; about 40 minutes on two cores
    python3 benches/unblend/unblend.py --subset              # four clips at crf 20
    python3 benches/unblend/unblend.py --solve-only          # mattes alone, without rendering: two minutes

Only the box of each mark, 3 samples generous, is given (`--region`), and the output is FFV1, so that what is compared is what
goes into the encoder. Beside it, on the same decoded frames:
harmonic  Laplace's equation inside the true mark, per frame and plane: the baseline
fill      the same job with `--tiers fill`
oracle    the true matte inverted, mixed with the harmonic fill where 1/keep lifts the codec's noise (Wiener, sigma 2)
PSNR of luma inside the mark (alpha > .02) and of chroma (both planes together) over all frames. "Far": samples of luma or
chroma farther than 4 from the true mark that the job changed on any frame. A mark counts as accepted where its matte is used on
at least half of the frames; "demoted" is the share on which the check of the encoded frames left it out. With --solve-only the solved matte takes the place
of the true one in the oracle's formula.
--pictures writes clean | marked | harmonic | job | oracle of the middle frame at 1:1 and 3x.
"""

import argparse
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spl

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import cases
from planar import read

cv2.setNumThreads(1)
BOX = 3
SIGMA = 2.0
HARD = ("white20", "white50", "white70", "grey50")
SUBSET = ("bmx_pan", "dim_room", "motorway", "portrait")


def psnr(error, mask):
    return float(10 * np.log10(65025 / max(np.mean([(e.astype(np.float32)[:, mask] ** 2).mean() for e in error]), 1e-3)))


def crop(frames, rect):
    x, y, w, h = rect
    return [p[:, y >> s:(y + h) >> s, x >> s:(x + w) >> s] for p, s in zip(frames, (0, 1, 1))]


def read_planes(path, w, h):
    v, out = np.fromfile(path, np.float32), []
    for n in (w * h, w * h // 4, w * h // 4):
        shape = (h, w) if n == w * h else (h // 2, w // 2)
        out.append((v[:n].reshape(shape), v[n:2 * n].reshape(shape)))
        v = v[2 * n:]
    return out


def solved_planes(path, rect):
    """Keep, add and noise of a matte file in `rect`; no mark where the file has none."""
    raw = Path(path).read_bytes()
    size, = struct.unpack_from("<I", raw, 8)
    own = json.loads(raw[12:12 + size])["rect"]
    values, out = np.frombuffer(raw, "<f4", offset=12 + size), []
    for s in (0, 1, 1):
        x0, y0 = own["x"] >> s, own["y"] >> s
        w, h = -(-(own["x"] + own["w"]) >> s) - x0, -(-(own["y"] + own["h"]) >> s) - y0
        x, y, cw, ch = (v >> s for v in rect)
        pair = []
        for k, rest in enumerate((1.0, 0.0, 0.0)):
            whole = np.full((ch, cw), rest, np.float32)
            plane = values[k * w * h:(k + 1) * w * h].reshape(h, w)
            top, left, bottom, right = max(y, y0), max(x, x0), min(y + ch, y0 + h), min(x + cw, x0 + w)
            whole[top - y:bottom - y, left - x:right - x] = plane[top - y0:bottom - y0, left - x0:right - x0]
            pair.append(whole)
        out.append(tuple(pair))
        values = values[3 * w * h:]
    return out


def harmonic(frames, mask):
    """Laplace's equation in `mask` from the samples around it."""
    mask = mask.copy()
    mask[[0, -1]] = mask[:, [0, -1]] = False
    out, (h, w) = frames.astype(np.float32), mask.shape
    if not mask.any():
        return out
    d = lambda n: sp.diags([-np.ones(n - 1), np.ones(n - 1)], [0, 1], shape=(n - 1, n))
    gx, gy = sp.kron(sp.eye(h), d(w)), sp.kron(d(h), sp.eye(w))
    laplace = (gx.T @ gx + gy.T @ gy).tocsr()
    inside, outside = np.where(mask.ravel())[0], np.where(~mask.ravel())[0]
    flat = out.reshape(len(out), -1)
    known = laplace[inside][:, outside] @ flat[:, outside].T
    flat[:, inside] = spl.splu(laplace[inside][:, inside].tocsc()).solve(-known).T
    return out


def inverted(frames, keep, add, noise, prior):
    """A matte inverted and mixed with `prior` by a local Wiener filter; `noise`: standard deviation of what is inverted."""
    mask = keep < 0.98
    blur = lambda q: cv2.GaussianBlur(q.astype(np.float32), (0, 0), 2)
    s = np.where(mask, np.maximum(keep, 0.05), 1)
    weight = np.maximum(blur(mask), 1e-3)
    noise = blur(noise ** 2 * mask) / weight
    out = np.clip((frames - add) / np.maximum(keep, 0.05), 0, 255).astype(np.float32)
    for t, frame in enumerate(out):
        off = frame - prior[t]
        energy = blur(off * off * mask) / weight
        told = np.clip((energy - noise) / np.maximum(energy, 1e-3), 0, 1) * np.clip((s - 0.1) / 0.1, 0, 1)
        out[t] = np.where(mask, prior[t] + told * off, frames[t])
    return out


def colour(yuv):
    y, u, v = (p.astype(np.float32) for p in yuv)
    up = lambda p: cv2.resize(p, (y.shape[1], y.shape[0]), interpolation=cv2.INTER_LINEAR) - 128
    y, u, v = (y - 16) * 255 / 219, up(u), up(v)
    return np.clip(np.stack([y + 2.017 * u, y - 0.392 * u - 0.813 * v, y + 1.596 * v], -1) + 0.5, 0, 255).astype(np.uint8)


def pictures(folder, name, sources):
    row = [colour([p[p.shape[0] // 2] for p in s]) for s in sources]
    cv2.imwrite(str(folder / f"{name}.png"), np.concatenate(row, 1))
    big = [cv2.resize(r, None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST) for r in row]
    cv2.imwrite(str(folder / f"{name}_3x.png"), np.concatenate(big, 0))


def job(args, marked, boxes, out, *more):
    """Runs a job over all boxes and returns what it said."""
    regions = [a for box in boxes for a in ("--region", ",".join(map(str, box)))]
    command = [args.cleanplate, "remove", marked, "-o", out, "-y", "--no-resume", "--codec", "ffv1", "--progress", "none", *regions, *more]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode not in (0, 11):
        raise SystemExit(done.stderr)
    return done.stderr


def left_out(said):
    """Mark -> frames on which its matte was not used because it showed there."""
    frames = {}
    for mark, start, end in re.findall(r"mark (\d+) shows in encoded frames (\d+)\.\.(\d+): its matte is not used", said):
        frames.setdefault(int(mark), set()).update(range(int(start), int(end)))
    return frames


def clip(args, source, crf):
    """A row for every mark of a clip."""
    folder = Path(args.cases) / str(crf) / source.stem
    info = json.loads((folder / "info.json").read_text()) if (folder / "info.json").exists() else cases.build(source, folder, crf)
    w, h = info["width"], info["height"]
    truths = [read_planes(folder / f"{m['name']}.planes", *m["rect"][2:]) for m in info["marks"]]
    boxes = []
    for mark, truth in zip(info["marks"], truths):
        ys, xs = np.where(truth[0][0] < 0.98)
        boxes.append([mark["rect"][0] + xs.min() - BOX, mark["rect"][1] + ys.min() - BOX, np.ptp(xs) + 1 + 2 * BOX, np.ptp(ys) + 1 + 2 * BOX])
    clean = cases.views(np.fromfile(folder / "clean.yuv", np.uint8).reshape(-1, w * h * 3 // 2), w, h)
    marked = cases.views(read(folder / "marked.mkv", w, h), w, h)
    rows = []
    with tempfile.TemporaryDirectory() as tmp:
        plan = f"{tmp}/p.json"
        if args.solve_only:
            job(args, folder / "marked.mkv", boxes, f"{tmp}/o.mkv", "--dry-run", "--plan-out", plan)
            demoted, result, filled = {}, None, None
        else:
            said = job(args, folder / "marked.mkv", boxes, f"{tmp}/o.mkv", "--plan-out", plan)
            demoted = left_out(said)
            result = cases.views(read(f"{tmp}/o.mkv", w, h), w, h)
            job(args, folder / "marked.mkv", boxes, f"{tmp}/f.mkv", "--tiers", "fill", "--verify", "packets")
            filled = cases.views(read(f"{tmp}/f.mkv", w, h), w, h)
        entries = json.loads(Path(plan).read_text())["marks"]
        for mark, truth, entry in zip(info["marks"], truths, entries):
            rect, m, mc = mark["rect"], truth[0][0] < 0.98, truth[1][0] < 0.98
            was, is_ = crop(clean, rect), crop(marked, rect)
            base = [harmonic(p, q) for p, q in zip(is_, (m, mc, mc))]
            best = [inverted(p, *t, SIGMA / np.maximum(t[0], 0.05), b) for p, t, b in zip(is_, truth, base)]
            found = solved_planes(f"{tmp}/p.blobs/{entry['matte']['blob']}.matte", rect) if entry.get("matte") else None
            if args.solve_only:
                took = [inverted(p, *t, harmonic(p, t[0] < 1)) for p, t in zip(is_, found)] if found else base
                plain = base
            else:
                took, plain = crop(result, rect), crop(filled, rect)
            luma = lambda x: psnr([x[0] - was[0].astype(np.float32)], m)
            chroma = lambda x: psnr([x[n] - was[n].astype(np.float32) for n in (1, 2)], mc)
            away = cv2.distanceTransform((~m).astype(np.uint8), cv2.DIST_L2, 5)
            if args.solve_only:
                changed = found[0][0] < 1 if found else np.zeros_like(m)
                far = int((changed & (away > 4)).sum())
            else:
                near_c = away.reshape(away.shape[0] // 2, 2, away.shape[1] // 2, 2).min((1, 3))
                far = sum(int(((took[n] != is_[n]).any(0) & (d > 4)).sum()) for n, d in ((0, away), (1, near_c), (2, near_c)))
            est = 1 - found[0][0] if found else np.zeros(m.shape)
            rows.append(dict(clip=source.stem, crf=crf, mark=mark["name"], accepted=found is not None, demoted=len(demoted.get(entry["id"], ())) / len(is_[0]),
                             harmonic=luma(base), filled=luma(plain), job=luma(took), oracle=luma(best), marked=luma(is_),
                             c_harmonic=chroma(base), c_filled=chroma(plain), c_job=chroma(took), c_oracle=chroma(best), far=far,
                             alpha=float(np.abs(est - 1 + truth[0][0])[m].mean()), bias=float((est - 1 + truth[0][0])[m].mean()),
                             missed=float((m & (truth[0][0] < 0.95) & (est < 0.02)).sum() / m.sum()), why=entry["reason"]))
            if args.pictures:
                out = Path(args.pictures)
                out.mkdir(parents=True, exist_ok=True)
                pictures(out, f"{crf}_{source.stem[:8]}_{mark['name']}", (was, is_, base, took, best))
    return rows


def line(r):
    state = "refused" if not r["accepted"] else "accepted" if not r["demoted"] else f"demoted {100 * r['demoted']:.0f} %"
    return (f"| {r['crf']} | {r['clip'].split('_')[0]} | {r['mark']} | {state} | {r['harmonic']:.1f} | {r['filled']:.1f} | {r['job']:.1f} | "
            f"{r['oracle']:.1f} | {r['job'] - r['harmonic']:+.1f} | {r['job'] - r['filled']:+.1f} | {r['c_harmonic']:.1f} | {r['c_job']:.1f} | "
            f"{r['c_oracle']:.1f} | {r['far']} | {r['alpha']:.3f} {r['bias']:+.3f} | {r['missed']:.2f} | {r['why'].split('; ')[-1]} |")


def summary(rows, name):
    taken = [r for r in rows if r["accepted"] and r["demoted"] < 0.5]
    if not taken:
        return f"| {name} | 0 of {len(rows)} |" + " |" * 14
    mean = lambda f: np.mean([f(r) for r in taken])
    gain = [r["job"] - r["harmonic"] for r in taken]
    return (f"| {name} | {len(taken)} of {len(rows)} | {mean(lambda r: r['harmonic']):.1f} | {mean(lambda r: r['filled']):.1f} | "
            f"{mean(lambda r: r['job']):.1f} | {mean(lambda r: r['oracle']):.1f} | {np.mean(gain):+.1f} | {np.median(gain):+.1f} | {min(gain):+.1f} | "
            f"{sum(g < -0.5 for g in gain)} | {mean(lambda r: r['job'] - r['filled']):+.1f} | {min(r['job'] - r['filled'] for r in taken):+.1f} | "
            f"{mean(lambda r: r['c_job'] - r['c_harmonic']):+.1f} ({mean(lambda r: r['c_oracle'] - r['c_harmonic']):+.1f}) | {mean(lambda r: r['alpha']):.3f} | "
            f"{sum(r['far'] > 0 for r in taken)} | {sum(r['demoted'] >= 0.5 for r in rows)} + {sum(0 < r['demoted'] < 0.5 for r in rows)} |")


def tables(rows):
    print("\n| set | accepted | harmonic | fill | job | oracle | gain over harmonic | median | worst | below -0.5 | gain over fill | worst | "
          "chroma over harmonic (oracle) | opacity error | far | demoted + in part |")
    print("|" + "---|" * 16)
    for crf in sorted({r["crf"] for r in rows}):
        for kind, names in (("moving", cases.MOVING), ("still or slow", cases.STILL)):
            own = [r for r in rows if r["crf"] == crf and r["clip"].startswith(names)]
            if not own:
                continue
            print(summary(own, f"**crf {crf}, {kind}, {len({r['clip'] for r in own})} clips**"))
            print(summary([r for r in own if r["mark"] in HARD], f"{kind}, hard, one colour"))
            for mark in cases.MARKS:
                print(summary([r for r in own if r["mark"] == mark], f"{kind}, {mark}"))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--cleanplate", default="target/release/cleanplate")
    p.add_argument("--testdata", default=os.environ.get("CLEANPLATE_TESTDATA", "../shared/testdata"))
    p.add_argument("--cases", default="/tmp/unblendcases", help="where cases lie; they are built once")
    p.add_argument("--crf", default="20,28")
    p.add_argument("--clips", default="", help="beginnings of clip names, comma-separated")
    p.add_argument("--subset", action="store_true")
    p.add_argument("--solve-only", action="store_true")
    p.add_argument("--jobs", type=int, default=2, help="clips side by side")
    p.add_argument("--pictures", help="a folder for pictures")
    p.add_argument("--dump", help="write every case as JSON")
    args = p.parse_args()
    chosen = tuple(args.clips.split(",")) if args.clips else SUBSET if args.subset else cases.MOVING + cases.STILL
    crfs = [20] if args.subset else list(map(int, args.crf.split(",")))
    sources = [s for folder in ("clips", "marked") for s in sorted(Path(args.testdata, folder).iterdir()) if s.name.startswith(chosen)]
    print("| crf | clip | mark | | harmonic | fill | job | oracle | over harmonic | over fill | chroma: harmonic | job | oracle | far | opacity: error, bias | "
          "missed | why |")
    print("|" + "---|" * 17)
    rows = []
    with ThreadPoolExecutor(args.jobs) as pool:
        for own in pool.map(lambda job: clip(args, *job), [(s, crf) for crf in crfs for s in sources]):
            rows += own
            print("\n".join(map(line, own)), flush=True)
    tables(rows)
    if args.dump:
        Path(args.dump).write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
