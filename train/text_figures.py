"""Figures of `text.py`'s network over footage that it was not trained on, with captions that libass draws in fixed styles."""

import subprocess
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from fill import HELD_OUT
from planar import encode, probe

CRF = 20
SHOWN = (2, 5)  # frames of a segment that are looked at
SEGMENT = 6
ROWS = 760  # taller frames are shown to the network at half size
MARGIN = 2  # samples around the truth that count neither way
BINS = 40
ALSO_CLEAN = ("tokyo_night_neon_720p15",)
SCREENS = ("pdf_scroll", "ui_screencast")  # where text is the picture

TEXTS = [
    ("Where were you last night?", "I told you: at home.\\NAll evening.", "DejaVu Sans"),
    ("昨天晚上你在哪里？", "我一直在家里，\\N哪里也没去。", "Noto Sans CJK SC"),
    ("Где ты был вчера вечером?", "Дома, как всегда.\\NА что случилось?", "Liberation Sans"),
    ("昨日の夜はどこにいましたか", "ずっと家にいたよ。\\N本当だってば。", "Noto Sans CJK JP"),
    ("أين كنت ليلة أمس؟", "كنت في البيت\\Nطوال المساء", "DejaVu Sans"),
    ("Little by little, one travels far", "Nobody knows the way\\Nbetter than you do.", "Open Sans"),
    ("어젯밤에 어디 있었어요?", "집에 있었어요.\\N정말이에요.", "Noto Sans CJK KR"),
]

# Style: height in 1000ths of the picture's, colour, outline colour, back colour (&HAABBGGRR), bold, border style, outline, shadow in
# 1000ths, and what is said: override tags before the first and the second text, placed.
WHITE, BLACK, NONE = "&H00FFFFFF", "&H00000000", "&HFF000000"
STYLES = {
    "white + outline": (52, WHITE, BLACK, NONE, 0, 1, 3, 0, ["{\\an2}$2"]),
    "yellow + shadow": (50, "&H0000E6FF", BLACK, "&H40000000", 1, 1, 0, 3, ["{\\an2}$2"]),
    "translucent plate": (46, WHITE, "&H70000000", NONE, 0, 3, 9, 0, ["{\\an2}$1"]),
    "two lines": (46, WHITE, BLACK, "&H60000000", 0, 1, 2, 2, ["{\\an8\\c&HF0D060&}$1", "{\\an2}$1"]),
    "small low-contrast": (25, "&H60B0B0B0", NONE, NONE, 0, 1, 0, 0, ["{\\an1}$1", "{\\an9}$1"]),
    "karaoke": (56, WHITE, BLACK, NONE, 1, 1, 3, 0, ["{\\an2\\c&H30C8FF&}$1{\\c&HFFFFFF&} $1"]),
    "half faded": (52, "&H80FFFFFF", "&H80000000", NONE, 0, 1, 3, 0, ["{\\an2}$2"]),
    "top and side": (40, WHITE, "&H00303030", NONE, 0, 1, 2, 0, ["{\\an8}$1", "{\\an4}$2"]),
}


def drawn(style, texts, w, h, colours=None):
    """What libass draws: colour times alpha, and alpha."""
    size, first, second, back, bold, border, outline, shadow, lines = STYLES[style]
    if colours:
        first, second, back = colours
    px = h / 1000
    head = (f"[Script Info]\nScriptType: v4.00+\nPlayResX: {w}\nPlayResY: {h}\nWrapStyle: 2\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize,"
            " PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing,"
            " Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding\n"
            f"Style: D,{texts[2]},{size * px * 1.45:.1f},{first},{first},{second},{back},{-bold},0,0,0,100,100,0,0,{border},"
            f"{outline * px:.2f},{shadow * px:.2f},2,{w // 40},{w // 40},{h // 18},1\n\n[Events]\n"
            "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n")
    events = "".join("Dialogue: 0,0:00:00.00,0:01:00.00,D,,0,0,0,," + line.replace("$1", texts[0]).replace("$2", texts[1]) + "\n"
                     for line in lines)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c.ass"
        path.write_text(head + events)
        over = {}
        for ground in ("black", "white"):
            raw = subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"color={ground}:s={w}x{h}:d=1:r=1,format=bgr24",
                                  "-vf", f"ass={path}", "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "bgr24", "-"],
                                 capture_output=True, check=True).stdout
            over[ground] = np.frombuffer(raw, np.uint8).reshape(h, w, 3).astype(np.float32)
    return over["black"], 1 - (over["white"] - over["black"]).mean(2) / 255


