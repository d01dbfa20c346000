#!/usr/bin/env python3
"""Trains the networks that double the size of luma, and writes them as ONNX with their figures.

    pip install numpy opencv-python-headless pillow torch onnx onnxruntime   # fonts of the pages: those of text.onnx' card
    train/upscale.py samples --data ../shared/testdata --out /tmp/up       # pairs of sharp and half-size luma, clean and after x264
    train/upscale.py train --samples /tmp/up --net fast --source coded --minutes 60
    train/upscale.py export --samples /tmp/up --net fast --source coded
    train/upscale.py measure crates/cleanplate/networks/upscale-*.onnx --peers ../shared/testdata/models/upscale

One plane of luma in, one of twice the size out. The network computes on cells of 2 x 2 samples (the samples of a cell are its channels),
where a convolution costs a quarter, and its answer is added to a fixed bicubic one (Shi et al., Real-Time Single Image and Video
Super-Resolution Using an Efficient Sub-Pixel CNN, CVPR 2016; Kim et al., Accurate Image Super-Resolution Using Very Deep
Convolutional Networks, CVPR 2016, for the residual). Kernels between the first and the last convolution are trained by Muon, the rest by Adam.
"""

import argparse
import sys
import time
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "benches"), str(ROOT / "train")]
from fill import HELD_OUT, pictures  # noqa: E402
from overlays import page  # noqa: E402
from planar import encode, probe  # noqa: E402

SEED = 20261130
SIDE = 96  # samples a side of a half-size crop
FRAMES, KEPT = 5, 3  # frames of a crop that are coded, and which of them is kept
GROUP = 24  # crops encoded together
QUALITIES = (18, 31)  # crf
VALIDATED = 0.05
PAGES = 0.3  # share of crops that show a page of text or a window of a program, drawn
SHOWN = 64
LPIPS_SIDE = 512
BATCH = 16
# Channels and convolutions between the first and the last.
NETS = {"fast": (32, 5), "quality": (64, 6)}


def luma(bgr):
    return cv2.cvtColor(np.ascontiguousarray(bgr), cv2.COLOR_BGR2YUV_I420)[: bgr.shape[0]]


def crop(draw, pool):
    """A sharp crop of 2 SIDE x 2 SIDE from a place with detail, scaled down from a larger one so that it is sharp."""
    best = None
    for _ in range(3):
        picture = pool[draw.integers(len(pool))]
        rows, columns = picture.shape[:2]
        scale = min(np.exp(draw.uniform(0, np.log(3))), min(rows, columns) / (2 * SIDE) * 0.999)
        part = max(2 * SIDE, int(2 * SIDE * scale))
        if part > min(rows, columns):
            continue
        y, x = int(draw.integers(rows - part + 1)), int(draw.integers(columns - part + 1))
        cut = picture[y:y + part, x:x + part]
        if part != 2 * SIDE:
            cut = cv2.resize(cut, (2 * SIDE, 2 * SIDE), interpolation=cv2.INTER_AREA)
        energy = float(np.abs(np.diff(cut[..., 1].astype(np.float32), axis=0)).mean())
        if best is None or draw.random() < energy / (energy + best[0] + 0.5):
            best = (energy, cut)
    cut = best[1]
    if draw.random() < 0.5:
        cut = cut[:, ::-1]
    return np.rot90(cut, int(draw.integers(4))) if draw.random() < 0.3 else cut


