"""Clips as planar 8-bit 4:2:0 frames, for the case builders of the benchmarks."""

import json
import subprocess
import tempfile

import numpy as np


def probe(path):
    out = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v:0", "-count_packets", "-show_entries",
         "stream=width,height,nb_read_packets", "-of", "json", path], capture_output=True, text=True, check=True)
    s = json.loads(out.stdout)["streams"][0]
    return s["width"], s["height"], int(s["nb_read_packets"])


def write(frames, width, height, crf, path):
    """Writes the frames as H.264 (x264 medium) at `crf`."""
    size = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}"]
    subprocess.run(["ffmpeg", "-y", "-v", "error", *size, "-r", "25", "-i", "-", "-c:v", "libx264", "-preset", "medium", "-crf",
                    str(crf), "-threads", "1", str(path)], input=frames.tobytes(), check=True)


def read(path, width, height):
    """All frames of a 4:2:0 clip."""
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"],
                         capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, width * height * 3 // 2)


def encode(frames, width, height, crf):
    """The frames after x264 at `crf`."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/c.mkv"
        write(frames, width, height, crf, path)
        return read(path, width, height)
