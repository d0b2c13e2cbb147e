"""Codecs behind a server of the codec file: a stand-in server, which misbehaves on demand, plays the codec."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.api import CODECS
from benchmarks.codecs.command import load_codec_file
from benchmarks.programs.codec_server import MOST_STARTS, end_servers
from hsc.api import Image
from hsc.errors import BitstreamError, CodecError, ProcessError, SpecError
from hsc.networks.network_holder import HOLDER

# Copies files behind a header of its own; "mood" says at which request it does what. Its starts are counted in a file.
SERVER = """
import json, os, sys, time
folder, mood = sys.argv[1:3]
with open(folder + "/starts", "a") as file:
    file.write(f"{os.getpid()}\\n")
def say(text):
    sys.stdout.write(text + "\\n"); sys.stdout.flush()
if mood == "chatty": say("loading weights")
if mood == "huge": say("x" * 70000)
if mood == "list": say("[1]")
if mood == "dead": sys.exit("no weights here")
if mood == "refuses": say(json.dumps({"error": "the weights are of another model"}))
if mood == "slow": time.sleep(60)
say(json.dumps({"ready": 2 if mood == "newer" else 1}))
served = 0
for line in sys.stdin:
    request = json.loads(line)
    if request["do"] == "quit":
        open(folder + "/quit", "w").close()
        break
    served += 1
    if mood == "garbage": say("Warning: deprecated")
    if mood == "silent": time.sleep(60)
    if mood == "crash" or (mood == "tires" and served == 3):
        sys.stderr.write("out of memory\\n"); sys.stderr.flush()
        os.kill(os.getpid(), 9)
    if mood == "leaves": sys.exit(0)
    if mood == "shuts": sys.stdout.close(); os.close(1); time.sleep(60)
    if mood == "late": say(json.dumps({"id": request["id"] - 1}))
    if mood == "number": say(json.dumps({"id": request["id"], "error": 5}))
    data = open(request["input"], "rb").read()
    settings = json.dumps(request["settings"], sort_keys=True).encode()
    error = None
    if request["do"] == "encode":
        out = b"SRV" + len(settings).to_bytes(2, "big") + settings + data
    elif data[:3] == b"SRV" and settings == b'{"tone": "flat"}':
        out = data[5 + int.from_bytes(data[3:5], "big"):]
    else:
        out, error = None, "not a stream of mine"
    if mood == "forgets": out = None
    if mood == "empty": out = b""
    if out is not None and not error:
        open(request["output"], "wb").write(out)
    say(json.dumps({"id": request["id"], "seconds": 1e-9} | ({"error": error} if error else {})))
    if mood == "twice": say(json.dumps({"id": request["id"]}))
