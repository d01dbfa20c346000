"""Measures the finding of captions on known truth: styles of cases.py over clean clips, x264 crf 20, `cleanplate plan`.

    cargo build --release -p cleanplate-cli
    python3 benches/captions/captions.py --out /tmp/captions > table.md
    python3 benches/captions/captions.py --clean              # clean clips: captions reported where there are none
    python3 benches/captions/captions.py --text-model det.onnx   # a text detector of one's own beside the built-in network

Recall: strokes (with outline and shadow; alpha > .1) that the masks cover. Precision: mask pixels within 2 px of anything laid over.
Processor time: user and system, of index, decoding, network and joining, in milliseconds a frame of the clip (every second one is
looked at). Onsets and offsets: first and last masked frame of every caption against the truth; late is what is not covered in time.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
import restored  # noqa: E402
from cases import MORE, STYLES, build, decode, encode, probe  # noqa: E402

# clip, first frame, frames
CLIPS = [("bmx_pan_480p", 0, 80), ("crystal_handheld_480p", 40, 130), ("cups_hands_720p", 60, 130), ("dashcam_trees_1080p", 0, 50),
         ("dim_room_reading_720p", 0, 130), ("motorway_static_1080p", 0, 130), ("portrait_woman_720p", 0, 130),
         ("tokyo_night_neon_720p15", 20, 130)]
WIDEST = 960


def planned(args, path):
    """Marks of the plan with their masks by frame: list of (span, [(frame, rect, coverage)])."""
    plan = path.with_suffix(".plan.json")
    # What is behind captions is not asked for: masks do not depend on it.
    command = [args.cleanplate, "plan", str(path), "--target", "captions", "--tiers", "fill", "-o", str(plan), "-y", "--log-level", "debug"]
    if args.text_model:
        command += ["--text-model", args.text_model]
    plan.unlink(missing_ok=True)
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 10):
        raise SystemExit(done.stderr)
    path.with_suffix(".log").write_text(done.stderr)
    if not plan.exists():
        return []
    found = []
    for mark in json.loads(plan.read_text())["marks"]:
        keys = []
        for frame, name in mark["keys"]:
            r = name["rect"]
            picture = cv2.imread(str(plan.with_suffix(".blobs") / (name["blob"] + ".png")), 0)
            keys.append((frame, r, picture))
        found.append((mark["span"], keys))
    return found


def used():
    """Seconds of processor time of the programs that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def masks(found, count, w, h):
    out = np.zeros((count, h, w), bool)
    for span, keys in found:
        for n, (frame, r, picture) in enumerate(keys):
            end = keys[n + 1][0] if n + 1 < len(keys) else span["end"]
            if r["w"] and r["h"]:
                out[max(frame, span["start"]):end, r["y"]:r["y"] + r["h"], r["x"]:r["x"] + r["w"]] |= picture > 0
    return out


