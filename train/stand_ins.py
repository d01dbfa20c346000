#!/usr/bin/env python3
"""Writes the small networks that the tests of cleanplate-infer stand on.

    pip install onnx onnxruntime
    train/stand_ins.py

Nothing is learned: the weights are written down here, or drawn from the seed below. `crates/infer/tests/data/README.md` says
what each network does. ONNX Runtime computes the golden output that every runtime is compared with before it is used.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, checker, helper, numpy_helper

CRATE = Path(__file__).resolve().parent.parent / "crates" / "infer"
SEED = 20261121
SIDE = 160
STRIDES = (8, 16, 32)


class Graph:
    """Nodes and constants of a network in the making."""

    def __init__(self):
        self.nodes, self.constants, self.names = [], [], 0

    def name(self):
        self.names += 1
        return f"t{self.names}"

    def const(self, value, dtype=np.float32):
        name = self.name()
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def ints(self, *values):
        return self.const(values, np.int64)

    def __call__(self, op, *inputs, outputs=1, out=None, **attributes):
        names = [out] if out else [self.name() for _ in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if len(names) == 1 else names

    def write(self, path, inputs, outputs, kind=TensorProto.FLOAT):
        port = lambda item: helper.make_tensor_value_info(item[0], kind, item[1])
        graph = helper.make_graph(
            self.nodes, path.stem, [port(i) for i in inputs], [port(o) for o in outputs], self.constants
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        model.producer_name = "cleanplate stand-in"
        checker.check_model(model, full_check=True)
        onnx.save(model, path)
        print(f"{path.name}: {path.stat().st_size} bytes")


def golden():
    """Every operator that detectors and inpainting networks are made of, once, on a small input."""
    g, rng = Graph(), np.random.default_rng(SEED)
    weights = lambda *shape: g.const(rng.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape))
    conv = lambda x, w, n, stride=1, group=1, dilation=1: g(
        "Conv", x, w, weights(n), strides=[stride] * 2, pads=[dilation] * 4, group=group, dilations=[dilation] * 2,
        kernel_shape=[3, 3],
    )
    x = conv("x", weights(8, 3, 3, 3), 8, stride=2)
    x = g("Mul", x, g("Sigmoid", x))
    y = conv(x, weights(8, 1, 3, 3), 8, group=8)
    y = g("LeakyRelu", y, alpha=0.1)
    y = conv(y, weights(8, 8, 3, 3), 8, dilation=1)
    x = g("Add", x, g("Relu", y))
    pooled = g("MaxPool", x, kernel_shape=[5, 5], strides=[1, 1], pads=[2, 2, 2, 2])
    x = g("Concat", x, pooled, axis=1)
    half = conv(x, weights(8, 16, 3, 3), 8, stride=2)
    up = g("Resize", half, "", g.const([1, 1, 2, 2]), mode="nearest", coordinate_transformation_mode="asymmetric",
           nearest_mode="floor")
    soft = g("Resize", half, "", g.const([1, 1, 2, 2]), mode="linear", coordinate_transformation_mode="half_pixel")
    turned = g("ConvTranspose", half, weights(8, 8, 4, 4), weights(8), strides=[2, 2], pads=[1, 1, 1, 1],
               kernel_shape=[4, 4])
    x = g("Concat", up, soft, turned, axis=1)
    first, second = g("Split", x, g.ints(12, 12), outputs=2, axis=1)
    x = g("Tanh", g("Sub", first, second))
    x = g("Pad", x, g.ints(0, 0, 1, 1, 0, 0, 1, 1), mode="reflect")
    x = g("Slice", x, g.ints(1, 1), g.ints(17, 17), g.ints(2, 3))
    x = g("Reshape", x, g.ints(1, 12, 256))
    keys = g("MatMul", g("Transpose", x, perm=[0, 2, 1]), weights(12, 12))
    x = g("MatMul", g("Softmax", g("MatMul", keys, x), axis=2), g("Transpose", x, perm=[0, 2, 1]))
    mean = g("ReduceMean", x, axes=[2], keepdims=1)
    x = g("Sub", x, mean)
    x = g("Div", x, g("Sqrt", g("Add", g("ReduceMean", g("Mul", x, x), axes=[2], keepdims=1), g.const(1e-3))))
    g("Exp", g("Clip", x, g.const(-3), g.const(3)), out="y")
    path = CRATE / "golden" / "net.onnx"
    g.write(path, [("x", [1, 3, 32, 32])], [("y", [1, 256, 12])])
    x = rng.uniform(0, 1, (1, 3, 32, 32)).astype(np.float32)
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"x": x})
    (CRATE / "golden" / "x.f32").write_bytes(x.tobytes())
    (CRATE / "golden" / "y.f32").write_bytes(y.astype(np.float32).tobytes())


def seen(g, image, scale, red, blue):
    """How magenta every pixel is (1 = a mark), and the left, top, right and bottom side of all that is."""
    channel = lambda n: g("Slice", image, g.ints(n), g.ints(n + 1), g.ints(1))
    excess = g("Sub", g("Min", channel(red), channel(blue)), channel(1))
    mark = g("Clip", g("Mul", g("Sub", excess, g.const(0.3 * scale)), g.const(20 / scale)), g.const(0), g.const(1))
    steps = np.arange(SIDE, dtype=np.float32)
    across, down = steps.reshape(1, 1, 1, SIDE), steps.reshape(1, 1, SIDE, 1)
    most = lambda weight: g("ReduceMax", g("Mul", mark, g.const(weight)), axes=[1, 2, 3], keepdims=1)
    far = [most(SIDE - across), most(SIDE - down), most(across + 1), most(down + 1)]
    left, top = (g("Sub", g.const(SIDE), side) for side in far[:2])
    return mark, [left, top, far[2], far[3]]


def cells(g, mark):
    """The score of every cell of the three grids, [n,1,cells], with each cell's column, row and stride."""
    flat, grid = [], []
    for stride in STRIDES:
        pooled = g("MaxPool", mark, kernel_shape=[stride] * 2, strides=[stride] * 2)
        flat.append(g("Reshape", pooled, g.ints(0, 1, -1)))
        n = SIDE // stride
        rows, columns = np.mgrid[:n, :n]
        grid.append(np.stack([columns.ravel(), rows.ravel(), np.full(n * n, stride)]))
    return g("Concat", *flat, axis=2), np.concatenate(grid, axis=1).astype(np.float32)


