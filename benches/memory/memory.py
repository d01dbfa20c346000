#!/usr/bin/env python3
"""Peak resident memory of a whole job, phase by phase: must not grow with the length of the video.

usage: memory.py CLEANPLATE CLIP [--preset ultrafast] [--seconds 60,600]

The clip (H.264, 24 s or so of 1080p) is repeated without coding it anew to each of the lengths. Printed per length: the
peak of the process as the kernel counts it, and the highest sample of each phase.
"""
import argparse
import json
import os
import subprocess
import tempfile
import threading
import time


def peaks(program, clip, preset, folder):
    out = os.path.join(folder, "out.mp4")
    job = subprocess.Popen([program, "remove", clip, "-o", out, "--overwrite", "--region", "85%,4%,12%,9%", "--preset", preset,
                            "--crf", "24", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    phase = ["start"]

    def listen():
        for line in job.stdout:
            phase[0] = json.loads(line).get("phase") or phase[0]

    threading.Thread(target=listen, daemon=True).start()
    found, peak = {}, 0
    while job.poll() is None:
        try:
            with open(f"/proc/{job.pid}/status") as file:
                status = dict(line.split(":", 1) for line in file)
            peak = max(peak, int(status["VmHWM"].split()[0]))
            found[phase[0]] = max(found.get(phase[0], 0), int(status["VmRSS"].split()[0]))
        except (KeyError, OSError):
            pass  # it has just ended
        time.sleep(0.05)
    if job.returncode:
        raise SystemExit(f"exit {job.returncode} on {clip}")
    return peak, found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("clip")
    parser.add_argument("--preset", default="ultrafast")
    parser.add_argument("--seconds", default="60,600")
    args = parser.parse_args()
    print("| seconds | peak, MB | phases, MB |\n|---|---|---|")
    first = None
    with tempfile.TemporaryDirectory() as folder:
        for seconds in map(int, args.seconds.split(",")):
            clip = os.path.join(folder, f"{seconds}.mp4")
            subprocess.run(["ffmpeg", "-v", "error", "-y", "-stream_loop", "-1", "-i", args.clip, "-c", "copy", "-t", str(seconds),
                            clip], check=True)
            peak, found = peaks(args.program, clip, args.preset, folder)
            first = first or peak
            phases = ", ".join(f"{name} {kb / 1e3:.0f}" for name, kb in found.items())
            print(f"| {seconds} | {peak / 1e3:.1f} ({100 * (peak / first - 1):+.1f} %) | {phases} |", flush=True)
            os.remove(clip)


if __name__ == "__main__":
    main()
