"""Flicker of restored frames, which every bench measures alike."""

import cv2
import numpy as np


def flicker(frames, clean, masks, box):
    """Difference from the frame before, moved by the clean clip's motion, inside both masks: of `frames` and of `clean`."""
    y0, y1, x0, x1 = box
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    yy, xx = np.mgrid[: y1 - y0, : x1 - x0].astype(np.float32)
    out = []
    for t in range(1, len(frames)):
        m = masks[t, y0:y1, x0:x1] & masks[t - 1, y0:y1, x0:x1]
        if not m.any():
            continue
        a, b = clean[t, y0:y1, x0:x1], clean[t - 1, y0:y1, x0:x1]
        f = dis.calc(np.ascontiguousarray(a), np.ascontiguousarray(b), None)
        px, py = xx + f[..., 0], yy + f[..., 1]
        m &= cv2.remap(m.astype(np.float32), px, py, cv2.INTER_LINEAR) > 0.99  # both ends inside the mask
        if not m.any():
            continue
        move = lambda v: cv2.remap(v[t - 1, y0:y1, x0:x1].astype(np.float32), px, py, cv2.INTER_CUBIC)
        out.append([np.abs(v[t, y0:y1, x0:x1] - move(v))[m].mean() for v in (frames, clean)])
    return np.mean(out, 0) if out else np.array([0.0, 0.0])
