#!/usr/bin/env python3
"""Takes every file apart and together again and compares what came out with what went in.

usage: nothing_lost.py PROGRAM OUTDIR FILE...

PROGRAM is the example `roundtrip` of cleanplate-media, which leaves the frames as they are, or `cleanplate` itself, which
then fills a region in a corner of each file. The comparison uses ffprobe alone and none of the project's own
code, so that what the project does not know of is missed by neither. Files named long_* are cut to their first 10 s.
Exit code 1 where anything was lost without a word.
"""
import json
import os
import subprocess
import sys

MADE_ANEW = {"encoder", "major_brand", "minor_version", "compatible_brands", "vendor_id", "duration", "bps",
             "number_of_frames", "number_of_bytes", "_statistics_writing_app", "_statistics_writing_date_utc",
             "_statistics_tags", "encoding_tool"}
FRAMES = 100000


def probe(path, *args):
    out = subprocess.run(["ffprobe", "-v", "error", "-of", "json", *args, path], capture_output=True)
    return json.loads(out.stdout or b"{}")


def tags(of):
    got = {k.lower(): v for k, v in (of.get("tags") or {}).items()}
    if "creation_time" in got:  # one moment in two spellings
        got["creation_time"] = got["creation_time"].replace("T", " ").replace(".000000", "").rstrip("Z")
    return {k: v for k, v in got.items() if k.split("-")[0] not in MADE_ANEW and not v.startswith(("Lavf", "Lavc"))}


def side(of):
    return sorted(json.dumps(s, sort_keys=True) for s in of.get("side_data_list", [])
                  if s.get("side_data_type") not in ("CPB properties",))


def programs(info, order):
    return sorted((p["program_id"], sorted(order.get(s["index"], -1) for s in p["streams"]), tuple(sorted(tags(p).items())))
                  for p in info.get("programs", []))


STREAM = ["codec_type", "sample_aspect_ratio", "width", "height", "field_order", "color_range", "color_space",
          "color_transfer", "color_primaries", "chroma_location", "time_base", "id", "initial_padding", "sample_rate",
          "channels", "channel_layout"]
COPIED = ["codec_name", "codec_tag_string", "profile", "extradata_hash"]
SAME = {"sample_aspect_ratio": {None: "1:1", "0:1": "1:1", "N/A": "1:1"}, "field_order": {None: "progressive", "unknown": "progressive"}}


def value(stream, key):
    v = stream.get(key)
    return SAME.get(key, {}).get(v, v)


