#!/usr/bin/env python3
"""Marks that do not stay, through whole jobs of the program: which were found, how many frames are covered, what came out.

  roam.py OVERLAY.mp4 CASES CLIP... [--kinds hop,drift,bounce]     marks composited on clean clips (needs numpy, pillow, cv2)
  roam.py --clean CLIP...                                          what is found where there is no mark

A frame is covered where the mask holds at least 99 % of the samples with an opacity above 0.1. PSNR is of luma where the
opacity is above 0.02, on every third frame; Telea's inpainting is given the true place."""

import argparse
import json
import os
import subprocess
import sys

import numpy as np
from PIL import Image

import cases

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXE = os.environ.get("CLEANPLATE", f"{ROOT}/target/release/cleanplate")

MORE = []


def job(path, *more):
    out = os.path.splitext(path)[0] + "_out.mp4"
    report = os.path.splitext(path)[0] + "_report.json"
    done = subprocess.run([EXE, "remove", path, "-o", out, "-y", "--crf", "12", "--progress", "none", "--report", report, *MORE, *more],
                          capture_output=True, text=True)
    said = [line.split("| ", 2)[-1] for line in done.stderr.splitlines() if "roam: " in line]
    return out, done.returncode, said, report


def luma(path, width, height):
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-vsync", "0", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"],
                         capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, width * height * 3 // 2)[:, :width * height].reshape(-1, height, width)


def psnr(errors):
    return 10 * np.log10(255.0 ** 2 / max(np.mean(np.concatenate(errors)), 1e-9)) if errors else float("nan")


def judge(clip, kind, overlay, folder, most):
    import cv2
    path = cases.build(clip, kind, overlay, folder, most)
    width, height, _ = cases.probe(clip)
    truth = np.load(path + ".npz")
    mask_path = path + "_mask.mkv"
    out, code, said, report = job(path + ".mp4", "--mask-out", mask_path)
    name = os.path.basename(path)
    if code not in (0, 11):
        print(f"| {name} | - | - | - | - | - | exit {code}: {'; '.join(said)} |", flush=True)
        return
    masks, done, given = luma(mask_path, width, height), luma(out, width, height), luma(path + ".mp4", width, height)
    clean = cases.decode(clip, width, height, len(done))[:, :width * height].reshape(-1, height, width)
    alphas, track = truth["alphas"], truth["track"]
    h, w = alphas[0].shape
    shown, bare, area, extra = 0, [], 0, 0
    ours, telea = [], []
    for t, (x, y, n) in enumerate(track):
        at = np.s_[y:y + h, x:x + w]
        visible = alphas[n] > 0.1
        extra += int((masks[t] > 127).sum())
        if visible.any():
            shown += 1
            area += int(visible.sum())
            if (masks[t][at] > 127)[visible].mean() < 0.99:
                bare.append((t, round(float((masks[t][at] > 127)[visible].mean()), 2)))
            if t % 3 == 0:
                inside = alphas[n] > 0.02
                truth_there = clean[t][at].astype(np.float32)
                ours.append((done[t][at].astype(np.float32) - truth_there)[inside] ** 2)
                whole = np.zeros((height, width), np.uint8)
                whole[at] = inside
                whole = cv2.dilate(whole, np.ones((5, 5), np.uint8))
                y0, y1, x0, x1 = max(y - 16, 0), y + h + 16, max(x - 16, 0), x + w + 16
                part = cv2.inpaint(np.ascontiguousarray(given[t][y0:y1, x0:x1]), whole[y0:y1, x0:x1], 4, cv2.INPAINT_TELEA)
                part = part[y - y0:y - y0 + h, x - x0:x - x0 + w]
                telea.append((part.astype(np.float32) - truth_there)[inside] ** 2)
    places = len({(int(x), int(y)) for x, y, _ in track}) if kind == "hop" else 1
    told = json.load(open(report))
    print(f"| {name} | {len(told.get('marks', []))} of {places} | {shown - len(bare)} of {shown} | {extra / max(area, 1):.2f} | "
          f"{psnr(ours):.1f} | {psnr(telea):.1f} | exit {code}: {'; '.join(said)} {bare[:12] if bare else ''} |", flush=True)


