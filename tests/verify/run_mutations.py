"""A run's folder made hostile, one seeded change at a time, as strangers, full disks and cut downloads leave it."""

from __future__ import annotations

import copy
import csv
import io
import json
import os
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

RAW = "@@raw:"
"""Before a text that is to stand in JSON as it is, without quotes."""

NUMBERS: tuple[Any, ...] = (
    *(0, -1, 1, 2**31, 2**63, -(2**63), 10**12, 10**400, 0.5, -0.0, 1e-320, 1e308, -1e308),
    *(
        RAW + "1e999",
        RAW + "-1e999",
        RAW + "NaN",
        RAW + "Infinity",
        RAW + "-Infinity",
        RAW + "1e5",
        RAW + "9" * 30,
        RAW + "9" * 5000,
    ),
)
TEXTS: tuple[str, ...] = (
    *(
        "",
        " ",
        "x",
        "x" * 200_000,
        "\x1b[31mred\x1b[0m\x07",
        "\x1b]0;title\x07",
        "\u202egnp.exe\u202c",
        "a\nb\r\nc",
        "\r",
        "\x00",
        "\x85\u2028\u2029",
    ),
    *(
        "=HYPERLINK(1)",
        "+1",
        "-1+2",
        "@SUM(1)",
        "\t=1",
        "'=1",
        "%\n\\input{/etc/passwd}",
        "$$ cash",
        "\\end{document}",
        "[/red]",
        "[bold]",
        "{0}",
        "%s",
    ),
    *(
        "</script><script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "../../../etc/passwd",
        "/dev/zero",
        "\ud800",
        "nan",
        "inf",
        "1_0",
        "١",
    ),
)
OTHERS: tuple[Any, ...] = (
    None,
    True,
    False,
    [],
    {},
    [[]],
    {"": None},
    [0] * 50_000,
    {"a": {"b": [1, {"c": None}]}},
    RAW + "[" * 100_000,
    RAW + "{",
)


