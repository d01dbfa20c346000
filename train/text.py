#!/usr/bin/env python3
"""Trains the network that finds letters and graphics laid over a picture, and writes it as ONNX with its figures.

    pip install numpy opencv-python-headless pillow torch onnx onnxruntime       # Pillow with Raqm; fonts: see the card
    train/text.py samples --data ../shared/testdata --out /tmp/text              # overlays over photos, footage and drawn scenes, x264
    train/text.py train --samples /tmp/text --minutes 60
    train/text.py export --samples /tmp/text
    train/text.py measure --data ../shared/testdata                              # over footage that it was not trained on

One frame in, two maps of half its size out: how probable it is that a sample belongs to the strokes of an overlay (letters with
outline and shadow, logos), and that it lies in the plate behind a caption. A small U-Net (Ronneberger et al., MICCAI 2015) with
full convolutions, which run faster on a CPU than separable ones of the same cost, dilated at its coarsest level (Yu and Koltun,
ICLR 2016), and sub-pixel convolutions upwards (Shi et al., CVPR 2016).
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
sys.path[:0] = [str(ROOT / "benches"), str(ROOT / "train")]
import overlays  # noqa: E402
import text_figures  # noqa: E402
from fill import HELD_OUT  # noqa: E402
from planar import encode, probe  # noqa: E402

SEED = 20261122
SIDE = 288  # samples a side of a kept crop
SHOWN = 256  # of which training shows a random part
CROPS = 16  # crops encoded as one clip, each as FRAMES frames
FRAMES = 3
KEPT = (0, 2)  # of which these are kept
SHARD = 20  # groups a file
VALIDATED = 0.06  # of the pictures
CHANNELS = (12, 24, 32, 48)  # at 1/2, 1/4, 1/8, 1/16 of the size
DILATIONS = (1, 2, 4, 1)  # at 1/16
HEAD = 16
BATCH = 16
# Weights of samples: next to an edge of the truth; faint rims of shadows; text of scenes; of pages and windows.
EDGE, RIM, SCENE, PAGE = 0.5, 0.1, 0.5, 0.6


class Pool:
    """Pictures and short windows of footage, those of validation apart."""

    def __init__(self, data, draw):
        rows = [line.split("\t") for line in (data / "train/manifest.tsv").read_text().splitlines()]
        entries = [dict(zip(rows[0], row)) for row in rows[1:]]
        photos = [(e["file"], [cv2.imread(str(data / "train/images" / e["file"]))]) for e in entries if e["split"] == "train"]
        order = draw.permutation(len(photos))
        apart = max(4, int(VALIDATED * len(photos)))
        self.photos = {True: [photos[k] for k in order[:apart]], False: [photos[k] for k in order[apart:]]}
        windows = []
        for path in sorted((data / "clips").iterdir()):
            if path.stem.startswith(HELD_OUT):
                continue
            w, h, count = probe(path)
            step = max(FRAMES, count // 10)
            raw = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-vf", f"select=lt(mod(n\\,{step})\\,{FRAMES}),format=bgr24",
                                  "-vsync", "0", "-f", "rawvideo", "-"], capture_output=True, check=True).stdout
            frames = np.frombuffer(raw, np.uint8).reshape(-1, h, w, 3)
            for k in range(0, len(frames) - FRAMES + 1, FRAMES):
                window = [f.copy() for f in frames[k:k + FRAMES]]
                if path.stem.startswith("tokyo_night_neon"):  # carries a mark at its lower right
                    window = [f[:640] for f in window]
                windows.append((path.name, window))
        self.windows = {True: windows[::17], False: [w for n, w in enumerate(windows) if n % 17]}

    def cut(self, draw, kind, is_validation, side):
        """FRAMES pictures of `side` from one place, moving as its camera or an invented one does."""
        pool = (self.photos if kind == "photo" else self.windows)[is_validation]
        best = None
        for _ in range(2):
            _, frames = pool[draw.integers(len(pool))]
            rows, columns = frames[0].shape[:2]
            margin = 10 if kind == "photo" else 0
            need = side + 2 * margin
            # From a small part scaled up, as old footage is, to the whole picture.
            share = np.exp(draw.uniform(np.log(0.6), np.log(max(0.7, min(rows, columns) / need))))
            part = min(int(need * share), rows, columns)
            y, x = int(draw.integers(rows - part + 1)), int(draw.integers(columns - part + 1))
            way = cv2.INTER_AREA if part > need else cv2.INTER_CUBIC
            made = [cv2.resize(f[y:y + part, x:x + part], (need, need), interpolation=way) for f in frames]
            energy = float(np.abs(np.diff(made[0][..., 1].astype(np.float32), axis=0)).mean())
            if best is None or draw.random() < energy / (energy + best[0] + 0.5):
                best = (energy, made)
        made = best[1]
        if draw.random() < 0.5:
            made = [f[:, ::-1] for f in made]
        if draw.random() < 0.3:  # few pictures have to stand for many
            turn = int(draw.integers(1, 4))
            made = [np.rot90(f, turn) for f in made]
        return moved(draw, np.ascontiguousarray(made[0]), side) if kind == "photo" else [np.ascontiguousarray(f) for f in made]


def moved(draw, picture, side):
    """FRAMES parts of `side` of a larger picture, from a still or moving camera."""
    spare = (picture.shape[0] - side) / 2
    speed = draw.uniform(-1, 1, 2) * spare / FRAMES * (draw.random() < 0.75) * draw.random()
    return [cv2.warpAffine(picture, np.float32([[1, 0, -spare + speed[0] * k], [0, 1, -spare + speed[1] * k]]), (side, side))
            for k in range(FRAMES)]


def scene(draw, pool, is_validation, side):
    """FRAMES pictures without an overlay, what a mistake weighs in each sample, and the kind."""
    kind, weight = draw.random(), np.ones((side, side), np.float32)
    if kind < 0.18:
        picture, letters = overlays.page(draw, side + 20)
        weight -= (1 - PAGE) * letters[10:-10, 10:-10]
        return moved(draw, picture, side) if draw.random() < 0.3 else [picture[10:-10, 10:-10]] * FRAMES, weight, "page"
    if kind < 0.26:
        return moved(draw, overlays.structures(draw, side + 20), side), weight, "structures"
    frames = pool.cut(draw, "photo" if kind < 0.71 else "window", is_validation, side)
    if draw.random() < 0.28:
        picture, letters = overlays.scene_text(draw, frames[0])
        change = picture.astype(np.float32) - frames[0]
        step = draw.uniform(-2, 2, 2)
        frames = [np.clip(f + cv2.warpAffine(change, np.float32([[1, 0, k * step[0]], [0, 1, k * step[1]]]), (side, side)), 0,
                          255).astype(np.uint8) for k, f in enumerate(frames)]
        weight -= (1 - SCENE) * cv2.dilate(letters, np.ones((9, 9)))
    if draw.random() < 0.3:
        noise = draw.uniform(0.5, 5)
        frames = [np.clip(f + noise * cv2.randn(np.zeros((side, side), np.float32), 0, 1)[..., None], 0, 255).astype(np.uint8)
                  for f in frames]
    if draw.random() < 0.05:  # bars of a wider picture
        at = int(side * draw.uniform(0.15, 0.85))
        frames = [f.copy() for f in frames]
        for f in frames:
            f[slice(at, None) if at > side / 2 else slice(0, at)] = 0
    return frames, weight, "picture"


def halved(plane, of=np.maximum):
    """A plane at half size: the greatest (or `of`) of each 2 x 2 samples."""
    rows = of(plane[::2], plane[1::2])
    return of(rows[:, ::2], rows[:, 1::2])


def apart_from_plate(picture, strokes, plate):
    """How well strokes can be told from the plate beside them: a black outline on a black plate cannot."""
    beside = (plate & ~strokes).astype(np.float32)
    count = cv2.blur(beside, (9, 9))
    mean = cv2.blur(picture * beside[..., None], (9, 9)) / np.maximum(count, 1e-3)[..., None]
    apart = np.abs(picture - mean).max(2)
    return np.where(strokes & plate & (count > 0.02), np.clip((apart - 6) / 12, 0, 1), 1)


def truth(overlay, clean, marked, weight):
    """At half size: labels (1 strokes, 2 plate) and the weights 0..255 of mistakes."""
    weight = halved(weight, np.minimum)
    if overlay is None:
        return np.zeros(weight.shape, np.uint8), np.uint8(weight * 255)
    strokes = halved(overlay.strokes) >= 0.3
    plate = halved(overlay.plate) >= 0.5
    grown = cv2.dilate(strokes.astype(np.uint8), np.ones((3, 3))) > 0
    weight = np.where(strokes, 1.0, np.where(grown, np.minimum(weight, EDGE), weight))
    weight = np.where(~strokes & (halved(overlay.strokes) > 0.06), np.minimum(weight, RIM), weight)
    # What cannot be seen cannot be found: white letters on a white sky.
    seen = cv2.dilate(cv2.absdiff(marked, clean).max(2), np.ones((9, 9)))
    visible = np.clip((halved(seen).astype(np.float32) - 4) / 12, 0.03, 1)
    weight = np.where(strokes | plate, weight * visible, weight)
    weight *= apart_from_plate(cv2.resize(marked, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), strokes, plate)
    return np.uint8(strokes) | np.uint8(plate) << 1, np.uint8(weight * 255)


def planes(bgr):
    return cv2.cvtColor(np.ascontiguousarray(bgr), cv2.COLOR_BGR2YUV_I420).ravel()


def group(draw, pool, is_validation):
    """Labels, weights and whether they are pages of crops, and the crops after x264."""
    # Some are encoded at twice the size: frames are shown to the network at half size too.
    factor = 2 if draw.random() < 0.1 else 1
    side, crops = SIDE * factor, CROPS // (1 + factor // 2)
    frames, labels, weights, pages = [], [], [], []
    for _ in range(crops):
        clean, weight, kind = scene(draw, pool, is_validation, side)
        over = overlays.overlay(draw, (side, side), factor) if draw.random() < 0.68 else None
        marked = clean if over is None else [np.clip(over.onto(f) + 0.5, 0, 255).astype(np.uint8) for f in clean]
        frames += [planes(f) for f in marked]
        for k in KEPT:
            label, mistake = truth(over, clean[k], marked[k], weight)
            if factor == 2:
                mistake = halved(mistake, np.minimum)
                strokes = halved(label & 1)
                grown = cv2.dilate(strokes, np.ones((3, 3))) > 0
                mistake = np.where(~grown | (strokes > 0), mistake, np.minimum(mistake, EDGE * 255)).astype(np.uint8)
                label = strokes | halved(label >> 1) << 1
            labels.append(label)
            weights.append(mistake)
            pages.append(kind == "page")
    coded = encode(np.stack(frames), side, side, int(draw.integers(17, 31)))
    kept = coded.reshape(crops, FRAMES, -1)[:, list(KEPT)].reshape(len(labels), -1)
    if factor == 2:
        n = side * side
        parts = [(kept[:, :n], side), (kept[:, n:n * 5 // 4], side // 2), (kept[:, n * 5 // 4:], side // 2)]
        small = [[cv2.resize(row.reshape(s, s), (s // 2, s // 2), interpolation=cv2.INTER_AREA).ravel() for row in rows]
                 for rows, s in parts]
        kept = np.concatenate([np.stack(rows) for rows in small], 1)
    return np.stack(labels), np.stack(weights), np.array(pages, np.uint8), kept


def samples(args):
    cv2.setNumThreads(1)
    draw = np.random.default_rng(args.seed)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    pool = Pool(Path(args.data), np.random.default_rng(SEED))
    names = {name for pools in (pool.photos, pool.windows) for part in pools.values() for name, _ in part}
    (out / "sources.json").write_text(json.dumps(sorted(names), indent=1))
    began = time.time()
    for shard in range(args.shards):
        is_validation = shard == 0 and args.seed == SEED
        parts = [group(draw, pool, is_validation) for _ in range(SHARD)]
        name = "validation" if is_validation else f"{args.seed}-{shard:03}"
        # Uncompressed, and named last, so that training can begin while more are made.
        for what, arrays in zip(("label", "weight", "page", "yuv"), zip(*parts)):
            np.save(out / f"{name}.{what}.npy", np.concatenate(arrays))
        print(f"{name}: {sum(len(p[0]) for p in parts)} crops, {time.time() - began:.0f} s", flush=True)
        if time.time() - began > 60 * args.minutes:
            break


def network():
    import torch
    from torch import nn

    class Layer(nn.Sequential):
        """A convolution with batch normalisation, which `export` folds into it."""

        def __init__(self, before, after, size=3, stride=1, dilation=1):
            super().__init__(nn.Conv2d(before, after, size, stride, dilation * (size // 2), dilation, bias=False),
                             nn.BatchNorm2d(after))

    class Text(nn.Module):
        """`[n, 3, h, w]` (Y, U, V; 0..1) -> `[n, 2, h / 2, w / 2]`, logits of strokes and plates."""

        def __init__(self):
            super().__init__()
            a, b, c, d = CHANNELS
            self.down = nn.ModuleList((Layer(3, a, 3, 2), Layer(a, b, 3, 2), Layer(b, c, 3, 2), Layer(c, d, 3, 2)))
            self.middle = Layer(c, c)
            self.deep = nn.ModuleList(Layer(d, d, 3, 1, k) for k in DILATIONS)
            self.up = nn.ModuleList((Layer(d, 4 * c, 1), Layer(c, 4 * b, 1)))
            self.after = nn.ModuleList((Layer(c, c), Layer(b, HEAD)))
            self.last = nn.Conv2d(HEAD, 8, 3, padding=1)
            self.grow = nn.PixelShuffle(2)

        def forward(self, x):
            relu = torch.relu
            quarter = relu(self.down[1](relu(self.down[0](x))))
            eighth = relu(self.down[2](quarter))
            eighth = relu(self.middle(eighth) + eighth)
            y = relu(self.down[3](eighth))
            for layer in self.deep:
                y = relu(layer(y) + y)
            y = relu(self.after[0](relu(self.grow(self.up[0](y)) + eighth)))
            y = relu(self.after[1](relu(self.grow(self.up[1](y)) + quarter)))
            return self.grow(self.last(y))

    return Text()


class Shards:
    """All crops that lie in a folder."""

    def __init__(self, folder, names):
        load = lambda what: [np.load(folder / f"{name}.{what}.npy", mmap_mode=mode) for name in names]
        mode = "r"
        self.yuv, self.label, self.weight, self.page = (load(what) for what in ("yuv", "label", "weight", "page"))
        self.places = [(n, k) for n, part in enumerate(self.label) for k in range(len(part))]

    @staticmethod
    def names(folder):
        return sorted(p.name[:-8] for p in folder.glob("*.yuv.npy"))

    def batch(self, picks, draw, side):
        """Inputs, labels and weights of crops; varied where `draw` is given."""
        x = np.zeros((len(picks), 3, side, side), np.float32)
        wanted, weight = (np.zeros((len(picks), 2, side // 2, side // 2), np.float32) for _ in range(2))
        n, codes = SIDE * SIDE, np.arange(256, dtype=np.float32)
        for row, pick in enumerate(picks):
            part, k = self.places[pick]
            raw = self.yuv[part][k]
            at = draw.integers(0, (SIDE - side) // 2 + 1, 2) * 2 if draw is not None else ((SIDE - side) // 4 * 2,) * 2
            window = (slice(at[0], at[0] + side), slice(at[1], at[1] + side))
            half = tuple(slice(s.start // 2, s.stop // 2) for s in window)
            chroma = [raw[n + c * n // 4:n + (c + 1) * n // 4].reshape(SIDE // 2, SIDE // 2)[half] for c in range(2)]
            light, hue, way, turn = (codes - 16) / 219, (codes - 16) / 224, cv2.INTER_NEAREST, 1
            if draw is not None:
                way, turn = cv2.INTER_LINEAR if draw.random() < 0.3 else way, -1 if draw.random() < 0.5 else 1
                if draw.random() < 0.4:  # another exposure, gamma and saturation
                    light = np.clip(light, 0, 1) ** draw.uniform(0.75, 1.33) * draw.uniform(0.8, 1.05) + draw.uniform(-0.03, 0.05)
                    hue = 0.5 + (hue - 0.5) * draw.uniform(0, 1.3)
                if draw.random() < 0.15:
                    chroma, hue = (chroma[::-1], hue) if draw.random() < 0.5 else (chroma, 1 - hue)
            x[row, 0] = light.astype(np.float32)[raw[:n].reshape(SIDE, SIDE)[window]][:, ::turn]
            for c, plane in enumerate(chroma, 1):
                x[row, c] = cv2.resize(hue.astype(np.float32)[plane], (side, side), interpolation=way)[:, ::turn]
            label = self.label[part][k][half][:, ::turn]
            wanted[row, 0], wanted[row, 1] = label & 1, label >> 1
            weight[row, 0] = self.weight[part][k][half][:, ::turn] * np.float32(1 / 255)
            weight[row, 1] = 0.2 if self.page[part][k] else np.minimum(weight[row, 0] * 4, 1)
        return x, wanted, weight


def figures(net, data, most=700):
    """Recall and precision of strokes at 0.5 (weighted), and of plates, over crops of validation."""
    import torch

    sums = np.zeros((2, 3))
    with torch.no_grad():
        for start in range(0, min(most, len(data.places)), BATCH):
            x, wanted, weight = data.batch(range(start, min(start + BATCH, len(data.places))), None, SHOWN)
            made = net(torch.from_numpy(x)).numpy() > 0
            for c in range(2):
                hit, w = made[:, c], weight[:, c]
                y = wanted[:, c] > 0
                sums[c] += (w * (hit & y)).sum(), (w * y).sum(), (w * hit).sum()
    return sums[:, 0] / np.maximum(sums[:, 1], 1), sums[:, 0] / np.maximum(sums[:, 2], 1)


def unfold(net, path, data):
    """Takes the weights of an exported network, with normalisations that leave its answers over `data` as they are."""
    import onnx
    import torch
    from onnx import numpy_helper
    from torch import nn

    given = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in onnx.load(path).graph.initializer}
    names = {"middle": net.middle, "last": net.last}
    for group in ("down", "deep", "up", "after"):
        names |= {f"{group}{n}": layer for n, layer in enumerate(getattr(net, group))}
    for name, layer in names.items():
        core = layer if isinstance(layer, nn.Conv2d) else layer[0]
        core.weight.data.copy_(given[f"{name}.w"])
        if core is layer:
            core.bias.data.copy_(given[f"{name}.b"])
        else:
            layer[1].bias.data.copy_(given[f"{name}.b"])
            layer[1].running_var.fill_(1 - layer[1].eps)
    sums, hooks = {}, []
    for layer in (layer for layer in names.values() if not isinstance(layer, nn.Conv2d)):
        def add(_, __, made, layer=layer):
            old = sums.setdefault(layer, [0, 0, 0])
            sums[layer] = [old[0] + 1, old[1] + made.double().mean((0, 2, 3)), old[2] + made.double().square().mean((0, 2, 3))]
        hooks.append(layer[0].register_forward_hook(add))
    figures(net.eval(), data, 400)
    for hook in hooks:
        hook.remove()
    for layer, (count, mean, square) in sums.items():
        mean, norm = mean / count, layer[1]
        spread = square / count - mean.square()
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(spread)
        norm.weight.data.copy_((spread + norm.eps).sqrt())
        norm.bias.data.add_(mean.float())
    net.train()


def train(args):
    import torch
    from torch.nn import functional as f

    torch.manual_seed(SEED)
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    folder = Path(args.samples)
    known = [n for n in Shards.names(folder) if n != "validation"]
    validation, training = Shards(folder, ["validation"]), Shards(folder, known)
    net = network().to(memory_format=torch.channels_last)
    if args.start.endswith(".onnx"):
        unfold(net, args.start, validation)
    elif args.start:
        net.load_state_dict(torch.load(folder / args.start, weights_only=True)["net"])
    ema = network().eval()
    ema.load_state_dict(net.state_dict())
    print(f"{sum(p.numel() for p in net.parameters())} parameters, {len(training.places)} crops", flush=True)
    draw = np.random.default_rng(SEED + len(args.start))
    decayed = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW([dict(params=decayed, weight_decay=1e-2), dict(params=others, weight_decay=0)], lr=args.rate)
    cpu = Path("/proc/cpuinfo")
    is_bfloat_fast = cpu.exists() and "avx512_bf16" in cpu.read_text()  # elsewhere it is emulated, twenty times slower
    began, step, saved, running = time.time(), 0, time.time(), 0.0
    while True:
        share = (time.time() - began) / (60 * args.minutes)
        if share >= 1:
            break
        for part in optimiser.param_groups:
            part["lr"] = args.rate * min(1, (step + 1) / 300) * max(0.005, 0.5 * (1 + np.cos(np.pi * share)))
        x, wanted, weight = training.batch(draw.integers(len(training.places), size=BATCH), draw, SHOWN)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_bfloat_fast):
            made = net(torch.from_numpy(x).to(memory_format=torch.channels_last))
        made, wanted, weight = made.float(), torch.from_numpy(wanted), torch.from_numpy(weight)
        # Hard samples count most.
        error = f.binary_cross_entropy_with_logits(made, wanted, reduction="none")
        p = torch.sigmoid(made)
        error = error * weight * (0.2 + (p - wanted).abs().detach())
        entropy = error.mean((0, 2, 3))
        overlap = 1 - (2 * (p * wanted * weight).sum((0, 2, 3)) + 50) / (((p + wanted) * weight).sum((0, 2, 3)) + 50)
        loss = (entropy * 10 + overlap) @ torch.tensor([1.0, 0.3])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        step += 1
        running = loss.item() if step == 1 else 0.99 * running + 0.01 * loss.item()
        with torch.no_grad():
            keep = min(0.998, 1 - 1 / (step + 1))
            for old, new in zip(ema.state_dict().values(), net.state_dict().values()):
                old.copy_(keep * old + (1 - keep) * new if old.is_floating_point() else new)
        if time.time() - saved > 180:
            saved = time.time()
            torch.save(dict(net=ema.state_dict(), step=step), folder / "last.pt")
            recall, precision = figures(ema, validation)
            print(f"{step} {share:.2f} loss {running:.4f} strokes {recall[0]:.4f} / {precision[0]:.4f} plates {recall[1]:.3f} / "
                  f"{precision[1]:.3f}", flush=True)
            more = [n for n in Shards.names(folder) if n not in known and n != "validation"]
            if more:
                known += more
                training = Shards(folder, known)
                print(f"{len(training.places)} crops", flush=True)
    torch.save(dict(net=ema.state_dict(), step=step), folder / "last.pt")
    recall, precision = figures(ema, validation)
    print(f"{step} steps of {BATCH}; strokes {recall[0]:.4f} / {precision[0]:.4f}, plates {recall[1]:.3f} / {precision[1]:.3f}")


def write(net, path):
    """The network as ONNX, its normalisations folded into its convolutions."""
    from onnx import TensorProto, checker, helper, numpy_helper, save

    nodes, constants = [], []

    def conv(name, x, layer):
        core = layer if hasattr(layer, "weight") else layer[0]
        weight, bias = core.weight.detach().double(), core.bias.detach().double() if core.bias is not None else None
        if core is not layer:
            norm = layer[1]
            gain = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
            weight, bias = weight * gain[:, None, None, None], norm.bias.detach().double() - norm.running_mean.double() * gain
        constants.extend(numpy_helper.from_array(a.float().numpy(), f"{name}.{k}") for a, k in ((weight, "w"), (bias, "b")))
        nodes.append(helper.make_node("Conv", [x, f"{name}.w", f"{name}.b"], [name], kernel_shape=core.kernel_size,
                                      strides=core.stride, pads=core.padding * 2, dilations=core.dilation))
        return name

    def op(kind, name, *inputs, **attributes):
        nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    count = iter(range(99))
    relu = lambda y: op("Relu", f"relu{next(count)}", y)
    plus = lambda a, b: relu(op("Add", f"add{next(count)}", a, b))
    grow = lambda y: op("DepthToSpace", f"grow{next(count)}", y, blocksize=2, mode="CRD")
    quarter = relu(conv("down1", relu(conv("down0", "x", net.down[0])), net.down[1]))
    eighth = relu(conv("down2", quarter, net.down[2]))
    eighth = plus(conv("middle", eighth, net.middle), eighth)
    y = relu(conv("down3", eighth, net.down[3]))
    for n, layer in enumerate(net.deep):
        y = plus(conv(f"deep{n}", y, layer), y)
    y = relu(conv("after0", plus(grow(conv("up0", y, net.up[0])), eighth), net.after[0]))
    y = relu(conv("after1", plus(grow(conv("up1", y, net.up[1])), quarter), net.after[1]))
    op("Sigmoid", "y", grow(conv("last", y, net.last)))
    port = lambda name, channels, *sides: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", channels, *sides])
    graph = helper.make_graph(nodes, "text", [port("x", 3, "height", "width")], [port("y", 2, "half_height", "half_width")], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    model.producer_name = "cleanplate train/text.py"
    checker.check_model(model, full_check=True)
    save(model, path)


def export(args):
    import onnxruntime
    import torch

    folder, net = Path(args.samples), network().eval()
    state = torch.load(folder / args.weights, weights_only=True)
    net.load_state_dict(state["net"])
    out = Path(args.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    write(net, out)
    x = np.random.default_rng(SEED).random((2, 3, 96, 128), np.float32)
    given = onnxruntime.InferenceSession(str(out)).run(None, {"x": x})[0]
    with torch.no_grad():
        wanted = torch.sigmoid(net(torch.from_numpy(x))).numpy()
    print(f"{out}: {out.stat().st_size} bytes after {state['step']} steps, off by {np.abs(given - wanted).max():.1e}")
    recall, precision = figures(net, Shards(folder, ["validation"]), 10**9)
    print(f"validation: strokes {recall[0]:.4f} / {precision[0]:.4f}, plates {recall[1]:.3f} / {precision[1]:.3f}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = p.add_subparsers(required=True)
    s = sub.add_parser("samples")
    s.add_argument("--data", default=str(ROOT.parent / "shared/testdata"))
    s.add_argument("--out", default="/tmp/text")
    s.add_argument("--shards", type=int, default=60)
    s.add_argument("--minutes", type=float, default=12, help="stop after these")
    s.add_argument("--seed", type=int, default=SEED, help="another one adds to what is there")
    s.set_defaults(run=samples)
    s = sub.add_parser("train")
    s.add_argument("--samples", default="/tmp/text")
    s.add_argument("--minutes", type=float, default=60)
    s.add_argument("--threads", type=int, default=1)
    s.add_argument("--rate", type=float, default=3e-3)
    s.add_argument("--start", default="", help="weights to go on from: a file of the folder, or an exported network")
    s.set_defaults(run=train)
    s = sub.add_parser("export")
    s.add_argument("--samples", default="/tmp/text")
    s.add_argument("--weights", default="last.pt")
    s.add_argument("--out", default=str(ROOT / "crates/cleanplate/networks/text.onnx"))
    s.set_defaults(run=export)
    s = sub.add_parser("measure")
    s.add_argument("--data", default=str(ROOT.parent / "shared/testdata"))
    s.add_argument("--network", default=str(ROOT / "crates/cleanplate/networks/text.onnx"))
    s.add_argument("--boxes", help="a DBNet-type text detector to compare with")
    s.add_argument("--segments", type=int, default=2, help="of each clip")
    s.add_argument("--sheets", help="folder for pictures of what was found")
    s.set_defaults(run=text_figures.measure)
    args = p.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