def cover(clip, kind, overlay, folder, most):
    """As judge, without rendering: the masks of the plan alone."""
    path = cases.build(clip, kind, overlay, folder, most)
    truth = np.load(path + ".npz")
    done = subprocess.run([EXE, "plan", path + ".mp4", "-o", path + "_plan.json", "-y"], capture_output=True, text=True)
    said = "; ".join(line.split("| ", 2)[-1] for line in done.stderr.splitlines() if "roam: " in line)
    name = os.path.basename(path)
    if done.returncode:
        print(f"| {name} | - | - | - | exit {done.returncode}: {said} |", flush=True)
        return
    plan = json.load(open(path + "_plan.json"))
    blobs = {}
    def mask(name):
        if name["blob"] not in blobs:
            blobs[name["blob"]] = np.asarray(Image.open(f"{path}_plan.blobs/{name['blob']}.png")) > 0
        return blobs[name["blob"]]
    alphas, track = truth["alphas"], truth["track"]
    h, w = alphas[0].shape
    shown, bare, area, extra = 0, [], 0, 0
    for t, (x, y, n) in enumerate(track):
        got = np.zeros((h, w), bool)
        for mark in plan["marks"]:
            if not mark["span"]["start"] <= t < mark["span"]["end"]:
                continue
            key = [k for k in mark["keys"] if k[0] <= t][-1][1]
            r = key["rect"]
            if r["w"] == 0 or r["h"] == 0:
                continue
            m = mask(key)
            extra += int(m.sum())
            x0, y0, x1, y1 = max(x, r["x"]), max(y, r["y"]), min(x + w, r["x"] + r["w"]), min(y + h, r["y"] + r["h"])
            if x1 > x0 and y1 > y0:
                got[y0 - y:y1 - y, x0 - x:x1 - x] |= m[y0 - r["y"]:y1 - r["y"], x0 - r["x"]:x1 - r["x"]]
        visible = alphas[n] > 0.1
        if visible.any():
            shown += 1
            area += int(visible.sum())
            share = got[visible].mean()
            if share < 0.99:
                bare.append((t, round(float(share), 2)))
    places = len({(int(x), int(y)) for x, y, _ in track}) if kind == "hop" else 1
    print(f"| {name} | {len(plan['marks'])} of {places} | {shown - len(bare)} of {shown} | {extra / max(area, 1):.2f} | {said} "
          f"{bare[:8] if bare else ''} |", flush=True)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("what", nargs="+")
    ap.add_argument("--kinds", default=",".join(cases.KINDS))
    ap.add_argument("--clean", action="store_true")
    ap.add_argument("--plan", action="store_true", help="masks only, nothing is rendered")
    ap.add_argument("--frames", type=int, default=360, help="frames of a clip at most")
    ap.add_argument("--tiers", help="tiers of the jobs, as the program takes them")
    a = ap.parse_args()
    MORE.extend(["--tiers", a.tiers] if a.tiers else [])
    if a.clean:
        print("| clip | roaming marks |\n|---|---|")
        for clip in a.what:
            done = subprocess.run([EXE, "plan", clip, "-o", f"/tmp/{os.getpid()}.json", "-y"], capture_output=True, text=True)
            said = [line.split("| ", 2)[-1] for line in done.stderr.splitlines() if "roam: " in line]
            print(f"| {os.path.basename(clip)} | exit {done.returncode}: {'; '.join(said)} |", flush=True)
        return
    overlay, folder, *clips = a.what
    os.makedirs(folder, exist_ok=True)
    columns = "" if a.plan else " PSNR | Telea |"
    print(f"| case | marks | frames covered | area |{columns} |\n|---|---|---|---|---|{'' if a.plan else '---|---|'}", flush=True)
    for kind in a.kinds.split(","):
        for clip in clips:
            (cover if a.plan else judge)(clip, kind, overlay, folder, a.frames)


if __name__ == "__main__":
    sys.exit(main())
