#!/usr/bin/env python3
"""Trains the network that mends what the spatial fill invents in wide holes, and writes it as ONNX with its figures.

    pip install numpy opencv-python-headless torch onnx onnxruntime
    cargo build --release -p cleanplate-core --example fill_planes
    train/fill.py samples --data ../shared/testdata --out /tmp/fill        # crops, marks over them, x264, the spatial fill
    train/fill.py train --samples /tmp/fill --minutes 40
    train/fill.py export --samples /tmp/fill

The network sees one plane that the spatial fill has completed, and the mask. It gives what is to be added inside the mask: what is
probable there given the surroundings, learnt from photos and footage. It computes on cells of 4 x 4 samples (the samples of a cell
are its channels; Shi et al., Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel CNN, CVPR 2016), with
dilated convolutions (Yu and Koltun, Multi-Scale Context Aggregation by Dilated Convolutions, ICLR 2016), so that the whole hole
and its surroundings are in view of every output.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benches"))
from planar import encode, probe  # noqa: E402

SEED = 20261121
SIDE = 160  # samples a side of a crop
FRAMES = 48  # crops that share a mask
GROUPS = 420
VALIDATED = 0.06  # of the groups
SIDES = (96, 112, 128, 144, SIDE)
CELL = 4
WIDTH = 48
BATCH = 24
NOISE = 2.0  # 8-bit codes by which the engine draws the answer towards nothing
CONTEXT = 24  # samples around a hole that the engine shows at least
DILATIONS = (1, 2, 4, 8, 4, 2, 1)

# Footage that no network of ours is trained or tuned on.
HELD_OUT = ("bmx_pan", "cups_hands", "dashcam_trees", "lime_glass_4k12", "motorway_static", "pdf_scroll", "ui_screencast")


def pictures(data):
    """RGB pictures of the training split and frames of the clips that are not held out, with their names."""
    rows = [line.split("\t") for line in (data / "train/manifest.tsv").read_text().splitlines()]
    head = rows[0]
    for row in rows[1:]:
        entry = dict(zip(head, row))
        if entry["split"] == "train":
            yield entry["file"], cv2.imread(str(data / "train/images" / entry["file"]))
    for path in sorted((data / "clips").iterdir()):
        if path.stem.startswith(HELD_OUT):
            continue
        w, h, count = probe(path)
        step = max(1, count // 6)
        raw = subprocess.run(
            ["ffmpeg", "-v", "error", "-i", path, "-vf", f"select=not(mod(n\\,{step})),format=bgr24", "-vsync", "0", "-f",
             "rawvideo", "-"], capture_output=True, check=True).stdout
        for k, frame in enumerate(np.frombuffer(raw, np.uint8).reshape(-1, h, w, 3)[:6]):
            yield f"{path.name}#{k}", frame


def mask(draw):
    """A hole at least 20 samples wide and high: a box, a rounded box, an ellipse, letters joined to a block, or two of them."""
    m = np.zeros((SIDE, SIDE), np.uint8)
    for _ in range(1 if draw.random() < 0.8 else 2):
        w, h = (int(np.exp(draw.uniform(np.log(22), np.log(100)))) for _ in range(2))
        h = min(h, 72)
        x, y = int(draw.uniform(14, SIDE - 14 - w)), int(draw.uniform(14, SIDE - 14 - h))
        kind = draw.random()
        if kind < 0.5:
            m[y:y + h, x:x + w] = 1
        elif kind < 0.8:
            cv2.ellipse(m, (x + w // 2, y + h // 2), (w // 2, h // 2), 0, 0, 360, 1, -1)
        else:
            r = max(2, min(w, h) // 4)
            m[y + r:y + h - r, x:x + w] = 1
            m[y:y + h, x + r:x + w - r] = 1
            for cx, cy in ((x + r, y + r), (x + w - r, y + r), (x + r, y + h - r), (x + w - r, y + h - r)):
                cv2.circle(m, (cx, cy), r, 1, -1)
    return m


def crop(draw, pool):
    """A crop of SIDE x SIDE, from places with some texture more often."""
    best = None
    for _ in range(3):
        picture = pool[draw.integers(len(pool))]
        least = SIDE / min(picture.shape[:2])
        scale = np.exp(draw.uniform(np.log(max(least, 0.35)), 0.0)) if least < 1 else least * 1.001
        side = min(int(SIDE / scale), *picture.shape[:2])
        y, x = (int(draw.integers(n - side + 1)) for n in picture.shape[:2])
        cut = cv2.resize(picture[y:y + side, x:x + side], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        energy = float(np.abs(np.diff(cut[..., 1].astype(np.float32), axis=0)).mean())
        if best is None or draw.random() < energy / (energy + best[0] + 0.01):
            best = (energy, cut)
    cut = best[1]
    if draw.random() < 0.5:
        cut = cut[:, ::-1]
    if draw.random() < 0.1:
        cut = cut.transpose(1, 0, 2)
    noise = draw.uniform(0, 3) * draw.normal(size=cut.shape[:2])[..., None] * (draw.random() < 0.4)
    return np.clip(cut + noise, 0, 255).astype(np.uint8)


def planes(bgr):
    return cv2.cvtColor(np.ascontiguousarray(bgr), cv2.COLOR_BGR2YUV_I420).ravel()


def samples(args):
    draw = np.random.default_rng(SEED)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    named = [(name, picture) for name, picture in pictures(Path(args.data)) if picture is not None]
    (out / "sources.json").write_text(json.dumps(sorted({name.split("#")[0] for name, _ in named}), indent=1))
    # Pictures, not groups, are kept apart, so that validation sees none that was trained on.
    order = draw.permutation(len(named))
    apart = max(4, int(VALIDATED * len(named)))
    pools = {True: [named[k][1] for k in order[:apart]], False: [named[k][1] for k in order[apart:]]}
    n = SIDE * SIDE
    stacks = {True: [], False: []}
    for group in range(args.groups):
        is_validation = group < VALIDATED * args.groups
        m = mask(draw)
        clean = np.stack([planes(crop(draw, pools[is_validation])) for _ in range(FRAMES)])
        marked = clean.copy()
        for frame in marked:
            # A mark of two levels, opaque: what lies next to it is compressed with it.
            luma = frame[:n].reshape(SIDE, SIDE)
            levels = draw.integers(16, 236, 2)
            stripes = (np.arange(SIDE)[None] // int(draw.integers(3, 20)) + np.arange(SIDE)[:, None] // int(draw.integers(3, 20))) % 2
            luma[m > 0] = levels[stripes[m > 0]]
            for c in range(2):
                part = frame[n + c * n // 4:n + (c + 1) * n // 4].reshape(SIDE // 2, SIDE // 2)
                part[m[::2, ::2] > 0] = int(draw.integers(60, 196))
        coded = encode(marked, SIDE, SIDE, int(draw.integers(17, 29)))
        coded.tofile(out / "in.yuv")
        (m * 255).tofile(out / "mask")
        subprocess.run([args.engine, str(SIDE), str(SIDE), out / "mask", out / "in.yuv", out / "out.yuv"],
                       capture_output=True, check=True)
        filled = np.fromfile(out / "out.yuv", np.uint8).reshape(-1, n * 3 // 2)
        luma = lambda frames: frames[:, :n].reshape(-1, SIDE, SIDE)
        stacks[is_validation].append((luma(clean), luma(filled), m))
        if group % 20 == 0:
            print(group, flush=True)
    for name, is_validation in (("validation", True), ("training", False)):
        clean, filled, masks = zip(*stacks[is_validation])
        np.savez(out / f"{name}.npz", clean=np.stack(clean), filled=np.stack(filled), mask=np.stack(masks))


def network():
    import torch
    from torch import nn

    class Fill(nn.Module):
        """`[1, 2, h, w]` (a completed plane minus its mean, over 64 codes; the mask) -> `[1, 1, h, w]` to be added inside it."""

        def __init__(self):
            super().__init__()
            self.shrink, self.grow = nn.PixelUnshuffle(CELL), nn.PixelShuffle(CELL)
            self.first = nn.Conv2d(2 * CELL**2, WIDTH, 3, padding=1)
            self.body = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 3, padding=d, dilation=d) for d in DILATIONS)
            self.last = nn.Conv2d(WIDTH, CELL**2, 3, padding=1)
            nn.init.zeros_(self.last.weight)
            nn.init.zeros_(self.last.bias)

        def forward(self, x):
            y = torch.relu(self.first(self.shrink(x)))
            for n, conv in enumerate(self.body):
                y = torch.relu(conv(y) + y) if n % 2 else torch.relu(conv(y))
            return self.grow(self.last(y)) * x[:, 1:2]

    return Fill()


def batch_of(data, picks, draw):
    """Inputs and wanted additions of the picked crops; turned, mirrored and with more or less around the hole where `draw` is
    given. Beyond what the engine shows of the surroundings there is nothing: the mean, which is 0."""
    frames = data["clean"].shape[1]
    side = max(sides(data)[pick // frames] for pick in picks)
    inputs, wanted = np.zeros((len(picks), 2, side, side), np.float32), np.zeros((len(picks), 1, side, side), np.float32)
    for n, (group, frame) in enumerate(zip(picks // frames, picks % frames)):
        m = data["mask"][group]
        rows, columns = np.flatnonzero(m.any(1)), np.flatnonzero(m.any(0))
        free = (side - max(rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0])) // 2
        around = CONTEXT if draw is None else int(draw.integers(CONTEXT, max(free, CONTEXT) + 1))
        y0, y1 = max(0, rows[0] - around), min(SIDE, rows[-1] + 1 + around)
        x0, x1 = max(0, columns[0] - around), min(SIDE, columns[-1] + 1 + around)
        cut = lambda a: a[y0:y1, x0:x1].astype(np.float32)
        clean, filled, m = cut(data["clean"][group, frame]), cut(data["filled"][group, frame]), cut(m)
        y0 = x0 = 0
        if draw is not None:
            axes = [k for k in (0, 1) if draw.random() < 0.5]
            clean, filled, m = (np.flip(a, axes) for a in (clean, filled, m))
            # Where the crop lies in the grid of cells is the engine's choice.
            y0, x0 = (int(draw.integers(side - n + 1)) for n in m.shape)
        place = (slice(y0, y0 + clean.shape[0]), slice(x0, x0 + clean.shape[1]))
        inputs[n, 0][place] = (filled - filled.mean()) / 64
        inputs[n, 1][place] = m
        wanted[n, 0][place] = (clean - filled) / 64 * m
    return inputs, wanted, inputs[:, 1:2]


def sides(data):
    """The side that each group's crops are cut to: enough for the hole and its surroundings, one of a few."""
    if "side" not in data:
        spans = [max(np.ptp(np.flatnonzero(m.any(axis))) for axis in (0, 1)) + 1 + 2 * CONTEXT for m in data["mask"]]
        data["side"] = np.array([next((side for side in SIDES if side >= span), SIDE) for span in spans])
    return data["side"]


