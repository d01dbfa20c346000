"""What stands in the place of captions, by whole jobs on known truth (cases.py); `captions.py --restore` calls it.

Inside the strokes and, where there is one, inside the plate beside them (2 px from any stroke), PSNR of luma: the captioned clip, Telea on
every frame (true mask, radius 4, in the plate too), the job, and the ceiling: the clean clip encoded alike, which no job can pass but by luck.
Flicker as benches/borrow has it: mean difference from the frame before, moved by the clean clip's own motion, inside all that was laid over;
beside it the same figure of the clean clip encoded alike. Flash: captioned frames on which the result still holds more than a tenth of the
caption's own slopes (amplitude > .10 and correlation > .20, restoration notes, section 9), against the clean clip encoded alike; and frames
that the job reports itself. CPU: user and system time of the job by that of plain ffmpeg with the same encoder.
"""

import json
import resource
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cases import encode  # noqa: E402
from flicker import flicker  # noqa: E402

AMPLITUDE, ALIKE = 0.10, 0.20
HEAD = ("| clip | style | captioned | Telea | job | gain | ceiling | plate: Telea | job | gain | ceiling | flicker (clean) | flash frames: truth | reported "
        "| unblended / borrowed / invented | changed without | CPU |\n" + "|---" * 17 + "|")