def flat_sides(g, sides):
    return [g("Reshape", side, g.ints(0, 1, 1)) for side in sides]


def centred(g, sides):
    left, top, right, bottom = sides
    middle = lambda a, b: g("Mul", g("Add", a, b), g.const(0.5))
    return [middle(left, right), middle(top, bottom), g("Sub", right, left), g("Sub", bottom, top)]


def detector(kind):
    """A detector of one magenta mark with the head of `kind`."""
    g, batch = Graph(), "n" if kind == "v8" else 1
    scale, red, blue = (255.0, 2, 0) if kind == "yolox" else (1.0, 0, 2)
    image = "images"
    if kind == "quantised":
        codes, unit, zero = g("DynamicQuantizeLinear", image, outputs=3)
        image = g("DequantizeLinear", codes, unit, zero)
    mark, sides = seen(g, image, scale, red, blue)
    score, grid = cells(g, mark)
    score = g("Mul", score, g.const(0.9))
    n = grid.shape[1]
    everywhere = lambda value: g("Add", g("Mul", score, g.const(0)), value)
    sides = flat_sides(g, sides)
    other = g("Mul", score, g.const(0.25))
    if kind in ("v8", "quantised"):
        rows = [everywhere(v) for v in centred(g, sides)] + [other, score]
        g("Concat", *rows, axis=1, out="output0")
        shape = [batch, 6, n]
    elif kind == "v5":
        rows = [everywhere(v) for v in centred(g, sides)] + [score, everywhere(g.const(0.25)), everywhere(g.const(0.9))]
        one = g("Transpose", g("Concat", *rows, axis=1), perm=[0, 2, 1])
        g("Concat", one, one, one, axis=1, out="output0")
        shape = [1, 3 * n, 7]
    elif kind == "yolox":
        x, y, w, h = (everywhere(v) for v in centred(g, sides))
        column, row, stride = (g.const(v.reshape(1, 1, n)) for v in grid)
        offset = lambda v, cell: g("Sub", g("Div", v, stride), cell)
        extent = lambda v: g("Log", g("Max", g("Div", v, stride), g.const(1e-3)))
        rows = [offset(x, column), offset(y, row), extent(w), extent(h), score, everywhere(g.const(0.9))]
        g("Transpose", g("Concat", *rows, axis=1), perm=[0, 2, 1], out="output0")
        shape = [1, n, 6]
    else:
        best = g("ReduceMax", score, axes=[2], keepdims=1)
        row = g("Concat", *sides, best, g("Mul", best, g.const(0)), axis=2)
        g("Concat", row, g.const(np.zeros((1, 9, 6))), axis=1, out="output0")
        shape = [1, 10, 6]
    g.write(CRATE / "tests" / "data" / f"detector_{kind}.onnx", [("images", [batch, 3, SIDE, SIDE])],
            [("output0", shape)])


def inpainter(name, side, reach, top, together=False):
    """Fills a mask by the mean of what is known within `reach` pixels."""
    g = Graph()
    image, mask = "image", "mask"
    if together:
        image, mask = g("Split", "input", g.ints(3, 1), outputs=2, axis=1)
    known = g("Sub", g.const(1), mask)
    across = lambda v: g("AveragePool", v, kernel_shape=[1, 2 * reach + 1], strides=[1, 1], pads=[0, reach, 0, reach],
                         count_include_pad=1)
    mean = lambda v: g("AveragePool", across(v), kernel_shape=[2 * reach + 1, 1], strides=[1, 1],
                       pads=[reach, 0, reach, 0], count_include_pad=1)
    fill = g("Div", mean(g("Mul", image, known)), g("Add", mean(known), g.const(1e-4)))
    whole = g("Add", g("Mul", image, known), g("Mul", fill, mask))
    g("Mul", whole, g.const(top), out="output")
    size = [side, side] if side else ["h", "w"]
    batch = 1 if side else "n"
    inputs = [("image", [batch, 3, *size]), ("mask", [batch, 1, *size])]
    inputs = [("input", [batch, 4, *size])] if together else inputs
    g.write(CRATE / "tests" / "data" / f"{name}.onnx", inputs,
            [("output", [batch, 3, *size])])