def captioned(style, texts, w, h):
    """The overlay of a style, and where its strokes are."""
    colour, alpha = drawn(style, texts, w, h)
    letters = alpha
    if STYLES[style][5] == 3:  # a plate is no stroke
        _, letters = drawn(style, texts, w, h, (WHITE, NONE, NONE))
    return colour, alpha, letters >= 0.3 * letters.max()


def segments(path):
    """Two runs of SEGMENT frames, at the first and the second third of a clip, at most 1080 rows."""
    w, h, count = probe(path)
    starts = [count // 3, min(2 * count // 3, count - SEGMENT)]
    picked = "+".join(f"between(n\\,{s}\\,{s + SEGMENT - 1})" for s in starts)
    if h > 1200:
        w, h = w // 2, h // 2
    w, h = w // 2 * 2, h // 2 * 2
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-vf", f"select={picked},scale={w}:{h}:flags=area,format=bgr24", "-vsync",
                          "0", "-f", "rawvideo", "-"], capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, SEGMENT, h, w, 3)


def coded(frames):
    """4:2:0 planes after x264 of the frames that are looked at."""
    h, w = frames[0].shape[:2]
    raw = encode(np.stack([cv2.cvtColor(f, cv2.COLOR_BGR2YUV_I420).ravel() for f in frames]), w, h, CRF)
    for k in SHOWN:
        y, u, v = np.split(raw[k], [w * h, w * h * 5 // 4])
        yield y.reshape(h, w), u.reshape(h // 2, w // 2), v.reshape(h // 2, w // 2)


def network_input(y, u, v):
    """The network's input for 8-bit planes of limited range, and the size that is shown of the frame."""
    h, w = y.shape
    if h > ROWS:
        h, w = h // 4 * 2, w // 4 * 2
        y = cv2.resize(y, (w, h), interpolation=cv2.INTER_AREA)
    up = lambda c: cv2.resize(c, (w, h), interpolation=cv2.INTER_NEAREST if c.shape[0] * 2 == h else cv2.INTER_AREA)
    x = np.stack([(y.astype(np.float32) - 16) / 219, *((up(c).astype(np.float32) - 16) / 224 for c in (u, v))])
    return np.pad(x, ((0, 0), (0, -h % 16), (0, -w % 16)), "edge")[None], (h, w)


class Ours:
    name = "text.onnx"

    def __init__(self, path):
        self.session = session(path)

    def __call__(self, y, u, v):
        x, (h, w) = network_input(y, u, v)
        p = self.session.run(None, {"x": x})[0][0, 0]
        return cv2.resize(p, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)[:h, :w]


class Boxes:
    """A DBNet-type detector, its shrunken cores grown back to boxes of text."""

    def __init__(self, path):
        self.session, self.name = session(path), path.name

    def __call__(self, y, u, v):
        bgr = cv2.cvtColor(np.concatenate([y.ravel(), u.ravel(), v.ravel()]).reshape(-1, y.shape[1]), cv2.COLOR_YUV2BGR_I420)
        h, w = y.shape
        if h > ROWS:
            h, w = h // 4 * 2, w // 4 * 2
        x = cv2.resize(bgr, (w // 32 * 32, h // 32 * 32), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        x = (x - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
        p = self.session.run(None, {self.session.get_inputs()[0].name: x.transpose(2, 0, 1)[None].astype(np.float32)})[0][0, 0]
        out = np.zeros_like(p)
        for ring in cv2.findContours((p > 0.3).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]:
            box = cv2.minAreaRect(ring)
            (cx, cy), (a, b), turn = box
            if min(a, b) < 2:
                continue
            grow = a * b * 1.6 / (a + b)  # 1.6 times area over half the perimeter, both sides
            cv2.fillPoly(out, [np.int32(cv2.boxPoints(((cx, cy), (a + grow, b + grow), turn)))], 1.0)
        return cv2.resize(out, (w, h), interpolation=cv2.INTER_NEAREST)


def session(path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options)


def counts(p, strokes):
    """How many samples of strokes, and of elsewhere, have each probability."""
    around = cv2.dilate(strokes.astype(np.uint8), np.ones((2 * MARGIN + 1, 2 * MARGIN + 1))) > 0
    bins = np.minimum((p * BINS).astype(int), BINS - 1)
    return np.stack([np.bincount(bins[where], minlength=BINS) for where in (strokes, ~around)])


def rates(c, at):
    hit, false = c[0, at:].sum(), c[1, at:].sum()
    return hit / max(c[0].sum(), 1), hit / max(hit + false, 1)


def table(sums, title):
    print(f"\n| {title} | recall, precision at 0.5 | best | at |\n|---|---|---|---|")
    for name, c in sums.items():
        harmonic = [2 * r * p / max(r + p, 1e-9) for r, p in (rates(c, k) for k in range(1, BINS))]
        best = 1 + int(np.argmax(harmonic))
        print("| {} | {:.3f}, {:.3f} | {:.3f}, {:.3f} | {:.2f} |".format(name, *rates(c, BINS // 2), *rates(c, best), best / BINS))


def measure(args):
    cv2.setNumThreads(1)
    data = Path(args.data)
    clips = {p.stem: p for p in sorted((data / "clips").iterdir()) if p.stem.startswith(HELD_OUT) or p.stem in ALSO_CLEAN}
    finders = [Ours(args.network)]
    if args.boxes:
        finders.append(Boxes(Path(args.boxes)))
    by_style, by_clip, by_footage, clean = ({f.name: {} for f in finders} for _ in range(4))
    sheets = Path(args.sheets) if args.sheets else None
    for n, (name, path) in enumerate(clips.items()):
        for segment in segments(path)[:args.segments]:
            h, w = segment.shape[1:3]
            for style in [None, *(() if name in ALSO_CLEAN else STYLES)]:
                frames, strokes = segment, np.zeros((h, w), bool)
                if style:
                    colour, alpha, strokes = captioned(style, TEXTS[(n + len(style)) % len(TEXTS)], w, h)
                    frames = [np.clip(f * (1 - alpha[..., None]) + colour + 0.5, 0, 255).astype(np.uint8) for f in segment]
                if h > ROWS:
                    strokes = cv2.resize(strokes.astype(np.float32), (w // 4 * 2, h // 4 * 2), interpolation=cv2.INTER_AREA) >= 0.3
                for y, u, v in coded(frames):
                    for f in finders:
                        p = f(y, u, v)
                        if style is None:
                            clean[f.name].setdefault(name, []).append(100 * (p > 0.5).mean())
                            continue
                        c = counts(p, strokes)
                        for sums, key in ((by_style, style), (by_clip, name), (by_footage, style)):
                            if sums is not by_footage or not name.startswith(SCREENS):
                                sums[f.name][key] = sums[f.name].get(key, 0) + c
                if sheets:
                    sheet(sheets, f"{name}-{style or 'clean'}".replace(" ", "_"), finders[0], (y, u, v), strokes)
    for f in finders:
        print(f"\n## {f.name}")
        table(by_style[f.name] | {"all": sum(by_style[f.name].values())}, "style")
        table(by_footage[f.name] | {"all": sum(by_footage[f.name].values())}, "style, without screens")
        table(by_clip[f.name], "clip")
        print("\n| clean clip | % of samples reported | worst frame |\n|---|---|---|")
        for name, shares in clean[f.name].items():
            print(f"| {name} | {np.mean(shares):.3f} | {np.max(shares):.3f} |")
        y, u, v = np.full((544, 960), 99, np.uint8), *(np.full((272, 480), 128, np.uint8),) * 2
        times = []
        for _ in range(15):
            began = time.perf_counter()
            f(y, u, v)
            times.append(time.perf_counter() - began)
        print(f"\n{1e3 * min(times):.1f} ms a frame of 960x544 with input and output, one thread of ONNX Runtime")


def sheet(folder, name, ours, planes, strokes):
    """The frame and what the network says of it, side by side; the truth's missed samples red, false finds green."""
    folder.mkdir(parents=True, exist_ok=True)
    p = ours(*planes)
    y, u, v = planes
    bgr = cv2.cvtColor(np.concatenate([y.ravel(), u.ravel(), v.ravel()]).reshape(-1, y.shape[1]), cv2.COLOR_YUV2BGR_I420)
    bgr = cv2.resize(bgr, p.shape[::-1], interpolation=cv2.INTER_AREA)
    said = cv2.cvtColor(np.uint8(p * 255), cv2.COLOR_GRAY2BGR)
    around = cv2.dilate(strokes.astype(np.uint8), np.ones((5, 5))) > 0
    said[strokes & (p < 0.5)] = (0, 0, 255)
    said[~around & (p >= 0.5)] = (0, 255, 0)
    cv2.imwrite(str(folder / f"{name}.png"), np.hstack([bgr, said]))