def luma_of(path, count, w, h, frames=None):
    """Luma of a video, or of RGB frames as an encoder would get them."""
    cmd = ["ffmpeg", "-v", "error"]
    cmd += ["-i", str(path)] if frames is None else ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{w}x{h}", "-i", "-"]
    cmd += ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-vsync", "0", "-"]
    raw = subprocess.run(cmd, input=None if frames is None else frames.tobytes(), capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, w * h * 3 // 2)[:count, : w * h].reshape(-1, h, w)


def cpu_of(cmd):
    """The finished command and the CPU seconds that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(cmd, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def telea(given, known, box):
    """A frame with everything that was laid over it filled, and 1 px around it."""
    out = given.copy()
    wide = cv2.dilate(known["all"].astype(np.uint8), np.ones((3, 3)))[box]
    out[box] = cv2.inpaint(np.ascontiguousarray(given[box]), wide, 4, cv2.INPAINT_TELEA)
    return out


def left(made, clean, marked, box, mask):
    """Amplitude of the caption's slopes in what is wrong with `made`, and their correlation."""
    sums = np.zeros(3)
    for axis in (0, 1):
        a = np.diff(made[box].astype(np.float32) - clean[box], axis=axis)
        b = np.diff(marked[box].astype(np.float32) - clean[box], axis=axis)
        m = mask[box][: a.shape[0], : a.shape[1]]
        sums += [(a * b)[m].sum(), (b * b)[m].sum(), (a * a)[m].sum()]
    return sums[0] / max(sums[1], 1), sums[0] / max(1, np.sqrt(sums[1] * sums[2]))


def row(args, name, style, video, clean, marked, truth, w, h):
    """A line of the table."""
    out, report = video.with_suffix(".out.mkv"), video.with_suffix(".report.json")
    job = [args.cleanplate, "captions", str(video), "-o", str(out), "-y", "-c:v", "ffv1", "--report", str(report), "--log-level", "debug"]
    if args.restart:
        subprocess.run(["rm", "-rf", str(video.with_suffix(".work"))])
    job += ["--work-dir", str(video.with_suffix(".work"))]
    done, seconds = cpu_of(job)
    video.with_suffix(".out.log").write_text(done.stderr)
    if done.returncode not in (0, 11):
        return f"| {name} | {style} | exit {done.returncode} |"
    _, plain = cpu_of(["ffmpeg", "-v", "error", "-y", "-i", str(video), "-c:v", "ffv1", "-level", "3", str(video.with_suffix(".plain.mkv"))])
    told = json.loads(report.read_text())
    n = len(clean)
    same = video.with_name(f"{name}-clean-{args.crf}.mp4")
    if not same.exists():
        encode(clean, same, args.crf)
    want, made, given, ceiling = luma_of(None, n, w, h, clean), luma_of(out, n, w, h), luma_of(video, n, w, h), luma_of(same, n, w, h)
    laid = luma_of(None, n, w, h, marked)
    sums, size, touched, flashes = np.zeros((2, 4)), np.zeros(2), 0, []
    everything = np.zeros((n, h, w), bool)
    for t, known in enumerate(truth):
        if known is None:
            touched += int((made[t] != given[t]).any())
            continue
        everything[t] = known["all"]
        y, x = np.where(known["all"])
        box = (slice(max(0, y.min() - 24), y.max() + 24), slice(max(0, x.min() - 24), x.max() + 24))
        filled = telea(given[t], known, box)
        strokes = cv2.dilate(known["strokes"].astype(np.uint8), np.ones((5, 5))) > 0
        areas = [known["strokes"], known["all"] & ~strokes if style == "plate" else np.zeros_like(strokes)]
        for k, m in enumerate(areas):
            for j, v in enumerate((given[t], filled, made[t], ceiling[t])):
                sums[k, j] += ((v[m].astype(np.float64) - want[t][m]) ** 2).sum()
            size[k] += int(m.sum())
        amplitude, alike = left(made[t], ceiling[t], laid[t], box, cv2.dilate(known["all"].astype(np.uint8), np.ones((5, 5))) > 0)
        amplitude *= known["gain"]
        if amplitude > AMPLITUDE and alike > ALIKE:
            flashes.append((t, round(float(amplitude), 2)))
    db = lambda k: 10 * np.log10(65025 / np.maximum(sums[k] / max(size[k], 1), 0.05))
    y, x = np.where(everything.any(0))
    area = (max(0, y.min() - 24), y.max() + 24, max(0, x.min() - 24), x.max() + 24)
    both = [flicker(v, want, everything, area)[0] for v in (made, ceiling)]
    o = told.get("origins", {})
    share = [o.get(k, 0) for k in ("unblended", "borrowed", "invented")]
    share = " / ".join(f"{100 * s / max(1, sum(share)):.0f}" for s in share)
    (g, a, j, c), p = db(0), db(1)
    plate = f"{p[1]:.2f} | {p[2]:.2f} | {p[2] - p[1]:+.2f} | {p[3]:.2f}" if size[1] else " | | | "
    bar = " !" if both[0] > 1.1 * both[1] + 0.3 else ""
    reported = len(told.get("flashes", []))
    if args.pictures:
        pictures(Path(args.pictures), f"{name}-{style}", (want, given, made, ceiling), truth, w, h)
    return (f"| {name} | {style} | {g:.2f} | {a:.2f} | {j:.2f} | **{j - a:+.2f}** | {c:.2f} | {plate} | {both[0]:.2f} ({both[1]:.2f}){bar} "
            f"| {len(flashes)} {flashes[:3] if flashes else ''} | {reported} | {share} | {touched} | {seconds / max(plain, .01):.1f} |")


def pictures(folder, name, frames, truth, w, h):
    """Clean, captioned and restored at 1:1 and four times, from the middle of the first and of the second caption."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = [t for t, known in enumerate(truth) if known is not None]
    for t in {shown[len(shown) // 6], shown[len(shown) // 2], shown[0]}:
        y, x = np.where(truth[t]["all"])
        y0, y1, x0, x1 = max(0, y.min() - 12), y.max() + 12, max(0, x.min() - 12), x.max() + 12
        rows = [v[t][y0:y1, x0:x1] for v in frames[:3]]
        cv2.imwrite(str(folder / f"{name}-{t}.png"), np.concatenate(rows))
        part = [cv2.resize(r[:, : (x1 - x0) // 3], None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST) for r in rows]
        cv2.imwrite(str(folder / f"{name}-{t}-x4.png"), np.concatenate(part))
