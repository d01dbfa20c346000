"""Calibration of the check for flashes: it must flag every frame of an encode that still carries the mark, and none of an
encode of the clean clip.

    flash.py CASES [--crf 20 28]

CASES is a folder that benches/unblend has built (CASES/CRF/CLIP/{clean.yuv,marked.mkv,info.json}). Per mark: frames of the
clean clip (encoded with x264 at the same crf) that are flagged, and those of the marked one on which the mark differs from
what is behind it and that are not. Prints a table.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "target/release/examples/flash_planes"


def raw(source, target, *options):
    subprocess.run(["ffmpeg", "-v", "error", "-y", *options, "-i", str(source), "-f", "rawvideo", "-pix_fmt", "yuv420p",
                    str(target)], check=True)


def restored(marked, clean, target, folder, info):
    """What a perfect restoration would write: the clean samples under the marks, those of the marked clip elsewhere."""
    w, h = info["width"], info["height"]
    alpha = np.zeros((h, w), bool)
    for mark in info["marks"]:
        x, y, mw, mh = mark["rect"]
        keep = np.fromfile(folder / f"{mark['name']}.planes", np.float32, mw * mh).reshape(mh, mw)
        alpha[y:y + mh, x:x + mw] |= keep < 0.98
    chroma = alpha.reshape(h // 2, 2, w // 2, 2).any((1, 3)).ravel()
    under = np.concatenate([alpha.ravel(), chroma, chroma])
    size = w * h * 3 // 2
    frames = [np.fromfile(path, np.uint8).reshape(-1, size) for path in (marked, clean)]
    np.where(under, frames[1], frames[0]).tofile(target)


def case(folder, crf, temp):
    info = json.loads((folder / "info.json").read_text())
    w, h = info["width"], info["height"]
    planar = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{w}x{h}"]
    marked, clean = temp / "marked.yuv", folder / "clean.yuv"
    raw(folder / "marked.mkv", marked)
    truth = temp / "restored.yuv"
    restored(marked, clean, truth, folder, info)
    encodes = []
    for name, source in [("clean", clean), ("marked", marked)]:
        coded, out = temp / f"{name}.mkv", temp / f"{name}.coded.yuv"
        subprocess.run(["ffmpeg", "-v", "error", "-y", *planar, "-i", str(source), "-c:v", "libx264", "-crf", str(crf),
                        "-threads", "2", str(coded)], check=True)
        raw(coded, out)
        encodes.append(str(out))
    places = [",".join(map(str, mark["rect"])) for mark in info["marks"]]
    out = subprocess.run([str(TOOL), str(w), str(h), str(marked), str(truth), *encodes, "--", *places], check=True,
                         capture_output=True, text=True).stdout
    return zip([mark["name"] for mark in info["marks"]], map(json.loads, out.splitlines()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cases", type=Path)
    parser.add_argument("--crf", type=int, nargs="*", default=[20, 28])
    parser.add_argument("--clips", default="", help="only clips whose name has this part")
    args = parser.parse_args()
    subprocess.run(["cargo", "build", "--release", "-q", "-p", "cleanplate-core", "--example", "flash_planes"], cwd=ROOT,
                   check=True)
    print("| clip | crf | mark | clean frames flagged | largest share | marked frames missed | least share |")
    print("|---|---|---|---|---|---|---|")
    totals = [0, 0, 0, 0]
    for crf in args.crf:
        for folder in sorted((args.cases / str(crf)).glob("*/")):
            if args.clips not in folder.name:
                continue
            with tempfile.TemporaryDirectory() as temp:
                for name, found in case(folder, crf, Path(temp)):
                    if not found["visible"]:
                        print(f"| {folder.name} | {crf} | {name} | not visible | | | |")
                        continue
                    clean, marked = found["tests"]
                    missed = marked["visible"] - marked["flash"]
                    totals = [a + b for a, b in zip(totals, [clean["flash"], clean["frames"], missed, marked["visible"]])]
                    if clean["flash"] or missed:
                        print(f"| {folder.name} | {crf} | {name} | {clean['flash']} of {clean['frames']} | "
                              f"{max(clean['share']):.2f} | {missed} of {marked['visible']} | {min(marked['share']):.2f} |")
    print(f"\nall: {totals[0]} of {totals[1]} clean frames flagged, {totals[2]} of {totals[3]} marked frames missed")


if __name__ == "__main__":
    main()
