#!/usr/bin/env python3
"""Cost of a whole job against a plain transcode with the same encoder settings, in turns.

    cargo build --release -p cleanplate-cli
    python3 benches/speed/speed.py target/release/cleanplate CLIP.mp4 [--pairs 3] [--region X,Y,W,H]

CLIP: H.264, best a minute of 1080p. Each pair runs `ffmpeg -c:v libx264 -preset P -crf 20`, then `cleanplate remove` with
`--tiers fill` (or what `--tiers` says) and the same settings, once with `--verify packets` and once with the full verification. Printed: median and
range of the ratios of processor time (user + system) and wall time, and the peak resident memory of both. Bars: packets
<= 1.10, full <= 1.30 (veryfast) and 1.20 (medium); memory <= 1.25x of ffmpeg's + 150 MiB.
"""
import argparse
import os
import statistics
import subprocess
import tempfile
import time


def cost(command):
    """Processor seconds, wall seconds and peak MiB of a command."""
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime, time.monotonic() - begun, used.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("clip")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--region", default="1650,40,200,80")
    parser.add_argument("--presets", default="veryfast,medium")
    parser.add_argument("--tiers", default="fill")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.mp4")
        for preset in given.presets.split(","):
            plain = ["ffmpeg", "-v", "error", "-y", "-i", given.clip, "-c:v", "libx264", "-preset", preset, "-crf", "20"]
            plain += ["-c:a", "copy", out]
            ours = [given.program, "remove", given.clip, "-o", out, "-y", "--region", given.region, "--tiers", given.tiers]
            ours += ["--preset", preset, "--crf", "20", "--progress", "none", "--verify"]
            ratios = {"packets": [], "full": []}
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