def compare(src, dst, worked, losses):
    said = {l["kind"] for l in losses}
    found = []

    def lost(kind, what):
        if kind not in said:
            found.append(f"{kind}: {what}")

    args = ["-show_streams", "-show_format", "-show_chapters", "-show_programs", "-show_data_hash", "sha256", "-show_data"]
    a, b = probe(src, *args), probe(dst, *args)
    sa, sb = a.get("streams", []), b.get("streams", [])
    if len(sa) != len(sb):
        lost("streams", f"{len(sa)} became {len(sb)}")
    order = {}
    used = set()
    for s in sa:  # the same kind and codec, in order
        for t in sb:
            if t["index"] not in used and t["codec_type"] == s["codec_type"] and (
                    s["index"] == worked or t.get("codec_name") == s.get("codec_name")):
                order[s["index"]] = t["index"]
                used.add(t["index"])
                break
        else:
            lost("streams", f"stream {s['index']} ({s['codec_type']}, {s.get('codec_name')}) is gone")
    by = {t["index"]: t for t in sb}
    for s in sa:
        i = s["index"]
        if i not in order:
            continue
        t = by[order[i]]
        for key in STREAM + ([] if i == worked else COPIED):
            x, y = value(s, key), value(t, key)
            # What was unsaid may be said; a stream that says something keeps it.
            if x != y and not (x in (None, "unknown", "unspecified") and key.startswith(("color", "chroma", "extradata"))):
                if i == worked and key == "chroma_location":
                    continue  # compared frame by frame below
                lost({"time_base": "timestamps", "sample_aspect_ratio": "sar", "field_order": "field-order"}.get(
                    key, "color" if key.startswith("color") else "streams"), f"stream {i}: {key} {x} became {y}")
        for key, v in s.get("disposition", {}).items():
            if t.get("disposition", {}).get(key) != v:
                lost("disposition", f"stream {i}: {key} {v} became {t.get('disposition', {}).get(key)}")
        ta, tb = tags(s), tags(t)
        for key, v in ta.items():
            if i == worked and key == "alpha_mode":
                continue  # what the pictures are is compared frame by frame
            if tb.get(key) != v and not (key == "language" and v == "und"):
                lost("metadata", f"stream {i}: {key} {v!r} became {tb.get(key)!r}")
        sda, sdb = side(s), side(t)
        for d in sda:
            if d not in sdb:
                lost({"Display Matrix": "rotation"}.get(json.loads(d).get("side_data_type"), "hdr-dynamic" if "DOVI" in d else "side-data"),
                     f"stream {i}: side data {d[:100]}")
    ta, tb = tags(a.get("format", {})), tags(b.get("format", {}))
    for key, v in ta.items():
        if tb.get(key) != v:
            lost("metadata", f"file: {key} {v!r} became {tb.get(key)!r}")
    ca, cb = a.get("chapters", []), b.get("chapters", [])
    if [(c["start_time"], c["end_time"], tags(c)) for c in ca] != [(c["start_time"], c["end_time"], tags(c)) for c in cb]:
        lost("chapters", f"{len(ca)} became {len(cb)} or changed")
    there = {p[0]: p for p in programs(b, {i: i for i in by})}
    for number, members, named in programs(a, order):
        got = there.get(number, (number, None, ()))
        if got[1] != members or not set(named) <= set(got[2]):
            lost("programs", f"{number} {members} {named} became {got}")
    if abs(float(a["format"].get("start_time", 0) or 0) - float(b["format"].get("start_time", 0) or 0)) > 0.0011:
        lost("timestamps", f"file starts at {a['format'].get('start_time')} became {b['format'].get('start_time')}")

    # Packets of copied streams: payload, times, durations, flags, side data.
    def packets(path):
        got = {}
        for p in probe(path, "-show_packets", "-show_data_hash", "sha256").get("packets", []):
            got.setdefault(p["stream_index"], []).append(
                (p.get("data_hash"), p.get("pts"), p.get("dts"), p.get("duration"), p.get("flags"), tuple(
                    json.dumps(s, sort_keys=True) for s in p.get("side_data_list", []) if "MPEGTS" not in str(s))))
        return got

    pa, pb = packets(src), packets(dst)
    for i, j in order.items():
        if i == worked:
            continue
        x, y = pa.get(i, []), pb.get(j, [])
        if len(x) != len(y):
            lost("streams", f"stream {i}: {len(x)} packets became {len(y)}")
            continue
        for k, name in enumerate(["payload", "pts", "dts", "duration", "flags", "side data"]):
            # A duration that was unsaid may be said.
            diff = [n for n in range(len(x)) if x[n][k] != y[n][k] and not (name == "duration" and x[n][k] is None)]
            if diff:
                n = diff[0]
                lost("timestamps" if name in ("pts", "dts", "duration") else "streams",
                     f"stream {i}: {name} of {len(diff)} of {len(x)} packets, first {n}: {x[n][k]} became {y[n][k]}")

    # Frames of the worked-on video.
    def frames(path, index):
        keys = ["pts", "best_effort_timestamp", "width", "height", "sample_aspect_ratio", "color_range", "color_space",
                "color_primaries", "color_transfer", "chroma_location", "interlaced_frame", "top_field_first",
                "repeat_pict", "side_data_list"]
        got = probe(path, "-select_streams", str(index), "-show_frames", "-show_entries", "frame=" + ",".join(keys) +
                    ":frame_side_data").get("frames", [])
        return got

    if worked in order:
        fa, fb = frames(src, worked), frames(dst, order[worked])
        if len(fa) != len(fb):
            lost("frames", f"{len(fa)} became {len(fb)}")
        for key in ["best_effort_timestamp", "width", "height", "sample_aspect_ratio", "color_range", "color_space",
                    "color_primaries", "color_transfer", "chroma_location", "interlaced_frame", "top_field_first"]:
            diff = [n for n, (x, y) in enumerate(zip(fa, fb)) if value(x, key) != value(y, key)
                    and value(x, key) not in (None, "unknown", "unspecified")
                    and not (key == "top_field_first" and not x.get("interlaced_frame"))]
            if diff:
                n = diff[0]
                kind = {"best_effort_timestamp": "timestamps", "sample_aspect_ratio": "sar", "interlaced_frame": "field-order",
                        "top_field_first": "field-order"}.get(key, "color")
                lost(kind, f"frames: {key} of {len(diff)} of {len(fa)}, first {n}: {value(fa[n], key)} became {value(fb[n], key)}")
        wanted = {}
        for n, (x, y) in enumerate(zip(fa, fb)):
            have = {s.get("side_data_type") for s in y.get("side_data_list", [])}
            for s in x.get("side_data_list", []):
                if s.get("side_data_type") not in have:
                    wanted.setdefault(s.get("side_data_type"), []).append(n)
        anywhere = {s.get("side_data_type") for y in fb for s in y.get("side_data_list", [])}
        for kind, where in wanted.items():
            if kind == "GOP timecode" and kind in anywhere:
                continue  # one for each group of pictures, and the groups are new
            if kind and "User Data Unregistered" not in kind:
                k = "captions" if "Caption" in kind else "hdr-dynamic" if "Dolby" in kind or "Dynamic" in kind else \
                    "timecode" if "timecode" in kind.lower() else "afd" if "Active" in kind else "rotation" if "MATRIX" in kind.upper() else "side-data"
                lost(k, f"frames: {kind} of {len(where)} frames")
    return found