def halved(bgr):
    return cv2.resize(np.ascontiguousarray(bgr), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def written(draw):
    """A drawn page: as letters fitted to whole samples are, or drawn larger and made small, as documents and scans are."""
    by = draw.uniform(1.2, 2) if draw.random() < 0.5 else 1
    picture = page(draw, int(2 * SIDE * by))[0]
    return picture if by == 1 else cv2.resize(picture, (2 * SIDE, 2 * SIDE), interpolation=cv2.INTER_AREA)


def moved(small, draw):
    """Frames as a moving camera gives them, so that prediction leaves its traces; the one that is kept is `small` itself."""
    step = draw.uniform(-3, 3, 2) * (draw.random() < 0.7)
    if draw.random() < 0.5:
        step = np.round(step)
    for k in range(FRAMES):
        shift = np.float32([[1, 0, step[0] * (k - KEPT)], [0, 1, step[1] * (k - KEPT)]])
        yield small if not step.any() or k == KEPT else cv2.warpAffine(
            small, shift, (SIDE, SIDE), flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT_101)


def samples(args):
    cv2.setNumThreads(1)
    draw = np.random.default_rng(SEED)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    pool = [p for _, p in pictures(Path(args.data)) if p is not None and min(p.shape[:2]) > 2 * SIDE]
    sharp, clean, coded, began = [], [], [], time.time()
    while time.time() - began < 60 * args.minutes and len(sharp) < args.crops:
        crops = [written(draw) if draw.random() < PAGES else crop(draw, pool) for _ in range(GROUP)]
        small = [halved(cut) for cut in crops]
        frames = [cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420).ravel() for one in small for frame in moved(one, draw)]
        made = encode(np.stack(frames), SIDE, SIDE, int(draw.integers(*QUALITIES)))
        made = made.reshape(GROUP, FRAMES, -1)[:, KEPT, : SIDE * SIDE].reshape(GROUP, SIDE, SIDE)
        clean += [luma(one) for one in small]
        sharp += [luma(c) for c in crops]
        coded += list(made)
    np.savez(out / "pairs.npz", sharp=np.stack(sharp), clean=np.stack(clean), coded=np.stack(coded))
    print(f"{len(sharp)} crops, {time.time() - began:.0f} s")


def cubic():
    """The four 5 x 5 kernels of bicubic doubling (Keys 1981, a = -.5), by the place of the made sample in its square."""
    def weights(at):
        d = np.abs(np.arange(-2, 3) - at)
        return np.where(d <= 1, 1.5 * d**3 - 2.5 * d**2 + 1, np.where(d < 2, -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2, 0))
    one = [weights(-0.25), weights(0.25)]
    return np.float32([[np.outer(one[y], one[x])] for y in (0, 1) for x in (0, 1)])


def network(kind):
    import torch
    from torch import nn

    width, depth = NETS[kind]

    class Up(nn.Module):
        """`[n, 1, h, w]` -> `[n, 1, 2h, 2w]`; sides even, codes / 255."""

        def __init__(self):
            super().__init__()
            self.base = nn.Conv2d(1, 4, 5, padding=2, bias=False)
            self.base.weight.data.copy_(torch.from_numpy(cubic()))
            self.base.weight.requires_grad = False
            self.first = nn.Conv2d(4, width, 3, padding=1)
            self.middle = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(depth))
            self.last = nn.Conv2d(width, 16, 3, padding=1)
            nn.init.normal_(self.last.weight, std=1e-3)
            nn.init.zeros_(self.last.bias)
            self.part, self.whole, self.twice = nn.PixelUnshuffle(2), nn.PixelShuffle(4), nn.PixelShuffle(2)

        def forward(self, x):
            y = first = torch.relu(self.first(self.part(x)))
            for layer in self.middle:
                y = torch.relu(layer(y))
            return self.twice(self.base(x)) + self.whole(self.last(y + first))

    return Up()


def weights(path):
    """The state of the network that `write` wrote to a file of ONNX."""
    import re

    import torch
    from onnx import load, numpy_helper

    held = {i.name: torch.from_numpy(numpy_helper.to_array(i).copy()) for i in load(path).graph.initializer if i.name != "part.w"}
    name = lambda key: re.sub(r"middle(\d)", r"middle.\1", key).replace(".w", ".weight").replace(".b", ".bias")
    return {name(key): value for key, value in held.items()}