def evil_plugins(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Names and settings that would start, unpickle, execute or fetch something."""
    own = str(folder)
    codecs = [
        ("vvc", {"qp": 37, "encoder": f"{own}/vvencapp"}),
        ("vvc", {"qp": 37, "decoder": f"{own}/vvdecapp"}),
        ("vvc", {"encoder": "vvencapp"}),
        ("vvc", {"encoder": f"{own}/ffmpeg", "decoder": f"{own}/ffmpeg"}),
        ("bpg", {"encoder": "bpgenc"}),
        ("cut", {"of": f'vvc(encoder="{own}/vvencapp")', "layers": 1}),
        ("cut", {"of": "(" * 5000}),
        ("hsc", {"model": f"{own}/model.safetensors"}),
        ("hsc", {"model": "../../../tmp/x"}),
        ("precomputed", {"originals": own, "bitstreams": own, "images": own}),
        ("jpeg", {"quality": 10**6}),
        ("jpeg", {"quality": [50]}),
        ("jpeg", {"quality": {"a": 1}}),
        ("nobody", {}),
    ]
    heads = [
        ("ultralytics", {"weights": f"{own}/model.pt"}),
        ("ultralytics", {}),
        ("mmseg", {"config": f"{own}/config.py", "weights": f"{own}/model.pth"}),
        ("onnx", {"path": f"{own}/model.onnx", "format": "yolox"}),
        ("torchvision", {}),
        ("torchvision", {"weights": f"{own}/model.pth"}),
        ("torchvision_segmentation", {}),
        ("tflite", {"path": f"{own}/model.tflite"}),
        ("lpips", {}),
        ("fid", {}),
        ("small", {"weights": f"{own}/model.safetensors"}),
        ("squares", {"weights": f"{own}/scores.csv"}),
    ]
    datasets = [
        ("mismatched", {"of": f'images(path="{own}")'}),
        ("mismatched", {"of": 'mismatched(of="mismatched")'}),
        ("images", {"path": own}),
        ("images", {"path": "/dev/zero"}),
        ("images", {"path": "\x00"}),
        ("roadscenes", {"images": 10**9}),
        ("squares", {"images": -5}),
        ("coco", {"images": own, "annotations": f"{own}/run.json"}),
        ("voc", {"root": own, "split": "../x"}),
    ]
    return [*codecs, *heads, *datasets]


def mutate(folder: Path, seed: int) -> str:
    """Change one thing in a copy of a run; returns a description of the change."""
    dice = random.Random(seed)
    ways: list[tuple[int, Callable[[Path, random.Random], str]]] = [
        (6, _json),
        (4, _csv),
        (3, _zip),
        (3, _file),
        (4, _plugin),
    ]
    way = dice.choices([one for _, one in ways], [weight for weight, _ in ways])[0]
    return way(folder, dice)


def _value(dice: random.Random) -> Any:
    return copy.deepcopy(dice.choice(dice.choice((NUMBERS, TEXTS, OTHERS))))


def _nodes(value: Any, where: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [where] if where else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in items:
        found += _nodes(one, (*where, name))
    return found


def _at(value: Any, where: tuple[Any, ...]) -> Any:
    for name in where:
        value = value[name]
    return value


def dumped(value: Any) -> str:
    """JSON with raw pieces in it."""
    text = json.dumps(value)
    while (start := text.find(f'"{RAW}')) >= 0:
        end = text.index('"', start + 1)
        text = text[:start] + text[start + 1 + len(RAW) : end] + text[end + 1 :]
    return text


def changed(value: Any, dice: random.Random) -> tuple[Any, str]:
    """A JSON value with one part moved, removed, doubled, renamed, or replaced by something strange."""
    by_depth: dict[int, list[tuple[Any, ...]]] = {}
    for where in _nodes(value):
        by_depth.setdefault(len(where), []).append(where)
    where = dice.choice(by_depth[dice.choice(sorted(by_depth))])
    parent, name = _at(value, where[:-1]), where[-1]
    what = dice.choice(("replace", "replace", "replace", "remove", "double", "swap", "rename"))
    if what == "replace":
        parent[name] = _value(dice)
    elif what == "remove":
        del parent[name]
    elif what == "double" and isinstance(parent, list):
        parent.insert(name, copy.deepcopy(parent[name]))
    elif what == "rename" and isinstance(parent, dict):
        parent[dice.choice(TEXTS)] = parent.pop(name)
    else:
        other = dice.choice(_nodes(value))
        parent[name] = copy.deepcopy(_at(value, other))
    return value, f"{what} {'.'.join(map(str, where))[:100]}"


def _json(folder: Path, dice: random.Random) -> str:
    name = dice.choice(("run.json", "run.json", "gallery.json"))
    value, what = changed(json.loads((folder / name).read_text()), dice)
    (folder / name).write_text(dumped(value))
    return f"{name}: {what}"


def _csv(folder: Path, dice: random.Random) -> str:
    name = dice.choice(("scores.csv", "scores.csv", "comparisons.csv", "comparisons.csv", "records.csv"))
    with (folder / name).open(newline="") as file:
        lines = list(csv.reader(file))
    number = dice.randrange(len(lines))
    what = dice.choice(("cell", "cell", "cell", "cell", "column", "remove", "double", "swap", "cut"))
    column = dice.randrange(len(lines[0]))
    if what == "cell":
        lines[number][column] = str(_value(dice)).removeprefix(RAW)[:300_000]
    elif what == "column":
        text = str(_value(dice)).removeprefix(RAW)[:1000]
        lines[1:] = [[*line[:column], text, *line[column + 1 :]] for line in lines[1:]]
    elif what == "remove":
        del lines[number]
    elif what == "double":
        lines.insert(number, lines[number])
    elif what == "swap":
        other = dice.randrange(len(lines))
        lines[number], lines[other] = lines[other], lines[number]
    else:
        lines[number] = lines[number][:column]
    with (folder / name).open("w", newline="", errors="surrogatepass") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)
    return f"{name}: {what} at {number}, {column}"


def _zip(folder: Path, dice: random.Random) -> str:
    path = folder / "streams.zip"
    what = dice.choice(("flip", "cut", "member", "bomb", "twice", "index", "index", "index", "stream"))
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as archive:
        members = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    if what == "flip":
        for _ in range(dice.randrange(1, 20)):
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        path.write_bytes(data)
        return "streams.zip: bits flipped"
    if what == "cut":
        path.write_bytes(data[: dice.randrange(len(data))])
        return "streams.zip: cut"
    if what == "index":
        index, done = changed(json.loads(members["index.json"]), dice)
        members["index.json"] = dumped(index).encode()
        what = f"index {done}"
    elif what == "stream":
        name = dice.choice([name for name in members if name != "index.json"])
        members[name] = dice.randbytes(len(members[name]))
    elif what == "bomb":
        members["index.json"] = members["index.json"] + b" " * (1 << 28)
    elif what == "member":
        members[dice.choice(("/etc/passwd", "../../x", "a/b.bin", "\x1b[31m.bin", "x.bin"))] = b"x"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        if what == "twice":
            archive.fp.seek(archive.start_dir)  # type: ignore[union-attr]
            archive.NameToInfo.clear()
            archive.writestr("index.json", b"{}")
    return f"streams.zip: {what}"


def _file(folder: Path, dice: random.Random) -> str:
    names = (
        "scores.csv",
        "comparisons.csv",
        "run.json",
        "records.csv",
        "streams.zip",
        "gallery.json",
        "table.md",
        "table.csv",
        "table.tex",
        "report.html",
        "sheet.jpg",
    )
    path = folder / dice.choice(names)
    what = dice.choice(
        ("remove", "empty", "folder", "pipe", "link out", "link to itself", "large", "bytes", "of another", "link in")
    )
    content = path.read_bytes() if path.is_file() else b""
    path.unlink(missing_ok=True)
    if what == "empty":
        path.write_bytes(b"")
    elif what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "link out":
        path.symlink_to(dice.choice(("/etc/passwd", "/dev/zero", "/proc/self/environ", "../elsewhere")))
    elif what == "link to itself":
        path.symlink_to(path.name)
    elif what == "link in":
        (folder / "other").write_bytes(content)
        path.symlink_to("other")
    elif what == "large":
        with path.open("wb") as file:
            file.truncate(1 << 33)
    elif what == "bytes":
        path.write_bytes(dice.randbytes(3000))
    elif what == "of another":
        other = folder / dice.choice(names)
        if other.is_file():
            shutil.copyfile(other, path)
    return f"{path.name}: {what}"


def _plugin(folder: Path, dice: random.Random) -> str:
    """A codec, head or data set of the run becomes one that does something."""
    for name in ("vvencapp", "vvdecapp", "ffmpeg"):
        (folder / name).write_text(f"#!/bin/sh\ntouch {folder}/OWNED\necho {name} 1.0\n")
        (folder / name).chmod(0o755)
    (folder / "config.py").write_text(f"open({str(folder / 'OWNED')!r}, 'w')\n")
    (folder / "model.pt").write_bytes(b"cos\nsystem\n(S'touch OWNED'\ntR.")
    name, config = dice.choice(evil_plugins(folder))
    about = json.loads((folder / "run.json").read_text())
    told = {"name": name, "config": config, "provenance": {}}
    kind = dice.choice(("codec", "head", "dataset"))
    cell = dice.choice(list(about["cells"].values()))
    if kind == "dataset":
        about["dataset"] |= told
    elif kind == "head":
        about["heads"][0] |= told
    else:
        cell["codec"] = told
    if dice.random() < 0.5:
        about["dataset"].pop("pixels_sha256")  # as older runs, whose ids of cells cannot be checked
    (folder / "run.json").write_text(json.dumps(about))
    return f"{kind} {name} {config}"[:200]
