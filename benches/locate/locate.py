#!/usr/bin/env python3
"""How well persistent marks are located: composites six kinds of marks on clean clips, encodes them with x264, runs the
`locate` example of cleanplate-core over every file and prints a table of what was found, missed and wrongly found.

  locate.py build CLIPS CASES [--layouts 2]      composite and encode (needs numpy, pillow, ffmpeg)
  locate.py run   CLIPS CASES [--marked DIR]     locate in every case, every clean clip and every really marked clip

CLIPS is a folder of clean clips, CASES a folder for the composited ones. Truth boxes lie beside each case as JSON.
"""
import argparse, json, os, random, subprocess, tempfile
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FONTS = "/usr/share/fonts/truetype/dejavu/"
KINDS = ["logo", "soft", "glass", "thin", "outline", "bug"]
MOVING = ["bmx", "crystal", "dim_room", "cactus", "dashcam"]
SLOWER = ["tokyo", "highway", "cups", "portrait"]
FRAMES = int(os.environ.get("FRAMES", 300))
# Marks that the "clean" clips carry by themselves: they are not false when found, and missed when not.
REAL = {"tokyo_night_neon_720p15": [(1163, 664, 85, 21)]}


def probe(path):
    out = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries",
                          "stream=width,height,r_frame_rate,pix_fmt", "-of", "json", path], capture_output=True, text=True)
    s = json.loads(out.stdout)["streams"][0]
    return s["width"], s["height"], s["r_frame_rate"], s["pix_fmt"]


def layer(h, w, draw, ss=4):
    import numpy as np
    from PIL import Image, ImageDraw
    im = Image.new("L", (w * ss, h * ss), 0)
    draw(ImageDraw.Draw(im), ss)
    return np.asarray(im.resize((w, h), Image.BOX), np.float32) / 255


def blur(a, sigma):
    import numpy as np
    r = int(3 * sigma) + 1
    k = np.exp(-np.arange(-r, r + 1) ** 2 / (2 * sigma * sigma))
    k /= k.sum()
    a = np.apply_along_axis(lambda v: np.convolve(v, k, "same"), 0, a)
    return np.apply_along_axis(lambda v: np.convolve(v, k, "same"), 1, a).astype(np.float32)