def grown(net, state):
    """Makes `net` compute what a smaller one of that state does (Chen et al., Net2Net, ICLR 2016): its channels come first, further
    ones are not listened to yet, and further convolutions pass on what they get, which a ReLU leaves alone."""
    import torch

    with torch.no_grad():
        for name in ("weight", "bias"):
            getattr(net.first, name)[: len(state[f"first.{name}"])] = state[f"first.{name}"]
        few = len(state["first.bias"])
        for n, layer in enumerate(net.middle):
            layer.weight[:few] = 0
            layer.bias[:few] = 0
            if f"middle.{n}.weight" in state:
                layer.weight[:few, :few] = state[f"middle.{n}.weight"]
                layer.bias[:few] = state[f"middle.{n}.bias"]
            else:
                layer.weight[range(few), range(few), 1, 1] = 1
        net.last.weight[:] = 0
        net.last.weight[:, :few] = state["last.weight"]
        net.last.bias[:] = state["last.bias"]


def orthogonal(g):
    """The nearest matrix to `g` whose singular values are about one, by five steps of Newton and Schulz (Jordan et al., Muon, 2024)."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g / (g.norm() + 1e-7)
    for _ in range(5):
        s = x @ x.T
        x = a * x + (b * s + c * s @ s) @ x
    return x


def muon(weight, moment, rate):
    """A step of Muon for the kernels of one convolution: all directions of its momentum are taken equally far."""
    moment.mul_(0.95).add_(weight.grad)
    ahead = (weight.grad + 0.95 * moment).reshape(len(weight), -1)
    weight.sub_(orthogonal(ahead).reshape(weight.shape), alpha=rate)


def psnr(a, b):
    return 10 * np.log10(255**2 / max(1e-6, float(((a.astype(np.float64) - b) ** 2).mean())))


def split(folder, source):
    data = np.load(folder / "pairs.npz")
    small, sharp = (data["coded"] if source == "mixed" else data[source]), data["sharp"]
    if source == "mixed":  # every crop both ways, side by side, so that neither part of the split holds one of the other's
        small, sharp = (np.stack(pair, 1).reshape(-1, *pair[0].shape[1:]) for pair in ((data["clean"], small), (sharp, sharp)))
    apart = max(64, int(VALIDATED * len(sharp)))
    return (small[apart:], sharp[apart:]), (small[:apart], sharp[:apart])


def figure(net, small, sharp):
    """Mean PSNR over crops, and of the fixed bicubic answer."""
    import torch

    ours, base = [], []
    with torch.no_grad():
        for k in range(0, len(small), 32):
            x = torch.from_numpy(small[k:k + 32].astype(np.float32)[:, None] / 255)
            for out, list_ in ((net(x), ours), (net.twice(net.base(x)), base)):
                out = np.clip(np.round(out.numpy()[:, 0] * 255), 0, 255)[:, 8:-8, 8:-8]
                list_ += [psnr(o, s[8:-8, 8:-8]) for o, s in zip(out, sharp[k:k + 32])]
    return np.mean(ours), np.mean(base)


def train(args):
    import torch

    torch.manual_seed(SEED)
    torch.set_num_threads(args.threads)
    folder = Path(args.samples)
    (small, sharp), validation = split(folder, args.source)
    net, path = network(args.net).to(memory_format=torch.channels_last), folder / f"{args.net}-{args.source}.pt"
    if args.start:
        state = torch.load(args.start, weights_only=True)["net"] if args.start.endswith(".pt") else weights(args.start)
        same = state["first.bias"].shape == net.first.bias.shape and len(state) == len(net.state_dict())
        net.load_state_dict(state) if same else grown(net, state)
    ema = network(args.net).eval()
    ema.load_state_dict(net.state_dict())
    kernels = [layer.weight for layer in net.middle]
    moments = [torch.zeros_like(w) for w in kernels]
    held = {id(w) for w in kernels}
    optimiser = torch.optim.Adam([p for p in net.parameters() if p.requires_grad and id(p) not in held], lr=args.rate, betas=(0.9, 0.99))
    draw, step, saved = np.random.default_rng(SEED), 0, time.time()
    print(f"{sum(p.numel() for p in net.parameters() if p.requires_grad)} parameters, {len(small)} crops, bicubic {figure(ema, *validation)[1]:.3f}",
          flush=True)
    began = time.process_time()  # whatever else the machine does
    while (share := (time.process_time() - began) / (60 * args.minutes)) < 1:
        for part in optimiser.param_groups:
            part["lr"] = rate = args.rate * min(1, (step + 1) / 200) * max(0.01, 0.5 * (1 + np.cos(np.pi * share)))
        x, y = np.empty((BATCH, 1, SHOWN, SHOWN), np.float32), np.empty((BATCH, 1, 2 * SHOWN, 2 * SHOWN), np.float32)
        for n, k in enumerate(draw.integers(len(small), size=BATCH)):
            r, c = (int(v) * 2 for v in draw.integers((SIDE - SHOWN) // 2 + 1, size=2))
            a, b = small[k, r:r + SHOWN, c:c + SHOWN], sharp[k, 2 * r:2 * (r + SHOWN), 2 * c:2 * (c + SHOWN)]
            turn, flip = int(draw.integers(4)), draw.random() < 0.5
            a, b = np.rot90(a, turn), np.rot90(b, turn)
            gain, lift = draw.uniform(0.6, 1), draw.uniform(0, 0.2)
            x[n, 0], y[n, 0] = (v[:, ::-1] if flip else v for v in (a, b))
            x[n], y[n] = (v / 255 * gain + lift * (1 - gain) for v in (x[n], y[n]))
        made = net(torch.from_numpy(x).to(memory_format=torch.channels_last))
        # Between the absolute and the squared error: sharp where it can be, mean where it cannot.
        off = made - torch.from_numpy(y)
        loss = torch.sqrt(off * off + 1e-5).mean()
        optimiser.zero_grad()
        net.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
        with torch.no_grad():
            for w, moment in zip(kernels, moments):
                muon(w, moment, args.turn * rate)
            keep = min(0.998, 1 - 1 / (step + 1))
            for old, new in zip(ema.parameters(), net.parameters()):
                old.copy_(keep * old + (1 - keep) * new)
        if time.time() - saved > 120:
            saved = time.time()
            torch.save(dict(net=ema.state_dict(), step=step), path)
            print(f"{step} {share:.2f} {figure(ema, *validation)[0]:.3f}", flush=True)
    torch.save(dict(net=ema.state_dict(), step=step), path)
    print(f"{step} steps of {BATCH}: {figure(ema, *validation)[0]:.3f}")


def write(net, path):
    """The network as ONNX."""
    from onnx import TensorProto, checker, helper, numpy_helper, save

    nodes, constants = [], []

    def op(kind, name, *inputs, **attributes):
        nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def conv(name, x, layer):
        constants.append(numpy_helper.from_array(layer.weight.detach().numpy(), f"{name}.w"))
        inputs = [x, f"{name}.w"]
        if layer.bias is not None:
            constants.append(numpy_helper.from_array(layer.bias.detach().numpy(), f"{name}.b"))
            inputs.append(f"{name}.b")
        side = layer.kernel_size[0]
        return op("Conv", name, *inputs, kernel_shape=[side, side], strides=[1, 1], pads=[side // 2] * 4, dilations=[1, 1])

    # Four samples of each cell as channels: a convolution of stride 2 by unit kernels runs everywhere, SpaceToDepth orders otherwise.
    unit = np.zeros((4, 1, 2, 2), np.float32)
    for k in range(4):
        unit[k, 0, k // 2, k % 2] = 1
    constants.append(numpy_helper.from_array(unit, "part.w"))
    y = op("Conv", "part", "x", "part.w", kernel_shape=[2, 2], strides=[2, 2], pads=[0] * 4, dilations=[1, 1])
    y = first = op("Relu", "first.r", conv("first", y, net.first))
    for n, layer in enumerate(net.middle):
        y = op("Relu", f"middle{n}.r", conv(f"middle{n}", y, layer))
    y = conv("last", op("Add", "sum", y, first), net.last)
    y = op("DepthToSpace", "whole", y, blocksize=4, mode="CRD")
    base = op("DepthToSpace", "double", conv("base", "x", net.base), blocksize=2, mode="CRD")
    op("Add", "y", base, y)
    port = lambda name, *sides: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1, *sides])
    graph = helper.make_graph(nodes, "upscale", [port("x", "height", "width")], [port("y", "double_height", "double_width")], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    model.producer_name = "cleanplate train/upscale.py"
    checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    save(model, path)


def export(args):
    import onnxruntime
    import torch

    net, out = network(args.net).eval(), Path(args.out) / f"upscale-{args.net}-{args.source}.onnx"
    state = torch.load(Path(args.samples) / f"{args.net}-{args.source}.pt", weights_only=True)
    net.load_state_dict(state["net"])
    write(net, out)
    x = np.random.default_rng(SEED).random((2, 1, 34, 46), np.float32)
    given = onnxruntime.InferenceSession(str(out)).run(None, {"x": x})[0]
    with torch.no_grad():
        off = np.abs(given - net(torch.from_numpy(x)).numpy()).max()
    print(f"{out}: {out.stat().st_size} bytes after {state['step']} steps, off by {off:.1e}")


def session(path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options)


def truths(data):
    """Sharp luma of held-out pictures and of a few frames of held-out clips that are large enough, with their names."""
    rows = [line.split("\t") for line in (data / "train/manifest.tsv").read_text().splitlines()]
    for row in rows[1:]:
        entry = dict(zip(rows[0], row))
        if entry["split"] == "val":
            picture = cv2.imread(str(data / "train/images" / entry["file"]))
            h, w = (s // 4 * 4 for s in picture.shape[:2])
            yield "photos", [picture[:h, :w]]
    for path in sorted((data / "clips").iterdir()):
        if not path.stem.startswith(HELD_OUT):
            continue
        w, h, count = probe(path)
        import subprocess
        raw = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-vf", f"select=lt(n\\,{min(count, 5)}),format=bgr24", "-vsync", "0", "-f",
                              "rawvideo", "-"], capture_output=True, check=True).stdout
        frames = np.frombuffer(raw, np.uint8).reshape(-1, h, w, 3)[:, : h // 4 * 4, : w // 4 * 4]
        if w > 2000:  # sharp at half of its size
            frames = [halved(f)[: h // 8 * 4, : w // 8 * 4] for f in frames]
        yield path.stem, list(frames)


def ssim(a, b):
    """Mean structural similarity (Wang et al. 2004: a Gaussian of 1.5 samples)."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    mean = lambda v: cv2.GaussianBlur(v, (11, 11), 1.5)
    ma, mb = mean(a), mean(b)
    va, vb, both = mean(a * a) - ma * ma, mean(b * b) - mb * mb, mean(a * b) - ma * mb
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float((((2 * ma * mb + c1) * (2 * both + c2)) / ((ma * ma + mb * mb + c1) * (va + vb + c2)))[8:-8, 8:-8].mean())