def judge(pred, truth, spans):
    tp = n = pr = m = false = 0
    kernel = np.ones((5, 5), np.uint8)
    near, covered = {}, []
    for t, known in enumerate(truth):
        p = pred[t]
        covered.append(False)
        if known is None:
            false += int(p.any())
            m += int(p.sum())
            continue
        s = known["strokes"]
        key = id(known["all"])
        if known["shown"]:
            hit = int((s & p).sum())
            tp += hit
            n += int(s.sum())
            covered[t] = hit > 0.5 * s.sum()
        else:
            covered[t] = p.any()
        wide = near.setdefault(hash(known["all"].tobytes()), cv2.dilate(known["all"].astype(np.uint8), kernel) > 0)
        pr += int((p & wide).sum())
        m += int(p.sum())
    exact = late = ends = 0
    for a, b in spans:
        on = [t for t in range(a, b) if covered[t]]
        if not on:
            late += 2
            ends += 2
            continue
        first, last = on[0], on[-1]
        early = a > 0 and truth[a - 1] is None and pred[a - 1].any()
        after = b < len(truth) and truth[b] is None and pred[b].any()
        exact += int(first == a and not early) + int(last == b - 1 and not after)
        late += int(first > a + 1) + int(last < b - 2)
        ends += 2
    return dict(recall=tp / max(1, n), precision=pr / max(1, m), exact=exact, ends=ends, late=late, false=false)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--clips", default=os.environ.get("CLEANPLATE_TESTDATA", "../shared/testdata") + "/clips")
    p.add_argument("--out", default="/tmp/captions")
    p.add_argument("--cleanplate", default="target/release/cleanplate")
    p.add_argument("--crf", type=int, default=20)
    p.add_argument("--only", default="", help="parts of clip or style names, comma-separated")
    p.add_argument("--text-model", help="a DBNet-type text detector that looks instead of the built-in network")
    p.add_argument("--clean", action="store_true")
    p.add_argument("--restore", action="store_true", help="whole jobs instead: what the strokes are replaced by")
    p.add_argument("--restart", action="store_true", help="with --restore: do not go on with finished segments of an earlier run")
    p.add_argument("--pictures", default="", help="with --restore: a folder for clean, captioned and restored parts of frames")
    args = p.parse_args()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    only = [o for o in args.only.split(",") if o]
    if args.clean:
        print("| clip | captions reported |\n|---|---|")
        for path in sorted(Path(args.clips).iterdir()):
            link = out / path.name
            if path.suffix in (".mp4", ".mkv", ".webm") and (not only or any(o in path.name for o in only)):
                if not link.exists():
                    link.symlink_to(path.resolve())
                found = planned(args, link)
                print(f"| {path.stem} | {len(found)}: {[(s['start'], s['end']) for s, _ in found]} |", flush=True)
        return
    if args.restore:
        print(restored.HEAD)
    else:
        print("| clip | style | recall | precision | ends exact | late by > 1 | frames masked without a caption | marks | CPU ms a frame |")
        print("|---|---|---|---|---|---|---|---|---|")
    rows = []
    for name, start, count in CLIPS:
        path = next(Path(args.clips).glob(name + ".*"))
        styles = [s for s in STYLES if not only or any(o in s for o in only) or any(o in name for o in only)]
        if only and any(o in STYLES + MORE for o in only):
            styles = [s for s in STYLES + MORE if s in only]
        if only and any(any(o in c[0] for c in CLIPS) for o in only) and not any(o in name for o in only):
            continue
        if not styles:
            continue
        w, h = probe(path)
        if w > WIDEST:
            w, h = WIDEST, int(h * WIDEST / w)
        w, h = w // 2 * 2, h // 2 * 2
        clean = decode(path, w, h, start, count)
        for style in styles:
            video = out / f"{name}-{style}.mp4"
            marked, truth, spans = build(clean, w, h, style)
            # Always anew: what an earlier run has left may be of other fonts.
            encode(marked, video, args.crf)
            if args.restore:
                print(restored.row(args, name, style, video, clean, marked, truth, w, h), flush=True)
                continue
            before = used()
            found = planned(args, video)
            spent = 1e3 * (used() - before) / len(clean)
            r = judge(masks(found, len(clean), w, h), truth, spans)
            rows.append((style, r))
            print(f"| {name} | {style} | {r['recall']:.3f} | {r['precision']:.3f} | {r['exact']}/{r['ends']} | {r['late']} | {r['false']} | {len(found)} of {len(spans)} | {spent:.0f} |", flush=True)
    for style in STYLES + MORE + ["all"]:
        own = [r for s, r in rows if style in (s, "all")]
        if own:
            mean = lambda k: np.mean([r[k] for r in own])
            total = lambda k: sum(r[k] for r in own)
            print(f"| **{style}** | {len(own)} clips | {mean('recall'):.3f} (worst {min(r['recall'] for r in own):.3f}) | {mean('precision'):.3f} (worst {min(r['precision'] for r in own):.3f}) | {total('exact')}/{total('ends')} | {total('late')} | {total('false')} | | |")


if __name__ == "__main__":
    main()