"""
PICTURE = np.full((2, 3, 3), 7, np.uint8)


@pytest.fixture(autouse=True)
def no_server_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    CODECS.names()
    monkeypatch.setattr(CODECS, "_classes", dict(CODECS._classes))
    yield
    end_servers()


def served(folder: Path, mood: str = "well", *, timeout_s: float = 20, start_s: float = 20) -> Any:
    """The codec of a codec file whose server is in a mood."""
    (folder / "server.py").write_text(SERVER)
    file = folder / "served.toml"
    file.write_text(
        f'name = "served"\nimage = "ppm"\ntimeout_s = {timeout_s}\n'
        f"[server]\nstart_s = {start_s}\n"
        f'command = ["{sys.executable}", "-I", "-S", "{{folder}}/server.py", "{{folder}}", "{mood}"]\n'
        '[rate]\nfield = "quality"\nladder = [1, 2]\n[settings]\ntone = "flat"\n'
    )
    return CODECS.build(load_codec_file(file)[0])


def starts(folder: Path) -> list[int]:
    """The ids of all server processes that were started."""
    return [int(line) for line in (folder / "starts").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def test_one_server_codes_all_images_at_all_points(tmp_path: Path, photo: Callable[[int, int], Image]) -> None:
    codec = served(tmp_path)
    assert codec.available() is None
    assert (codec.rate_field, codec.ladder) == ("quality", (1, 2))
    loads = HOLDER.loads
    for point in (1, 2):
        for size in ((1, 1), (7, 5), (40, 30)):
            image = photo(*size)
            data = CODECS.build(f"served(quality={point})").encode(image)
            assert f'"quality": {point}'.encode() in data
            assert np.array_equal(codec.decode(data), image)
    assert len(starts(tmp_path)) == 1
    assert HOLDER.loads == loads + 1, "a call that started a server is timed once more, and no other"


def test_decoding_is_asked_for_without_the_rate(tmp_path: Path) -> None:
    data = served(tmp_path).encode(PICTURE)
    assert b'"quality": 2, "tone": "flat"' in data
    assert np.array_equal(CODECS.build("served(quality=1)").decode(data), PICTURE), "it refuses other settings"


def test_an_error_is_of_one_image_and_the_server_stays(tmp_path: Path) -> None:
    codec = served(tmp_path)
    for junk in (b"junk", b"S"):
        with pytest.raises(BitstreamError, match=r"did not decode \d bytes: not a stream of mine"):
            codec.decode(junk)
    with pytest.raises(BitstreamError, match="no usable image"):
        codec.decode(b"SRV\0\0not a picture")
    with pytest.raises(BitstreamError, match="empty"):
        codec.decode(b"")
    assert len(starts(tmp_path)) == 1


@pytest.mark.parametrize(
    ("mood", "complaint"),
    [
        ("chatty", r"'loading weights' to stdout, which is no JSON object; .*print to stderr, before it was ready"),
        ("huge", r"a line of over 65536 bytes"),
        ("list", r"'\[1\]' to stdout, which is no JSON object"),
        ("newer", r'\{"ready": 2\} to stdout, expected \{"ready": 1\} first'),
        ("dead", r"ended with status 1, before it was ready: no weights here"),
        ("refuses", r"cannot start: the weights are of another model"),
        ("slow", r"no line within 0\.3 s, its start_s, and was ended, before it was ready"),
        ("garbage", r"'Warning: deprecated' to stdout, which is no JSON object"),
        ("silent", r"no line within 0\.3 s, its timeout_s, and was ended, at request 1, to encode input\.ppm"),
        ("crash", r"was ended by SIGKILL, at request 1, to encode input\.ppm: out of memory"),
        ("leaves", r"ended with status 0, at request 1"),
        ("late", r'\{"id": 0\} to stdout, expected the answer \{"id": 1\}'),
        ("number", r"expected its error to be a text"),
        ("forgets", r"told of no error but left no output\.bin"),
        ("empty", r"output\.bin of 0 bytes"),
    ],
)
def test_a_server_that_breaks_the_rules_is_ended_with_a_sentence(tmp_path: Path, mood: str, complaint: str) -> None:
    codec = served(tmp_path, mood, timeout_s=0.3 if mood == "silent" else 20, start_s=0.3 if mood == "slow" else 20)
    start = time.monotonic()
    with pytest.raises(ProcessError, match=f"the server of served .*{complaint}") as caught:
        codec.encode(PICTURE)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - start < 10
    if mood not in ("forgets", "empty") and mood != "slow":
        assert not any(map(alive, starts(tmp_path)))


def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next(tmp_path: Path) -> None:
    codec = served(tmp_path, "twice")
    data = codec.encode(PICTURE)
    time.sleep(0.05)
    with pytest.raises(ProcessError, match="without having been asked"):
        codec.decode(data)
    assert codec.encode(PICTURE) == data, "another server goes on"


@pytest.mark.slow
def test_a_server_that_closes_its_stdout_is_ended(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="closed its stdout and was ended"):
        served(tmp_path, "shuts").encode(PICTURE)
    assert not any(map(alive, starts(tmp_path)))


def test_a_server_that_tires_is_started_again_and_costs_no_image(tmp_path: Path) -> None:
    codec = served(tmp_path, "tires")
    streams = [codec.encode(np.full((2, 3, 3), value, np.uint8)) for value in range(6)]
    assert len(set(streams)) == 6
    assert len(starts(tmp_path)) == 3, "two images a life"


def test_one_that_cannot_start_is_not_tried_for_ever(tmp_path: Path) -> None:
    codec = served(tmp_path, "dead")
    for _ in range(MOST_STARTS):
        with pytest.raises(ProcessError, match="no weights here"):
            codec.encode(PICTURE)
    with pytest.raises(ProcessError, match=rf"failed to start {MOST_STARTS} times in a row"):
        codec.encode(PICTURE)
    assert len(starts(tmp_path)) == MOST_STARTS
    assert len(served(tmp_path, "well").encode(PICTURE)) > 18, "a mended codec file is tried"


def test_a_changed_program_is_another_server(tmp_path: Path) -> None:
    codec = served(tmp_path)
    before = codec.encode(PICTURE)
    facts = codec.provenance()
    assert {"server_sha256", "server:server.py_sha256", "toml_sha256"} <= set(facts)
    (tmp_path / "server.py").write_text(SERVER.replace('b"SRV" +', 'b"NEW" +'))
    assert codec.provenance() != facts
    after = codec.encode(PICTURE)
    assert (before[:3], after[:3], len(starts(tmp_path))) == (b"SRV", b"NEW", 2)
    assert (tmp_path / "quit").exists(), "the first was asked to quit"


def test_changed_weights_are_another_server(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"1")
    file = tmp_path / "served.toml"
    served(tmp_path)
    file.write_text('files = ["weights"]\n' + file.read_text())
    codec: Any = CODECS.build(load_codec_file(file)[0])
    codec.encode(PICTURE)
    codec.encode(PICTURE)
    (tmp_path / "weights").write_bytes(b"23")
    codec.encode(PICTURE)
    assert len(starts(tmp_path)) == 2


def test_ends_when_asked_and_with_all_its_children(tmp_path: Path) -> None:
    codec = served(tmp_path)
    codec.encode(PICTURE)
    (pid,) = starts(tmp_path)
    assert alive(pid)
    end_servers()
    assert not alive(pid)
    assert (tmp_path / "quit").exists()
    codec.encode(PICTURE)
    assert len(starts(tmp_path)) == 2, "whoever asks again gets another"


def test_it_has_an_environment_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    codec = served(tmp_path)
    codec.encode(PICTURE)
    (pid,) = starts(tmp_path)
    environment = dict(
        entry.split("=", 1) for entry in Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in entry
    )
    assert "PYTHONPATH" not in environment
    assert environment["OMP_NUM_THREADS"] == "1"
    assert os.readlink(f"/proc/{pid}/cwd") != os.getcwd()


SERVER_TABLE = '[server]\ncommand = ["x"]\n'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("server = 1\n", r"expected a table \[server\]"),
        ("[server]\n", "command = None, expected a list of words"),
        ('[server]\ncommand = ["x", "{quality}"]\n[rate]\nfield = "quality"\nladder = [1]\n', "rate with each request"),
        ('[server]\ncomand = ["x"]\n', "did you mean 'command'"),
        ('[server]\ncommand = ["x"]\nstart_s = -1\n', "start_s = -1"),
        ('encode = ["e", "{input}", "{output}"]\n' + SERVER_TABLE, "has server and encode, expected"),
        (SERVER_TABLE + "[batch]\n", "has server and batch, expected"),
    ],
)
def test_what_is_wrong_in_the_table_is_named(text: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text('name = "x1"\n' + text)
    with pytest.raises(SpecError, match=complaint):
        load_codec_file(file)


def test_a_missing_program_is_a_reason(tmp_path: Path) -> None:
    file = tmp_path / "absent.toml"
    file.write_text('name = "absent"\n[server]\ncommand = ["./no-such-server"]\n')
    codec: Any = CODECS.build(load_codec_file(file)[0])
    assert "./no-such-server" in codec.available()
    assert codec.provenance()["server_sha256"] == "missing"
    with pytest.raises(CodecError, match="no-such-server"):
        codec.encode(PICTURE)