def lpips(net, a, b):
    """Learnt distance (Zhang et al. 2018) of the middle of two planes, shown as gray; the less, the more alike."""
    h, w = (min(LPIPS_SIDE, n) for n in a.shape)
    y, x = (a.shape[0] - h) // 2, (a.shape[1] - w) // 2
    mean, spread = (np.float32(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    planes = [((v[y:y + h, x:x + w].astype(np.float32) / 255)[None] - mean) / spread for v in (b, a)]
    return float(net.run(None, dict(zip(("ref", "dist"), (p[None].astype(np.float32) for p in planes))))[0].reshape(-1)[0])


def measure(args):
    """PSNR, SSIM and LPIPS of luma against held-out truth, clean or after x264; milliseconds at 480x270."""
    cv2.setNumThreads(1)
    nets = {path.stem: session(path) for path in [*map(Path, args.networks), *sorted(Path(args.peers).glob("ArtCNN*.onnx"))]}
    learnt = session(Path(args.metrics) / "lpips_sq.onnx")
    sums = {}
    for name, frames in truths(Path(args.data)):
        small = [halved(f) for f in frames]
        h, w = small[0].shape[:2]
        planes = np.stack([cv2.cvtColor(s, cv2.COLOR_BGR2YUV_I420).ravel() for s in small])
        for kind in args.sources:
            given = planes if kind == "clean" else encode(planes, w, h, int(kind))
            y, want = given[-1][: w * h].reshape(h, w), luma(frames[-1]).astype(np.float64)
            made = {"bicubic": cv2.resize(y, (2 * w, 2 * h), interpolation=cv2.INTER_CUBIC),
                    "lanczos": cv2.resize(y, (2 * w, 2 * h), interpolation=cv2.INTER_LANCZOS4)}
            for key, net in nets.items():
                out = net.run(None, {net.get_inputs()[0].name: y[None, None].astype(np.float32) / 255})[0]
                made[key] = np.clip(np.round(out[0, 0] * 255), 0, 255)
            for key, out in made.items():
                figures = (psnr(out[8:-8, 8:-8], want[8:-8, 8:-8]), ssim(out, want), lpips(learnt, out, want))
                sums.setdefault((kind, name), {}).setdefault(key, []).append(figures)
    names = ["bicubic", "lanczos", *nets]
    for at, (title, digits) in enumerate((("PSNR", 2), ("SSIM", 4), ("LPIPS", 4))):
        print(f"\n{title}\n\n| source | on | " + " | ".join(names) + " |\n|---|---|" + "---|" * len(names))
        for kind in args.sources:
            rows = {name: {n: np.mean([f[at] for f in row[n]]) for n in names} for (k, name), row in sums.items() if k == kind}
            for name, row in rows.items():
                print(f"| {kind} | {name} | " + " | ".join(f"{row[n]:.{digits}f}" for n in names) + " |")
            means = [np.mean([row[n] for row in rows.values()]) for n in names]
            print(f"| **{kind}** | **mean** | " + " | ".join(f"**{mean:.{digits}f}**" for mean in means) + " |")
    x, times = np.full((1, 1, 270, 480), 0.4, np.float32), {key: [] for key in nets}
    for _ in range(15):  # in turn, so that what else the machine does meets all alike
        for key, net in nets.items():
            began = time.process_time()
            net.run(None, {net.get_inputs()[0].name: x})
            times[key].append(1e3 * (time.process_time() - began))
    for key, spent in times.items():
        print(f"\n{key}: {min(spent):.1f}, {np.median(spent):.1f} ms for 480x270 (least, median of processor time), one thread")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = p.add_subparsers(required=True)
    data = str(ROOT.parent / "shared/testdata")
    s = sub.add_parser("samples")
    s.add_argument("--data", default=data)
    s.add_argument("--out", default="/tmp/up")
    s.add_argument("--minutes", type=float, default=6)
    s.add_argument("--crops", type=int, default=24000)
    s.set_defaults(run=samples)
    for name, run in (("train", train), ("export", export)):
        s = sub.add_parser(name)
        s.add_argument("--samples", default="/tmp/up")
        s.add_argument("--net", choices=NETS, default="fast")
        s.add_argument("--source", choices=("clean", "coded", "mixed"), default="coded")
        s.set_defaults(run=run)
        if name == "train":
            s.add_argument("--minutes", type=float, default=30, help="of processor time")
            s.add_argument("--threads", type=int, default=1)
            s.add_argument("--rate", type=float, default=2e-3)
            s.add_argument("--turn", type=float, default=4, help="rate of the kernels between the first and the last convolution, in --rate")
            s.add_argument("--start", help="weights to go on from, of this network or of a smaller one: .pt of a run, .onnx of another")
        else:
            s.add_argument("--out", default=str(ROOT / "crates/cleanplate/networks"))
    s = sub.add_parser("measure")
    s.add_argument("networks", nargs="*")
    s.add_argument("--data", default=data)
    s.add_argument("--peers", default=data + "/models/upscale")
    s.add_argument("--metrics", default=data + "/models/metrics")
    s.add_argument("--sources", nargs="+", default=["clean", "23", "28"], help="clean, or the crf at which x264 has coded them")
    s.set_defaults(run=measure)
    args = p.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
