#!/usr/bin/env python3
"""What enlarging costs beside the network, what repeats save, and one pass against two: processor time of whole jobs.

    cargo build --release -p cleanplate-cli
    python3 benches/upscale/cost.py target/release/cleanplate [rest] [repeats] [passes] [memory]

rest: `--repeats off`, a network that repeats samples (nearest neighbour, 2x), x264 medium, `--verify packets`, against plain ffmpeg that
scales to the same size by the same filter with the same encoder; goal 1.15 x. A smoother filter (lanczos, told beside it) gives the encoder an
easier picture: what that saves is no cost of ours.
repeats: clips of 40 and 70 % repeated frames, `-n quality`, x264 veryfast, with and without `--repeats off`; goal: saved at least .9 of the
share of repeats of what the network takes.
passes: `remove -s 2` of a known mark at 1280x720 against `remove`, then `upscale`: processor time (goal .95 x) and PSNR of luma against the
clean clip at twice the size, both through x264 medium.
memory: 1080p to 4K, x264 veryfast, 2 threads, against ffmpeg's scaling; goal + 600 MiB.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np


# A process's peak counts what its parent held when it was started: a small one starts it.
STARTS = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
print(os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def cost(command):
    """Processor seconds and peak MiB of a command."""
    told = run([sys.executable, "-c", STARTS, *map(str, command)]).split()
    if int(told[0]) not in (0, 11):
        raise SystemExit(f"{' '.join(map(str, command))} ended with {told[0].decode()}")
    return float(told[1]), float(told[2]) / 1024


def ffmpeg(*more):
    return ["ffmpeg", "-v", "error", "-y", "-nostdin", *map(str, more)]


def run(command):
    return subprocess.run(command, capture_output=True, check=True).stdout


def nearest(path):
    """A network of one channel that repeats every sample."""
    from onnx import TensorProto, helper, numpy_helper, save

    nodes = [helper.make_node("Conv", ["x", "w"], ["f"], kernel_shape=[1, 1]), helper.make_node("DepthToSpace", ["f"], ["y"], blocksize=2)]
    weights = numpy_helper.from_array(np.ones((4, 1, 1, 1), np.float32), "w")
    port = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1, name + "h", name + "w"])
    save(helper.make_model(helper.make_graph(nodes, "nearest", [port("x")], [port("y")], [weights]),
                           opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def rest(program, clips, folder):
    net, out = folder / "nearest.onnx", folder / "out.mp4"
    nearest(net)
    clip = clips / "cups_hands_720p.mp4"
    part, times = folder / "part.mp4", {}
    cost(ffmpeg("-i", clip, "-an", "-c", "copy", part))
    for _ in range(3):
        for filter in ("neighbor", "lanczos"):
            times.setdefault(filter, []).append(cost(ffmpeg("-i", part, "-vf", f"scale=2560:1440:flags={filter}", "-c:v", "libx264", "-preset", "medium",
                                                            "-crf", 20, out))[0])
        times.setdefault("ours", []).append(cost([program, "upscale", part, "-o", out, "-y", "-n", net, "--repeats", "off", "--preset", "medium", "--crf", 20,
                                                  "--verify", "packets"])[0])
    for filter in ("neighbor", "lanczos"):
        ratios = [ours / plain for ours, plain in zip(times["ours"], times[filter])]
        print(f"rest: {statistics.median(ratios):.3f} x plain scaling by {filter} ({min(ratios):.3f} to {max(ratios):.3f})", flush=True)


def repeats(program, clips, folder):
    out = folder / "out.mp4"
    for share in (0.4, 0.7):
        # Of every ten frames, the last of those that are new is shown again.
        kept = round(10 * (1 - share))
        clip, raw = folder / "repeated.mp4", folder / "raw.yuv"
        run(ffmpeg("-i", clips / "crystal_handheld_480p.mp4", "-frames:v", 4 * kept, "-vf", "scale=480:320:flags=area", "-an", "-f", "rawvideo", "-pix_fmt",
                   "yuv420p", raw))
        frames = np.fromfile(raw, np.uint8).reshape(-1, 480 * 320 * 3 // 2)
        frames[[kept * (n // 10) + min(n % 10, kept - 1) for n in range(40)]].tofile(raw)
        run(ffmpeg("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "480x320", "-r", 30, "-i", raw, "-c:v", "libx264", "-crf", 18, clip))
        job = [program, "upscale", clip, "-o", out, "-y", "-n", "quality", "--preset", "veryfast"]
        (with_them, _), (without, _) = cost(job), cost([*job, "--repeats", "off"])
        nearest(folder / "nearest.onnx")
        bare, _ = cost([program, "upscale", clip, "-o", out, "-y", "-n", folder / "nearest.onnx", "--preset", "veryfast", "--repeats", "off"])
        net = without - bare
        print(f"repeats {share:.0%}: {without:.1f} s without, {with_them:.1f} s with; saved {(without - with_them) / (share * net):.2f} of share x network "
              f"({net:.1f} s)", flush=True)


def luma(path, w, h, *filters):
    raw = run(ffmpeg("-i", path, "-frames:v", 40, *filters, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-vsync", "0", "-"))
    return np.frombuffer(raw, np.uint8).reshape(-1, w * h * 3 // 2)[:, : w * h]


def passes(program, clips, folder):
    """Truth: the 4K clip at 2560x1440; what is given: its half with a box in it."""
    source, small, box = clips / "lime_glass_4k12.mp4", folder / "small.mp4", "100,60,160,60"
    run(ffmpeg("-i", source, "-frames:v", 40, "-vf", "scale=1280:720:flags=area,drawbox=100:60:160:60:white:fill", "-an", "-c:v", "libx264", "-crf", 16, "-pix_fmt",
               "yuv420p", small))
    common = ["--preset", "medium", "--crf", 18]
    one, two, middle = folder / "one.mp4", folder / "two.mp4", folder / "middle.mp4"
    remove = [program, "remove", small, "-y", "--fill-region", box, *common]
    once, _ = cost([*remove, "-o", one, "-s", 2])
    first, _ = cost([*remove, "-o", middle])
    second, _ = cost([program, "upscale", middle, "-o", two, "-y", *common])
    truth = luma(source, 2560, 1440, "-vf", "scale=2560:1440:flags=area")
    off = []
    for path in (one, two):
        frames = luma(path, 2560, 1440)
        error = np.mean([((a.astype(np.float32) - b) ** 2).mean() for a, b in zip(frames, truth)])
        off.append(10 * np.log10(65025 / error))
    print(f"passes: {once:.1f} s in one, {first:.1f} + {second:.1f} s in two ({once / (first + second):.2f}); {off[0]:.2f} and {off[1]:.2f} dB", flush=True)


def memory(program, clips, folder):
    out, part = folder / "out.mp4", folder / "part.mkv"
    cost(ffmpeg("-i", clips / "dashcam_trees_1080p.mkv", "-frames:v", 16, "-c", "copy", part))
    settings = ["-preset", "veryfast", "-threads", 2]
    _, plain = cost(ffmpeg("-i", part, "-vf", "scale=3840:2160:flags=lanczos", "-c:v", "libx264", *settings, out))
    _, ours = cost([program, "upscale", part, "-o", out, "-y", "--preset", "veryfast", "--encoder-threads", 2])
    print(f"memory: {ours:.0f} MiB, plain scaling {plain:.0f}", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("program")
    p.add_argument("what", nargs="*", default=["rest", "repeats", "passes", "memory"])
    p.add_argument("--clips", default=os.environ.get("CLEANPLATE_TESTDATA", "../shared/testdata") + "/clips")
    args = p.parse_args()
    for name in args.what:
        with tempfile.TemporaryDirectory() as folder:
            {"rest": rest, "repeats": repeats, "passes": passes, "memory": memory}[name](args.program, Path(args.clips), Path(folder))


if __name__ == "__main__":
    main()
