#!/usr/bin/env python3
"""Cost of a whole job against a plain transcode with the same encoder settings, in turns.

    cargo build --release -p cleanplate-cli
    python3 benches/speed/speed.py target/release/cleanplate CLIP.mp4 [--pairs 3] [--region X,Y,W,H]
    python3 benches/speed/speed.py target/release/cleanplate CLIP.mp4 --captions      # captions are drawn on 60 % of it first

CLIP: H.264, best a minute of 1080p. Each pair runs `ffmpeg -c:v libx264 -preset P -crf 20`, then `cleanplate remove` with
`--tiers fill` (or what `--tiers` says) and the same settings, once with `--verify packets` and once with the full verification. Printed: median and
range of the ratios of processor time (user + system) and wall time, and the peak resident memory of both. Bars: packets
<= 1.10, full <= 1.30 (veryfast) and 1.20 (medium); memory <= 1.25x of ffmpeg's + 150 MiB. With `--captions`: `cleanplate captions` with all
of its defaults, full verification; bar 3.0 at 1080p and medium.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def cost(command):
    """Processor seconds, wall seconds and peak MiB of a command."""
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime, time.monotonic() - begun, used.ru_maxrss / 1024


def captioned(clip, folder):
    """The clip with outlined captions on 60 % of its frames, two seconds each."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "captions"))
    import cv2
    from cases import TEXTS, caption, probe

    w, h = probe(clip)
    count = int(cv2.VideoCapture(clip).get(cv2.CAP_PROP_FRAME_COUNT))
    inputs, graph, last = [], [], "0:v"
    for n, first in enumerate(range(10, count, 84)):
        picture = os.path.join(folder, f"{n}.png")
        rgba = caption("outline", n % len(TEXTS), w, h, 0)
        cv2.imwrite(picture, (255 * rgba[..., [2, 1, 0, 3]]).round().astype("uint8"))
        inputs += ["-i", picture]
        graph.append(f"[{last}][{n + 1}:v]overlay=enable='between(n,{first},{first + 49})'[v{n}]")
        last = f"v{n}"
    out = os.path.join(folder, "captioned.mp4")
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", clip, *inputs, "-filter_complex", ";".join(graph), "-map", f"[{last}]", "-c:v", "libx264",
                    "-preset", "medium", "-crf", "18", "-pix_fmt", "yuv420p", out], check=True)
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("clip")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--region", default="1650,40,200,80")
    parser.add_argument("--presets", default="veryfast,medium")
    parser.add_argument("--tiers", default="fill")
    parser.add_argument("--captions", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.mp4")
        clip = captioned(given.clip, folder) if given.captions else given.clip
        for preset in ["medium"] if given.captions else given.presets.split(","):
            plain = ["ffmpeg", "-v", "error", "-y", "-i", clip, "-c:v", "libx264", "-preset", preset, "-crf", "20"]
            plain += ["-c:a", "copy", out]
            ours = [given.program, "remove", clip, "-o", out, "-y", "--region", given.region, "--tiers", given.tiers]
            if given.captions:
                ours = [given.program, "captions", clip, "-o", out, "-y"]
            ours += ["--preset", preset, "--crf", "20", "--progress", "none", "--verify"]
            ratios = {"full": []} if given.captions else {"packets": [], "full": []}
            for _ in range(given.pairs):
                floor = cost(plain)
                for verify, found in ratios.items():
                    mine = cost(ours + [verify])
                    found.append((mine[0] / floor[0], mine[1] / floor[1], mine[2], floor[2]))
            for verify, found in ratios.items():
                cpu, wall, ours_mib, floor_mib = zip(*found)
                print(
                    f"{preset:9} verify {verify:7} | CPU {statistics.median(cpu):.3f} ({min(cpu):.3f}-{max(cpu):.3f})"
                    f" | wall {statistics.median(wall):.3f} ({min(wall):.3f}-{max(wall):.3f})"
                    f" | {max(ours_mib):.0f} MiB, ffmpeg {max(floor_mib):.0f} MiB",
                    flush=True,
                )


if __name__ == "__main__":
    main()
