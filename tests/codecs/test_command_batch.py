"""Codecs whose programs code a whole folder in one call: a stand-in program, which misbehaves on demand."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.api import CODECS
from benchmarks.codecs.command import load_codec_file
from benchmarks.conformance.checks import examine
from benchmarks.conformance.codec_rules import CONTRACT
from hsc.api import CodesBatches, Image
from hsc.errors import BitstreamError, ProcessError, SpecError

# Copies every file of a folder behind a header; a picture that begins with 66 is one that it cannot code.
PROGRAM = """
import os, sys, time
do, mood, quality, source, target = sys.argv[1:]
names = sorted(os.listdir(source))
with open(os.path.dirname(os.path.abspath(__file__)) + "/calls", "a") as file:
    file.write(f"{do} {len(names)}\\n")
for name in names:
    data = open(os.path.join(source, name), "rb").read()
    bad = data.endswith(bytes([66] * 18))
    if bad and mood == "crashes": sys.exit("cannot code " + name)
    if bad and mood == "skips": continue
    if mood == "hangs": time.sleep(60)
    if do == "decode" and data[:3] != b"BAT": sys.exit("not a stream of mine: " + name)
    out = b"BAT" + quality.encode() + data if do == "encode" else data[4:]
    suffix = ".bin" if do == "encode" else ".ppm"
    open(os.path.join(target, name[:4] + suffix), "wb").write(out)
"""


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    CODECS.names()
    monkeypatch.setattr(CODECS, "_classes", dict(CODECS._classes))


def batched(folder: Path, mood: str = "well", *, images: int = 8, timeout_s: float = 20, start_s: float = 20) -> Any:
    """The codec of a codec file whose program codes folders."""
    (folder / "batch.py").write_text(PROGRAM)
    file = folder / "batched.toml"
    words = f'"{sys.executable}", "-I", "-S", "{{folder}}/batch.py"'
    file.write_text(
        f'name = "batched"\nimage = "ppm"\ntimeout_s = {timeout_s}\n[batch]\nimages = {images}\nstart_s = {start_s}\n'
        f'encode = [{words}, "encode", "{mood}", "{{quality}}", "{{input}}", "{{output}}"]\n'
        f'decode = [{words}, "decode", "{mood}", "-", "{{input}}", "{{output}}"]\n'
        '[rate]\nfield = "quality"\nladder = [1, 2]\n'
    )
    return CODECS.build(load_codec_file(file)[0])


def calls(folder: Path) -> list[str]:
    """What the program was called for, "encode 3" for three images."""
    return (folder / "calls").read_text().splitlines()


def pictures(*values: int) -> list[Image]:
    return [np.full((2, 3, 3), value, np.uint8) for value in values]


def test_one_call_codes_a_folder(tmp_path: Path, photo: Callable[[int, int], Image]) -> None:
    codec = batched(tmp_path)
    assert isinstance(codec, CodesBatches)
    assert codec.batch_images == 8
    images = [photo(1, 1), photo(7, 5), photo(20, 30)]
    streams = codec.encode_batch(images)
    assert all(stream.startswith(b"BAT2P6") for stream in streams)
    decoded = codec.decode_batch(streams)
    assert all(np.array_equal(a, b) for a, b in zip(images, decoded, strict=True))
    assert calls(tmp_path) == ["encode 3", "decode 3"]


def test_one_image_is_a_batch_of_one(tmp_path: Path) -> None:
    codec = batched(tmp_path)
    (image,) = pictures(5)
    data = codec.encode(image)
    assert data == codec.encode_batch([image])[0]
    assert np.array_equal(codec.decode(data), image)
    assert calls(tmp_path) == ["encode 1", "encode 1", "decode 1"]


def test_it_keeps_the_contract_of_batches(tmp_path: Path) -> None:
    codec = batched(tmp_path)
    (check,) = (check for check in CONTRACT if check.name == "codes_a_batch_as_one_by_one")
    assert examine(codec, check).state == "passed"
    cls: Any = type(codec)
    cls.encode_batch = lambda self, images: [b"BAT2" + bytes([len(images)])] * len(images)
    assert "other bytes" in examine(codec, check).text


def test_a_file_that_is_left_out_fails_alone(tmp_path: Path) -> None:
    answers = batched(tmp_path, "skips").encode_batch(pictures(1, 66, 3))
    assert [isinstance(answer, bytes) for answer in answers] == [True, False, True]
    assert isinstance(answers[1], ProcessError)
    assert "left no 0001.bin" in str(answers[1])
    assert calls(tmp_path) == ["encode 3"]


def test_a_batch_that_fails_is_halved_until_the_fault_is_alone(tmp_path: Path) -> None:
    answers = batched(tmp_path, "crashes").encode_batch(pictures(1, 2, 3, 66))
    assert [isinstance(answer, bytes) for answer in answers] == [True, True, True, False]
    assert "status 1: cannot code 0000.ppm" in str(answers[3])
    assert calls(tmp_path) == ["encode 4", "encode 2", "encode 2", "encode 1", "encode 1"]


def test_damage_is_a_bitstream_error(tmp_path: Path) -> None:
    codec = batched(tmp_path)
    (data,) = codec.encode_batch(pictures(1))
    whole, *broken = codec.decode_batch([data, b"junk", data[:-3]])
    assert np.array_equal(whole, pictures(1)[0])
    assert all(isinstance(error, BitstreamError) for error in broken)
    for junk in (b"", b"junk"):
        with pytest.raises(BitstreamError):
            codec.decode(junk)


def test_a_call_that_takes_too_long_is_not_tried_in_parts(tmp_path: Path) -> None:
    answers = batched(tmp_path, "hangs", timeout_s=0.1, start_s=0.8).encode_batch(pictures(1, 2))
    assert [str(answer) for answer in answers] == [str(answers[0])] * 2
    assert "ran over its 1 s" in str(answers[0])
    assert calls(tmp_path) == ["encode 2"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[batch]\n", "encode = None, expected a list of words"),
        ('[batch]\nencode = ["e", "{stem}"]\ndecode = ["d"]\n', "unknown entry 'stem'"),
        ('[batch]\nencode = ["e", "{input}"]\ndecode = ["d"]\n', "must name the folders"),
        ('[batch]\nimages = 0\nencode = ["e", "{input}", "{output}"]\ndecode = ["e", "{input}", "{output}"]\n', "1 to"),
    ],
)
def test_what_is_wrong_in_the_table_is_named(text: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text('name = "x1"\n' + text)
    with pytest.raises(SpecError, match=complaint):
        load_codec_file(file)
