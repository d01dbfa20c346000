"""Measures which repeated frames are found, and what is merged that differs: clips of known repeats after x264, `cleanplate upscale
--dry-run`.

    cargo build --release -p cleanplate-cli
    python3 benches/repeats/repeats.py --out /tmp/repeats > table.md

Found: of the frames that repeat an earlier one of their segment, those that the plan names. False: frames that the plan gives to one that
shows something else. Coded alike: frames given to such a one whose difference the encoder has dropped: after it they differ by less than
.1 codes on average and by less than 3 in every block of 8 x 8. Neighbours of the source that differ by no sample count as one.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from planar import write  # noqa: E402

WIDEST = 640
CLIPS = ["crystal_handheld_480p.mp4", "portrait_woman_720p.mp4", "cups_hands_720p.mp4", "flower_macro_540p.mp4",
         "highway_dash_540p.mp4", "lime_glass_4k12.mp4", "motorway_static_1080p.mkv"]


def decode(path, count, start=0):
    """Luma and chroma of frames, 4:2:0, at most WIDEST columns; and their size."""
    cap = cv2.VideoCapture(str(path))
    w, h = int(cap.get(cv2.CAP_PROP_FRAME_WIDTH)), int(cap.get(cv2.CAP_PROP_FRAME_HEIGHT))
    if w > WIDEST:
        w, h = WIDEST, h * WIDEST // w
    w, h = w // 4 * 4, h // 4 * 4
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", str(path), "-vf", f"select=gte(n\\,{start}),scale={w}:{h}:flags=area", "-vsync", "0",
                          "-frames:v", str(count), "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"], capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, w * h * 3 // 2), w, h


def luma(frames, w, h):
    return frames[:, : w * h].reshape(-1, h, w)


def repeated(frames, counts):
    """Frames shown as often as `counts` says in turn, and which picture each is."""
    times = np.resize(counts, len(frames))
    return np.repeat(frames, times, 0), np.repeat(np.arange(len(frames)), times)


def still(frames, count):
    return np.repeat(frames[:1], count, 0).copy()


def cases(args):
    """Name, frames, size, and which picture every frame shows."""
    draw = np.random.default_rng(7)
    for name in CLIPS:
        frames, w, h = decode(Path(args.clips) / name, 24)
        for what, counts in (("telecined", [2, 3]), ("on twos", [2])):
            shown, kinds = repeated(frames, counts)
            yield what, name, shown, w, h, kinds
    frames, w, h = decode(Path(args.clips) / "crystal_handheld_480p.mp4", 1)
    grainy = still(frames, 40)
    y = luma(grainy, w, h)
    y[:] = np.clip(y + draw.normal(0, 4, y.shape), 0, 255)
    yield "grain", "still", grainy, w, h, np.arange(40)
    for size, contrast in ((6, 60), (12, 25)):
        moving = still(frames, 40)
        for t in range(40):
            luma(moving, w, h)[t, 200:200 + size, 100 + 4 * t:100 + 4 * t + size] = np.clip(
                luma(frames, w, h)[0, 200:200 + size, 100 + 4 * t:100 + 4 * t + size].astype(int) + contrast, 0, 255)
        yield "tiny motion", f"{size} px, {contrast} codes", moving, w, h, np.arange(40)
    big, bw, bh = decode(Path(args.clips) / "bmx_pan_480p.mkv", 1)
    plane = luma(big, bw, bh)[0].astype(np.float32)
    pan = still(big, 40)
    for t in range(40):
        luma(pan, bw, bh)[t] = np.clip(cv2.warpAffine(plane, np.float32([[1, 0, -0.5 * t], [0, 1, 0]]), (bw, bh), borderMode=cv2.BORDER_REFLECT,
                                                      flags=cv2.INTER_CUBIC) + 0.5, 0, 255)
    yield "half-pixel pan", "bmx", pan, bw, bh, np.arange(40)
    for rate in (1.0, 0.5):
        fade = still(frames, 60)
        for t in range(60):
            luma(fade, w, h)[t] = np.clip(luma(frames, w, h)[0] * (1 - rate * t / 120) + 0.5, 0, 255)
        # Steps that change nothing are repeats.
        kinds = np.concatenate([[0], np.cumsum((np.abs(np.diff(luma(fade, w, h).astype(int), axis=0)).mean((1, 2)) > 0))])
        yield "slow fade", f"{rate} codes a frame", fade, w, h, kinds
    mouth = still(frames, 40)
    for t in range(40):
        luma(mouth, w, h)[t, 220:230, 300:324] = np.clip(luma(frames, w, h)[0, 220:230, 300:324].astype(int) - 14 * (t % 3), 0, 255)
    yield "mouth", "24x10, 14 codes", mouth, w, h, np.arange(40) % 3
    # A window with a pointer that moves now and then, and letters that are typed.
    window, sw, sh = decode(Path(args.clips) / "ui_screencast_1212x822p60.mp4", 1)
    screen, kinds, kind, at, typed = still(window, 200), np.zeros(200, int), 0, [200, 100], 0
    for t in range(200):
        if t % 23 in (9, 10, 11):
            at, kind = [at[0] + 3, at[1] + 1], kind + 1
        if t % 31 == 20:
            typed, kind = typed + 1, kind + 1
        y = luma(screen, sw, sh)[t]
        for k in range(typed):
            y[300:308, 120 + 7 * k:120 + 7 * k + 1 + k % 5] = 200
        for row in range(11):
            y[at[1] + row, at[0]:at[0] + 1 + row * 2 // 3] = 235 if row < 10 else 16
        kinds[t] = kind
    yield "screen cast", "pointer and letters", screen, sw, sh, kinds


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--clips", default=os.environ.get("CLEANPLATE_TESTDATA", "../shared/testdata") + "/clips")
    p.add_argument("--out", default="/tmp/repeats")
    p.add_argument("--cleanplate", default="target/release/cleanplate")
    p.add_argument("--only", default="")
    args = p.parse_args()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    print("| case | clip | crf | found | false | coded alike |\n|---|---|---|---|---|---|")
    sums = {}
    for what, name, frames, w, h, kinds in cases(args):
        if args.only and args.only not in what:
            continue
        for crf in (18, 23, 28):
            video, plan = out / "case.mp4", out / "plan.json"
            write(frames, w, h, crf, video)
            subprocess.run([args.cleanplate, "upscale", str(video), "-o", str(out / "none.mp4"), "--dry-run", "--plan-out", str(plan), "-y"],
                           capture_output=True, check=True)
            made = json.loads(plan.read_text())
            named = dict(map(tuple, made["upscale"]["firsts"]))
            coded = luma(decode(video, len(frames))[0], w, h).astype(np.float32)
            true = found = false = alike = 0
            for segment in made["segments"]:
                seen = set()
                for idx in range(segment["start"], segment["end"]):
                    true += kinds[idx] in seen
                    seen.add(kinds[idx])
                    if idx in named:
                        found += kinds[named[idx]] == kinds[idx]
                        if kinds[named[idx]] != kinds[idx]:
                            off = np.abs(coded[idx] - coded[named[idx]])
                            blocks = off[: h // 8 * 8, : w // 8 * 8].reshape(h // 8, 8, w // 8, 8).mean((1, 3))
                            is_alike = off.mean() < 0.1 and blocks.max() < 3
                            alike += is_alike
                            false += not is_alike
            print(f"| {what} | {name} | {crf} | {found} of {true} | {false} | {alike} |", flush=True)
            total = sums.setdefault((what, crf), [0, 0, 0, 0])
            for n, v in enumerate((found, true, false, alike)):
                total[n] += v
    for (what, crf), (found, true, false, alike) in sums.items():
        share = f"{100 * found / true:.1f} %" if true else ""
        print(f"| **{what}** | all | {crf} | {found} of {true} {share} | {false} | {alike} |")


if __name__ == "__main__":
    main()
