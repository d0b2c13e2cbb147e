"""External codecs described in TOML: a stand-in pair of programs, written in Python, plays the codec."""

from __future__ import annotations

import pickle
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.api import CODECS
from benchmarks.codecs.command import load_codec_file
from hsc.api import Image
from hsc.devices import use_device
from hsc.errors import BitstreamError, CodecError, ProcessError, SpecError

# Quantises, keeps the size in its own header, and refuses what it did not write.
PROGRAM = """
import sys, zlib
mode, step, source, target = sys.argv[1:5]
data = open(source, "rb").read()
if mode == "version":
    print("quantiser 1.0")
elif mode == "encode":
    head, size, depth, pixels = data.split(b"\\n", 3)
    step = int(step)
    out = b"QNT" + size + b"\\n" + zlib.compress(bytes(v // step * step for v in pixels), 9)
    open(target, "wb").write(out)
else:
    if data[:3] != b"QNT":
        sys.exit("not a QNT stream")
    size, body = data[3:].split(b"\\n", 1)
    open(target, "wb").write(b"P6\\n" + size + b"\\n255\\n" + zlib.decompress(body))
"""


def toml(name: str, folder: Path, extra: str = "", *, version: bool = True) -> Path:
    (folder / "codec.py").write_text(PROGRAM)
    file = folder / f"{name}.toml"
    python = sys.executable
    file.write_text(
        f'name = "{name}"\n'
        f'encode = ["{python}", "{{folder}}/codec.py", "encode", "{{step}}", "{{input}}", "{{output}}"]\n'
        f'decode = ["{python}", "{{folder}}/codec.py", "decode", "0", "{{input}}", "{{output}}"]\n'
        'image = "ppm"\ntimeout_s = 30\n'
        + (
            f'version = ["{python}", "{{folder}}/codec.py", "version", "0", "{{folder}}/codec.py", "-"]\n'
            if version
            else ""
        )
        + extra
        + "[rate]\nfield = 'step'\nladder = [64, 8]\n"
    )
    return file


def test_a_described_codec_is_like_any_other(tmp_path: Path, photo: Callable[[int, int], Image]) -> None:
    assert load_codec_file(toml("quantiser", tmp_path)) == ["quantiser"]
    assert "quantiser" in CODECS.names()
    codec = CODECS.build("quantiser(step=16)")
    assert str(CODECS.spec(codec)) == "quantiser(step=16)"
    assert (codec.rate_field, codec.ladder) == ("step", (64, 8))
    assert codec.available() is None
    facts = codec.provenance()
    assert facts["version"] == "quantiser 1.0"
    assert {"toml_sha256", "encoder_sha256", "decoder_sha256", "encoder:codec.py_sha256"} <= set(facts)
    image = photo(9, 7)
    data = codec.encode(image)
    assert data.startswith(b"QNT7 9\n")
    assert np.array_equal(CODECS.build("quantiser").decode(data), image // 16 * 16)
    assert len(codec.encode(image)) < len(CODECS.build("quantiser(step=1)").encode(image))


def test_loading_the_same_file_again_changes_nothing(tmp_path: Path) -> None:
    file = toml("again", tmp_path)
    assert load_codec_file(file) == load_codec_file(file)


def test_travels_to_a_process_that_never_saw_the_file(tmp_path: Path, photo: Callable[[int, int], Image]) -> None:
    load_codec_file(toml("traveller", tmp_path))
    codec = CODECS.build("traveller(step=4)")
    assert pickle.loads(pickle.dumps(codec)) == codec
    image = photo(3, 5)
    script = (
        "import pickle, sys; c, i = pickle.load(sys.stdin.buffer); sys.stdout.buffer.write(c.encode(i)); assert "
        "c.spec_name == 'traveller'"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], input=pickle.dumps((codec, image)), capture_output=True, check=True, timeout=60
    )
    assert run.stdout == codec.encode(image)


def test_settings_are_fields(tmp_path: Path) -> None:
    file = toml("tuned", tmp_path)
    file.write_text(file.read_text().replace('"{step}"', '"{step}{suffix}"') + '[settings]\nsuffix = ""\n')
    load_codec_file(file)
    assert str(CODECS.spec(CODECS.build("tuned(step=8, suffix=x)"))) == "tuned(suffix=x)"
    with pytest.raises(ProcessError, match=r"status 1.*invalid literal"):
        CODECS.build("tuned(suffix=x)").encode(np.zeros((2, 2, 3), np.uint8))