def loaded(path):
    with np.load(path) as data:
        return {key: data[key] for key in data}


def gains(net, data, each=1):
    """PSNR inside the mask of the fill and of what the engine makes of the network's answer, for `each`-th crops."""
    import torch

    count = data["clean"].shape[0] * data["clean"].shape[1]
    rows = []
    with torch.no_grad():
        for start in range(0, count, 12 * each):
            x, wanted, m = batch_of(data, np.arange(start, min(start + 12 * each, count), each), None)
            made = net(torch.from_numpy(x)).numpy()
            made = np.sign(made) * np.maximum(np.abs(made) - NOISE / 64, 0)
            error = lambda e: (e**2 * m).sum((1, 2, 3)) / m.sum((1, 2, 3)) * 64**2
            rows += list(zip(error(wanted), error(wanted - made)))
    psnr = 10 * np.log10(65025 / np.maximum(np.array(rows), 0.05))
    return psnr[:, 0], psnr[:, 1]


def train(args):
    import torch

    torch.manual_seed(SEED)
    torch.set_num_threads(args.threads)
    folder = Path(args.samples)
    training, validation = loaded(folder / "training.npz"), loaded(folder / "validation.npz")
    net = network().to(memory_format=torch.channels_last)
    print(f"{sum(p.numel() for p in net.parameters())} parameters", flush=True)
    draw = np.random.default_rng(SEED)
    frames = training["clean"].shape[1]
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    began, step, best = time.time(), 0, -9.0
    while True:
        share = (time.time() - began) / (60 * args.minutes)
        if share >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 * min(1, (step + 1) / 200) * max(0.01, 0.5 * (1 + np.cos(np.pi * share)))
        # Crops of one size: that of a crop that is drawn as any other.
        alike = np.flatnonzero(sides(training) == sides(training)[draw.integers(len(training["mask"]))])
        picks = alike[draw.integers(len(alike), size=BATCH)] * frames + draw.integers(frames, size=BATCH)
        x, wanted, m = batch_of(training, picks, draw)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            made = net(torch.from_numpy(x).to(memory_format=torch.channels_last))
        made = made.float()
        # The mean PSNR of the crops, which makes easy ones count as much as hard ones; noise of 1.5 codes is nobody's fault.
        m = torch.from_numpy(m)
        squares = ((made - torch.from_numpy(wanted))**2 * m).sum((1, 2, 3)) / m.sum((1, 2, 3))
        loss = 10 * torch.log10(squares + (1.5 / 64)**2).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        step += 1
        if step % 1000 == 0:
            before, after = gains(net, validation, FRAMES // 6)
            gain = after - before
            print(f"{step} {share:.2f} loss {loss.item():.2f} fill {before.mean():.2f} net {after.mean():.2f} gain {gain.mean():+.3f} "
                  f"worst {gain.min():+.2f} below -.5 {100 * (gain < -0.5).mean():.1f} %", flush=True)
            if gain.mean() > best:
                best = gain.mean()
                torch.save(dict(net=net.state_dict(), step=step), folder / "best.pt")
    before, after = gains(net, validation)
    torch.save(dict(net=net.state_dict(), step=step), folder / "last.pt")
    print(f"{step} steps, {before.mean():.2f} -> {after.mean():.2f}")


def write(net, path):
    """The network as ONNX: cells become channels in the first convolution's stride, and samples again by DepthToSpace."""
    from onnx import TensorProto, checker, helper, numpy_helper, save

    nodes, constants = [], []

    def conv(name, x, weight, bias, stride, pad, dilation):
        constants.extend((numpy_helper.from_array(weight, f"{name}.w"), numpy_helper.from_array(bias, f"{name}.b")))
        nodes.append(helper.make_node("Conv", [x, f"{name}.w", f"{name}.b"], [name], kernel_shape=weight.shape[2:],
                                      strides=[stride] * 2, pads=[pad] * 4, dilations=[dilation] * 2))
        return name

    def op(kind, name, *inputs, **attributes):
        nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    array = lambda t: t.detach().numpy().astype(np.float32)
    # A 3x3 convolution over cells is one over samples with cells of CELL x CELL as its taps.
    first = array(net.first.weight).reshape(WIDTH, 2, CELL, CELL, 3, 3).transpose(0, 1, 4, 2, 5, 3)
    y = op("Relu", "r", conv("first", "x", np.ascontiguousarray(first.reshape(WIDTH, 2, 3 * CELL, 3 * CELL)),
                             array(net.first.bias), CELL, CELL, 1))
    for n, (layer, d) in enumerate(zip(net.body, DILATIONS)):
        z = conv(f"body{n}", y, array(layer.weight), array(layer.bias), 1, d, d)
        y = op("Relu", f"r{n}", op("Add", f"a{n}", z, y) if n % 2 else z)
    y = conv("last", y, array(net.last.weight), array(net.last.bias), 1, 1, 1)
    op("DepthToSpace", "y", y, blocksize=CELL, mode="CRD")
    port = lambda name, channels: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, "height", "width"])
    graph = helper.make_graph(nodes, "fill", [port("x", 2)], [port("y", 1)], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    model.producer_name = "cleanplate train/fill.py"
    checker.check_model(model, full_check=True)
    save(model, path)


def export(args):
    import onnxruntime
    import torch

    folder, net = Path(args.samples), network()
    net.load_state_dict(torch.load(folder / args.weights, weights_only=True)["net"])
    out = Path(args.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    write(net, out)
    x = np.random.default_rng(SEED).normal(size=(1, 2, 48, 64)).astype(np.float32)
    x[:, 1] = x[:, 1] > 0
    given = onnxruntime.InferenceSession(str(out)).run(None, {"x": x})[0] * x[:, 1:2]
    with torch.no_grad():
        wanted = net(torch.from_numpy(x)).numpy()
    print(f"{out}: {out.stat().st_size} bytes, off by {np.abs(given - wanted).max():.1e}")
    before, after = gains(net, loaded(folder / "validation.npz"))
    gain = after - before
    print(f"validation: {len(gain)} holes, {before.mean():.2f} -> {after.mean():.2f} dB ({gain.mean():+.2f}, worst {gain.min():+.2f}, "
          f"{100 * (gain < -0.5).mean():.1f} % below -0.5)")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = p.add_subparsers(required=True)
    s = sub.add_parser("samples")
    s.add_argument("--data", default=str(ROOT.parent / "shared/testdata"))
    s.add_argument("--out", default="/tmp/fill")
    s.add_argument("--groups", type=int, default=GROUPS)
    s.add_argument("--engine", default=str(ROOT / "target/release/examples/fill_planes"))
    s.set_defaults(run=samples)
    s = sub.add_parser("train")
    s.add_argument("--samples", default="/tmp/fill")
    s.add_argument("--minutes", type=float, default=40)
    s.add_argument("--threads", type=int, default=1)
    s.set_defaults(run=train)
    s = sub.add_parser("export")
    s.add_argument("--samples", default="/tmp/fill")
    s.add_argument("--weights", default="last.pt")
    s.add_argument("--out", default=str(ROOT / "crates/cleanplate/networks/fill.onnx"))
    s.set_defaults(run=export)
    args = p.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