def paint(kind, width, rng, luma):
    """Alpha and premultiplied Y, U, V of one mark (rasters of its own size); `width` is the clip's, `luma` of the place."""
    import numpy as np
    from PIL import ImageFont
    size = rng.uniform(0.8, 1.25)
    pad = 6

    def font(name, px):
        return ImageFont.truetype(FONTS + name, max(6, int(px)))

    def text(h, w, s, name, px, stroke=0):
        return layer(h, w, lambda d, k: d.text((w / 2 * k, h / 2 * k), s, 255, font(name, px * k), anchor="mm", stroke_width=int(stroke * k)))

    def over(base, alpha, yuv):
        a, p = base
        return a + alpha * (1 - a), [q * (1 - alpha) + alpha * c for q, c in zip(p, yuv)]

    def blank(h, w):
        z = np.zeros((h, w), np.float32)
        return z, [z, z, z]

    white, black = (235, 128, 128), (16, 128, 128)
    colour = rng.choice([(150, 44, 142), (82, 90, 240), (41, 240, 110), (106, 52, 204), (145, 54, 34), (170, 166, 16)])
    word = rng.choice(["TV7", "NORD", "Vega", "K-21", "Arte9"])
    if kind == "logo":  # opaque plate with opaque letters
        w, h = int(width * 0.085 * size), int(width * 0.045 * size)
        m = blank(h + 2 * pad, w + 2 * pad)
        H, W = m[0].shape
        plate = layer(H, W, lambda d, k: d.rounded_rectangle([pad * k, pad * k, (W - pad) * k, (H - pad) * k], radius=h * 0.2 * k, fill=255))
        m = over(m, plate, colour)
        m = over(m, text(H, W, word, "DejaVuSans-Bold.ttf", h * 0.6), white)
    elif kind == "soft":  # everything blurred, with a shadow
        w, h = int(width * 0.10 * size), int(width * 0.05 * size)
        pad = 14
        m = blank(h + 2 * pad, w + 2 * pad)
        H, W = m[0].shape
        s = max(1.5, h * 0.04)
        glyph = text(H, W, word, "DejaVuSans-Bold.ttf", h * 0.75)
        m = over(m, 0.5 * blur(np.roll(glyph, (2, 2), (0, 1)), 2 * s), black)
        m = over(m, 0.85 * blur(glyph, s), white)
    elif kind == "glass":  # alpha 0.35
        w, h = int(width * 0.17 * size), int(width * 0.05 * size)
        m = blank(h + 2 * pad, w + 2 * pad)
        H, W = m[0].shape
        shape = layer(H, W, lambda d, k: d.ellipse([pad * k, pad * k, (pad + h) * k, (pad + h) * k], fill=255))
        words = layer(H, W, lambda d, k: d.text(((pad + h * 1.15) * k, H / 2 * k), word, 255, font("DejaVuSans-Bold.ttf", h * 0.62 * k), anchor="lm"))
        m = over(m, 0.35 * np.maximum(shape, words), white)
    elif kind == "thin":  # a light face without outline
        px = max(11, width * 0.020 * size)
        s = "\u00a9 " + word + " film archive"
        box = font("DejaVuSans-ExtraLight.ttf", px).getbbox(s)
        H, W = int(px * 1.5) + 2 * pad, int(box[2]) + 2 * pad
        m = over(blank(H, W), text(H, W, s, "DejaVuSans-ExtraLight.ttf", px), white)
    elif kind == "outline":
        px = max(12, width * 0.026 * size)
        s = word + " live"
        st = max(1.0, px * 0.09)
        box = font("DejaVuSans-Bold.ttf", px).getbbox(s)
        H, W = int(px * 1.5 + 2 * st) + 2 * pad, int(box[2] + 2 * st) + 2 * pad
        m = over(blank(H, W), text(H, W, s, "DejaVuSans-Bold.ttf", px, st), black)
        m = over(m, text(H, W, s, "DejaVuSans-Bold.ttf", px), white)
    else:  # bug: a coloured disc of the place's own luma, a hole in it
        d0 = int(width * 0.045 * size)
        H = W = d0 + 2 * pad
        disc = layer(H, W, lambda d, k: d.ellipse([pad * k, pad * k, (W - pad) * k, (H - pad) * k], fill=255))
        hole = layer(H, W, lambda d, k: d.ellipse([W * 0.36 * k, H * 0.36 * k, W * 0.64 * k, H * 0.64 * k], fill=255))
        y = min(max(luma, 50), 190)
        m = over(blank(H, W), disc * (1 - hole) * 0.9, (y, colour[1], colour[2]))
    return m


def half(a):
    return (a[0::2, 0::2] + a[1::2, 0::2] + a[0::2, 1::2] + a[1::2, 1::2]) / 4