def text_detector(name, side=None, channels=1, shrink=1, sigmoid=True):
    """Cores of boxes of text: where much that is light stands beside much that is dark, shrunken as DBNet's maps are.

    Strokes are what lies far from the mean of its surroundings; where they are dense, text is. The input is normalised as PaddleOCR
    does it; the weights undo that. Blue comes first.
    """
    g, reach = Graph(), 12
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    luma = g("Conv", "x", g.const((deviation * (0.114, 0.587, 0.299)).reshape(1, 3, 1, 1)),
             g.const([(mean * (0.114, 0.587, 0.299)).sum()]), kernel_shape=[1, 1], strides=[1, 1], pads=[0, 0, 0, 0])
    across = lambda v, n: g("AveragePool", v, kernel_shape=[1, 2 * n + 1], strides=[1, 1], pads=[0, n, 0, n], count_include_pad=0)
    down = lambda v, n: g("AveragePool", v, kernel_shape=[2 * n + 1, 1], strides=[1, 1], pads=[n, 0, n, 0], count_include_pad=0)
    far = g("Abs", g("Sub", luma, down(across(luma, reach), reach)))
    stroke = g("Clip", g("Mul", g("Sub", far, g.const(0.3)), g.const(20)), g.const(0), g.const(1))
    dense = down(across(stroke, reach), 3)
    if shrink > 1:
        dense = g("MaxPool", dense, kernel_shape=[shrink] * 2, strides=[shrink] * 2)
    score = g("Mul", g("Sub", dense, g.const(0.35)), g.const(60))
    if sigmoid:
        score = g("Sigmoid", score)
    if channels == 2:
        score = g("Concat", score, g("Add", g("Mul", score, g.const(0)), g.const(0.3)), axis=1)
    g("Mul", score, g.const(1), out="y")
    size = [side, side] if side else ["h", "w"]
    batch = 1 if side else "n"
    shape = [batch, channels, *([side // shrink] * 2 if side else ["oh", "ow"])]
    g.write(CRATE / "tests" / "data" / f"{name}.onnx", [("x", [batch, 3, *size])], [("y", shape)])


def upscaler(name, channels, factor, side=None, cubic=False, half=False):
    """Every sample `factor` times as large, by repeating it; `cubic` enlarges by that filter instead, `half` computes on 16 bits.

    The convolution of one of fixed size leaves its strides to the default.
    """
    g = Graph()
    if cubic:
        scales = g.const([1, 1, factor, factor])
        g("Resize", "x", "", scales, mode="cubic", coordinate_transformation_mode="half_pixel", cubic_coeff_a=-0.75, out="y")
    else:
        weights = np.repeat(np.eye(channels), factor * factor, 0).reshape(-1, channels, 1, 1)
        strides = {} if side else {"strides": [1, 1]}
        spread = g("Conv", "x", g.const(weights, np.float16 if half else np.float32), kernel_shape=[1, 1], pads=[0] * 4, **strides)
        wide = g("Cast", g("DepthToSpace", spread, blocksize=factor, mode="CRD"), to=TensorProto.FLOAT)
        last = g("Clip", wide, g.const(0), g.const(1), out=None if half else "y")
        if half:
            g("Cast", last, to=TensorProto.FLOAT16, out="y")
    size = [side, side] if side else ["h", "w"]
    larger = [factor * side] * 2 if side else ["oh", "ow"]
    batch = 1 if side else "n"
    g.write(CRATE / "tests" / "data" / f"{name}.onnx", [("x", [batch, channels, *size])], [("y", [batch, channels, *larger])],
            TensorProto.FLOAT16 if half else TensorProto.FLOAT)


if __name__ == "__main__":
    golden()
    for kind in ("v5", "v8", "yolox", "nms", "quantised"):
        detector(kind)
    inpainter("inpainter_any", None, 24, 1.0)
    inpainter("inpainter_fixed", 128, 24, 255.0)
    inpainter("inpainter_together", None, 24, 1.0, together=True)
    upscaler("upscaler_rgb", 3, 3)
    upscaler("upscaler_fixed", 1, 2, side=24)
    upscaler("upscaler_half", 3, 2, half=True)
    upscaler("upscaler_cubic", 1, 2, cubic=True)
    text_detector("text_any")
    text_detector("text_fixed", side=320, channels=2, shrink=2, sigmoid=False)