def roundtrip(program, src, dst):
    extra = os.environ.get("ROUNDTRIP_ARGS", "--preset ultrafast").split()
    got = subprocess.run([program, src, dst, *extra], capture_output=True, timeout=300)
    answer = json.loads(got.stdout)
    if "preset" in answer.get("refused", ""):
        got = subprocess.run([program, src, dst], capture_output=True, timeout=900)
        answer = json.loads(got.stdout)
    return answer


def remove(program, src, dst):
    """A whole job. A refusal is exit code 3 or 4: the input or what is asked for is not supported."""
    account = dst + ".json"
    got = subprocess.run([program, "remove", f"--output={dst}", "--overwrite", "--region", "70%,5%,25%,12%", "--report", account,
                          "--", src], capture_output=True, timeout=900, text=True)
    partial = [f for f in os.listdir(os.path.dirname(dst)) if ".partial" in f or f.endswith(".video")]
    if got.returncode in (3, 4) and not os.path.exists(dst) and not partial:
        return {"refused": got.stderr.strip().splitlines()[-1], "kind": f"exit {got.returncode}"}
    if got.returncode != 0 or partial:
        raise ValueError(f"exit {got.returncode}, left {partial}: {got.stderr[-300:]}")
    with open(account) as file:
        report = json.load(file)
    worked = next(s["index"] for s in report["streams"] if s["fate"].startswith("worked on"))
    failures = [{"name": c["name"], "words": c["detail"]} for c in report["checks"] if not c["ok"]]
    return {"video": worked, "losses": [], "failures": failures, "method": f"{report['frames']} frames",
            "codec": f"{len(report['checks'])} checks", "notes": []}


def main():
    program, out, *files = sys.argv[1:]
    os.makedirs(out, exist_ok=True)
    through = remove if os.path.basename(program) == "cleanplate" else roundtrip
    table = {"done": 0, "refused": 0, "failed": 0, "lost": 0}
    for path in files:
        name = os.path.basename(path)
        src = path
        if name.startswith("long_"):
            src = os.path.join(out, "cut_" + name)
            subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", path, "-map", "0", "-c", "copy", "-t", "10", src])
        ext = os.path.splitext(name)[1]
        stem = os.path.splitext(name)[0].lstrip("-")
        dst = os.path.join(out, "out_" + stem + ext)
        if os.path.exists(dst):
            os.remove(dst)
        try:
            answer = through(program, src, dst)
        except (subprocess.TimeoutExpired, ValueError) as e:
            print(f"FAILED  {name}: {e}")
            table["failed"] += 1
            continue
        if "refused" in answer:
            print(f"refused {name}: [{answer['kind']}] {answer['refused'][:400]}")
            table["refused"] += 1
            continue
        found = compare(src, dst, answer["video"], answer["losses"])
        own = [f"{c['name']}: {c['words']}" for c in answer["failures"]]
        state = "lost" if found else ("failed" if own else "done")
        table[state] += 1
        print(f"{state:7} {name} [{answer['method']}, {answer['codec']}] {'; '.join(answer['notes'])}")
        for line in own:
            print(f"        verify: {line}")
        for line in found[:12]:
            print(f"        ffprobe: {line[:300]}")
    print(table)
    return 1 if table["lost"] or table["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