def places(layout, count, W, H, rng):
    """Centres of the marks: layout 0 a jittered grid, 1 the corners and edges, 2 and more at random without overlap."""
    if layout == 0:
        p = [((i % 3 + 0.5) / 3 * W + rng.uniform(-0.06, 0.06) * W, (i // 3 + 0.5) / 2 * H + rng.uniform(-0.12, 0.12) * H) for i in range(count)]
    elif layout == 1:
        p = [(0.10 * W, 0.09 * H), (0.90 * W, 0.09 * H), (0.10 * W, 0.90 * H), (0.90 * W, 0.90 * H), (0.5 * W, 0.93 * H), (0.5 * W, 0.07 * H)]
    else:
        p = []
        while len(p) < count:
            c = (rng.uniform(0.1, 0.9) * W, rng.uniform(0.08, 0.92) * H)
            if all(abs(c[0] - q[0]) > 0.24 * W or abs(c[1] - q[1]) > 0.2 * H for q in p):
                p.append(c)
    rng.shuffle(p)
    return p


def build(clip, cases, layout):
    import numpy as np
    from PIL import Image
    name = os.path.splitext(os.path.basename(clip))[0]
    out = f"{cases}/{name}_{layout}"
    if os.path.exists(out + ".json") and os.path.exists(out + ".png"):
        return
    w, h, rate, fmt = probe(clip)
    W, H = w // 2 * 2, h // 2 * 2
    fmt = fmt if fmt in ("yuv420p", "yuvj420p") else "yuv420p"
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", clip, "-frames:v", str(FRAMES), "-vf", f"crop={W}:{H}:0:0", "-vsync", "0",
                          "-f", "rawvideo", "-pix_fmt", fmt, "-"], capture_output=True).stdout
    n = len(raw) // (W * H * 3 // 2)
    v = np.frombuffer(raw, np.uint8).reshape(n, -1).copy()
    Y = v[:, :W * H].reshape(n, H, W)
    C = [v[:, W * H * (4 + i) // 4:W * H * (5 + i) // 4].reshape(n, H // 2, W // 2) for i in (0, 1)]
    rng = random.Random(f"{name} {layout}")
    truth = []
    visible = np.zeros((H, W), np.uint8)
    for kind, (cx, cy) in zip(KINDS, places(layout, len(KINDS), W, H, rng)):
        x0, y0 = int(min(max(cx, 40), W - 40)), int(min(max(cy, 20), H - 20))
        luma = float(Y[:, max(0, y0 - 20):y0 + 20, max(0, x0 - 20):x0 + 20].mean())
        A, P = paint(kind, W, rng, luma)
        A, P = np.pad(A, ((0, A.shape[0] % 2), (0, A.shape[1] % 2))), [np.pad(q, ((0, A.shape[0] % 2), (0, A.shape[1] % 2))) for q in P]
        mh, mw = A.shape
        x = int(min(max(cx - mw / 2, 2), W - mw - 2)) // 2 * 2
        y = int(min(max(cy - mh / 2, 2), H - mh - 2)) // 2 * 2
        z = Y[:, y:y + mh, x:x + mw]
        z[:] = np.clip(P[0] + (1 - A) * z + 0.5, 0, 255).astype(np.uint8)
        for plane, q in zip(C, P[1:]):
            z = plane[:, y // 2:(y + mh) // 2, x // 2:(x + mw) // 2]
            z[:] = np.clip(half(q) + (1 - half(A)) * z + 0.5, 0, 255).astype(np.uint8)
        visible[y:y + mh, x:x + mw] = np.maximum(visible[y:y + mh, x:x + mw], (A * 255).astype(np.uint8))
        ys, xs = np.where(A > 0.06)
        truth.append(dict(kind=kind, box=[int(x + xs.min()), int(y + ys.min()), int(np.ptp(xs)) + 1, int(np.ptp(ys)) + 1]))
    cmd = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", fmt, "-s", f"{W}x{H}", "-r", rate, "-i", "-", "-c:v", "libx264",
           "-crf", "20", "-pix_fmt", fmt, "-threads", "1", out + ".mp4"]
    if not os.path.exists(out + ".mp4"):
        subprocess.run(cmd, input=v.tobytes(), check=True)
    Image.fromarray(visible).save(out + ".png")
    json.dump(truth, open(out + ".json", "w"))
    print("built", out, flush=True)


def locate(path, truth=None):
    """Runs the example; with the PNG of the true alpha also says what share of the visible samples (alpha > 0.06) the masks
    of the sure marks, grown by 3 samples, cover in the boxes that were found, and how many times that area they take."""
    exe = f"{ROOT}/target/release/examples/locate"
    with tempfile.NamedTemporaryFile(suffix=".pgm") as pgm:
        r = subprocess.run([exe, path, pgm.name], capture_output=True, text=True)
        if r.returncode:
            return dict(marks=[], verdict="FAILED: " + r.stderr.strip()[-300:], cpu=0, frames=0)
        got = json.loads(r.stdout.strip().splitlines()[-1])
        if truth:
            import numpy as np
            from PIL import Image
            mask = np.asarray(Image.open(pgm.name)) > 0
            grown = np.zeros_like(mask)
            ys, xs = np.where(mask)
            for dy in range(-3, 4):
                for dx in range(-3, 4):
                    if dx * dx + dy * dy <= 9:
                        grown[np.clip(ys + dy, 0, mask.shape[0] - 1), np.clip(xs + dx, 0, mask.shape[1] - 1)] = True
            alpha = np.asarray(Image.open(truth))[:mask.shape[0], :mask.shape[1]] > 0.06 * 255
            boxes = np.zeros_like(alpha)
            for m in got["marks"]:
                x, y, w, h = m["rect"]
                if m["confident"]:
                    boxes[max(0, y - 8):y + h + 8, max(0, x - 8):x + w + 8] = True
            seen = alpha & boxes
            if seen.any():
                got["covered"] = float((seen & grown).sum() / seen.sum())
                got["excess"] = float(mask.sum() / seen.sum())
        return got


def iou(a, b):
    x = max(0, min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]))
    y = max(0, min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]))
    return x * y / (a[2] * a[3] + b[2] * b[3] - x * y)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("what", choices=["build", "run"])
    ap.add_argument("clips")
    ap.add_argument("cases")
    ap.add_argument("--layouts", default="0,1")
    ap.add_argument("--only", default="")
    ap.add_argument("--marked")
    ap.add_argument("-v", action="store_true", help="print every box with its figures")
    a = ap.parse_args()
    layouts = [int(k) for k in a.layouts.split(",")]
    clips = sorted(f"{a.clips}/{f}" for f in os.listdir(a.clips) if a.only in f)
    if a.what == "build":
        os.makedirs(a.cases, exist_ok=True)
        for k in layouts:
            for c in clips:
                build(c, a.cases, k)
        return
    print("| clip | " + " | ".join(KINDS) + " | false | covered | area | CPU s |\n|---|" + "---|" * (len(KINDS) + 4))
    groups = {}
    pool = ThreadPoolExecutor(2)
    jobs = []
    for c in clips:
        name = os.path.splitext(os.path.basename(c))[0]
        for k in layouts:
            if os.path.exists(f"{a.cases}/{name}_{k}.json"):
                jobs.append((name, k, pool.submit(locate, f"{a.cases}/{name}_{k}.mp4", f"{a.cases}/{name}_{k}.png")))
    for name, k, job in jobs:
        truth = json.load(open(f"{a.cases}/{name}_{k}.json"))
        got = job.result()
        sure = [m for m in got["marks"] if m["confident"]]
        best = {t["kind"]: max([iou(m["rect"], t["box"]) for m in sure], default=0) for t in truth}
        weak = {t["kind"]: max([iou(m["rect"], t["box"]) for m in got["marks"]], default=0) for t in truth}
        real = REAL.get(name, [])
        false = sum(all(iou(m["rect"], t) < 0.05 for t in [t["box"] for t in truth] + real) for m in sure)
        group = next((g for g in MOVING + SLOWER if name.startswith(g)), "locked")
        group = "moving" if group in MOVING else "slower" if group in SLOWER else "locked"
        for t in truth:
            groups.setdefault(group, []).append((t["kind"], best[t["kind"]]))
        groups.setdefault(group + " false", []).append(false)
        cells = " | ".join(f"{best[q]:.2f}" if best[q] >= 0.5 else f"({weak[q]:.2f})" if best[q] == 0 else f"**{best[q]:.2f}**" for q in KINDS)
        print(f"| {name} {k} | {cells} | {false} | {got.get('covered', 0):.3f} | {got.get('excess', 0):.2f} | {got['cpu']:.2f} |", flush=True)
        if a.v:
            for m in got["marks"]:
                t = max(truth, key=lambda t: iou(m["rect"], t["box"]))
                print("   ", t["kind"] if iou(m["rect"], t["box"]) > 0.2 else "-", json.dumps(m))
            print("   ", got["verdict"])
    for g in ("moving", "slower", "locked"):
        if g in groups:
            r = groups[g]
            hit = sum(b >= 0.5 for _, b in r)
            by = ", ".join(f"{q} {sum(b >= 0.5 for z, b in r if z == q)}/{sum(z == q for z, _ in r)}" for q in KINDS)
            print(f"\n{g}: {hit}/{len(r)} = {100 * hit / len(r):.0f} % (IoU >= 0.5), badly placed {sum(0 < b < 0.5 for _, b in r)}, off every mark {sum(groups[g + ' false'])}; {by}")
    for title, folder in (("clean", a.clips), ("marked", a.marked)):
        if not folder:
            continue
        print(f"\n| {title} clip | found with confidence | else | CPU s |\n|---|---|---|---|")
        files = [f for f in sorted(os.listdir(folder)) if a.only in f]
        for f, got in zip(files, pool.map(lambda f: locate(f"{folder}/{f}"), files)):
            sure = [f"{m['rect']} {m['score']:.2f}" for m in got["marks"] if m["confident"]]
            print(f"| {f} | {'; '.join(sure) or '-'} | {got['verdict']} | {got['cpu']:.2f} |", flush=True)
            if a.v:
                for m in got["marks"]:
                    print("   ", json.dumps(m))


if __name__ == "__main__":
    main()