def test_damage_is_a_bitstream_error(tmp_path: Path, photo: Callable[[int, int], Image]) -> None:
    load_codec_file(toml("fragile", tmp_path))
    codec = CODECS.build("fragile")
    data = codec.encode(photo(8, 8))
    for broken in (b"", b"junk", data[:-3], data[:3] + b"9 9" + data[6:]):
        with pytest.raises(BitstreamError):
            codec.decode(broken)


def test_identity_follows_the_program(tmp_path: Path) -> None:
    load_codec_file(toml("changing", tmp_path, version=False))
    codec = CODECS.build("changing")
    before = codec.provenance()
    (tmp_path / "codec.py").write_text(PROGRAM + "\n# another build\n")
    assert codec.provenance() != before
    assert codec.provenance()["toml_sha256"] == before["toml_sha256"]


def test_streams_of_programs_that_are_told_the_device_are_kept_apart_by_it(tmp_path: Path) -> None:
    load_codec_file(toml("anywhere", tmp_path))
    load_codec_file(toml("somewhere", tmp_path, extra="[settings]\nwhere = '{device}'\n"))
    for name, devices in [("anywhere", [None, None]), ("somewhere", [None, "cuda"])]:
        codec = CODECS.build(name)
        for device, expected in zip(["cpu", "cuda:1"], devices, strict=True):
            with use_device(device):
                assert codec.provenance().get("device") == expected


def test_a_missing_program_is_a_reason(tmp_path: Path) -> None:
    file = tmp_path / "absent.toml"
    file.write_text(
        'name = "absent"\nencode = ["no-such-enc", "{input}", "{output}"]\ndecode = ["./dec", "{input}", "{output}"]\n'
    )
    load_codec_file(file)
    codec = CODECS.build("absent")
    assert "no-such-enc" in (codec.available() or "")
    assert codec.provenance()["encoder_sha256"] == "missing"
    with pytest.raises(CodecError):
        codec.decode(b"x")


def test_a_program_beside_the_file_is_found(tmp_path: Path) -> None:
    for name in ("enc", "dec"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 3\n")
        (tmp_path / name).chmod(stat.S_IRWXU)
    file = tmp_path / "beside.toml"
    file.write_text(
        'name = "beside"\nencode = ["./enc", "{input}", "{output}"]\ndecode = ["./dec", "{input}", "{output}"]\n'
    )
    load_codec_file(file)
    codec = CODECS.build("beside")
    assert codec.available() is None
    assert codec.rate_field == ""
    with pytest.raises(ProcessError, match="status 3"):
        codec.encode(np.zeros((2, 2, 3), np.uint8))


COMMANDS = 'encode = ["e", "{input}", "{output}"]\ndecode = ["d", "{input}", "{output}"]\n'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name = [", "not TOML"),
        (COMMANDS, "name came as None"),
        ('name = "two words"\n' + COMMANDS, "two words"),
        ('name = "x1"\nencode = "e {input}"\ndecode = ["d"]', "expected a list of words"),
        ('name = "x1"\n' + COMMANDS.replace(', "{output}"]\nd', "]\nd"), "must name"),
        ('name = "x1"\n' + COMMANDS.replace("{output}", "{outptu}"), "did you mean 'output'"),
        ('name = "x1"\nencoed = 1\n' + COMMANDS, "did you mean 'encode'"),
        ('name = "x1"\nimage = "yuv"\n' + COMMANDS, "image = 'yuv'"),
        ('name = "x1"\ntimeout_s = 0\n' + COMMANDS, "timeout_s = 0"),
        ('name = "x1"\n' + COMMANDS + '[rate]\nfield = "q"\n', "expected \\[rate\\]"),
        ('name = "x1"\n' + COMMANDS + '[rate]\nfield = "q"\nladder = []\n', "ladder"),
        ('name = "x1"\n' + COMMANDS + '[rate]\nfield = "q"\nladder = [1, "a"]\n', "ladder"),
        ('name = "x1"\n' + COMMANDS + '[rate]\nfield = "input"\nladder = [1]\n', "rate field"),
        ('name = "x1"\n' + COMMANDS + "[settings]\nlist = [1]\n", "settings"),
        ('name = "jpeg"\n' + COMMANDS, "as another does"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(text: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text)
    with pytest.raises(SpecError, match=complaint):
        load_codec_file(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"nowhere\.toml"):
        load_codec_file(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("number", ["1" + "0" * 400, "inf", "nan", "-1", "1e300", "9" * 5000, "[" * 100_000])
def test_numbers_that_are_no_seconds_are_refused(number: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(f'name = "x1"\ntimeout_s = {number}\n{COMMANDS}')
    with pytest.raises(SpecError, match=r"expected seconds above 0|not TOML"):
        load_codec_file(file)
