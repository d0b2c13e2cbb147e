"""What a described codec is beside its programs: files they are known to read; and programs that go by suffix, stem or
folder.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.api import CODECS
from benchmarks.codecs.command import load_codec_file
from hsc.api import Image
from hsc.errors import BitstreamError, ProcessError, SpecError

# Copies the image into the stream and back; strict about suffixes, as programs that go by them are.
COPY = """
import os, sys
source, target = sys.argv[1:3]
for path, allowed in zip((source, target), sys.argv[3:5]):
    if not path.endswith(allowed):
        sys.exit(f"unknown format {os.path.basename(path)}, expected {allowed}")
open(target, "wb").write(open(source, "rb").read())
"""


def described(folder: Path, name: str, encode: list[str], decode: list[str] | None = None, extra: str = "") -> Any:
    """The codec of a TOML file in ``folder``, by Python scripts or programs."""

    def words(command: list[str]) -> str:
        return "[" + ", ".join(f"'{word}'" for word in command) + "]"

    file = folder / f"{name}.toml"
    file.write_text(f'name = "{name}"\nencode = {words(encode)}\ndecode = {words(decode or encode)}\n{extra}')
    return CODECS.build(load_codec_file(file)[0])


def changes(codec: Any, file: Path) -> bool:
    """Whether the codec is another once a file is, and the same again when that is put back."""
    before, content = codec.provenance(), file.read_bytes()
    file.write_bytes(content + b"\n# other")
    changed = codec.provenance() != before
    file.write_bytes(content)
    assert codec.provenance() == before
    return changed


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone at its end."""
    CODECS.names()
    monkeypatch.setattr(CODECS, "_classes", dict(CODECS._classes))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "c.py").write_text(COPY)
    (tmp_path / "t.txt").write_text("90")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "w.pth").write_text("1")
    (tmp_path / "weights" / "deep").mkdir()
    (tmp_path / "weights" / "deep" / "v.pth").write_text("2")
    return tmp_path


BEGIN = [sys.executable, "{folder}/c.py", "{input}", "{output}"]


@pytest.mark.parametrize(
    "option",
    [
        "{folder}/t.txt",
        "t.txt",
        "--table={folder}/t.txt",
        "--table=t.txt",
        "-T{folder}/t.txt",
        "-Tt.txt",
        "@{folder}/t.txt",
        "params=mode:file={folder}/t.txt",
        "scale=2,lut={folder}/t.txt",
        "--table={folder}/./t.txt",
        "--table={name}.txt",
        "--table={folder}/{name}.txt",
    ],
)
def test_a_file_that_an_option_names_is_part_of_the_codec(option: str, folder: Path) -> None:
    codec = described(
        folder, "optioned", [*BEGIN, option], BEGIN, '[settings]\nname = "t"\n' if "{name}" in option else ""
    )
    assert changes(codec, folder / "t.txt")
    assert not changes(codec, folder / "weights" / "w.pth")


def test_a_folder_that_an_option_names_is_all_that_is_in_it(folder: Path) -> None:
    codec = described(folder, "foldered", [*BEGIN, "--weights={folder}/weights"], BEGIN)
    assert changes(codec, folder / "weights" / "w.pth")
    assert changes(codec, folder / "weights" / "deep" / "v.pth")
    before = codec.provenance()
    (folder / "weights" / "__pycache__").mkdir()
    (folder / "weights" / "__pycache__" / "x.pyc").touch()
    assert codec.provenance() == before
    (folder / "weights" / "more.pth").touch()
    assert codec.provenance() != before


def test_files_of_one_name_are_told_apart(folder: Path) -> None:
    for place in "ab":
        (folder / place).mkdir()
        (folder / place / "t.txt").write_text(place)
    codec = described(folder, "twins", [*BEGIN, "{folder}/a/t.txt", "{folder}/b/t.txt"], BEGIN)
    assert changes(codec, folder / "a" / "t.txt")
    assert changes(codec, folder / "b" / "t.txt")


@pytest.mark.parametrize("value", ["t.txt", "{folder}/t.txt", "weights"])
def test_what_a_setting_names_is_part_of_the_codec(value: str, folder: Path) -> None:
    value = value.replace("{folder}", str(folder))
    described(folder, "set_up", [*BEGIN, "{model}"], BEGIN, f'[settings]\nmodel = "{value}"\n')
    codec = CODECS.build("set_up")
    file = folder / ("weights/w.pth" if value == "weights" else "t.txt")
    assert changes(codec, file)
    other = CODECS.build("set_up(model=none)")
    assert not changes(other, file)


def test_a_rate_that_is_a_file_is_its_content(folder: Path) -> None:
    for name in ("low.cfg", "high.cfg"):
        (folder / name).write_text(name)
    described(
        folder,
        "configured",
        [*BEGIN, "{folder}/{config}"],
        BEGIN,
        '[rate]\nfield = "config"\nladder = ["low.cfg", "high.cfg"]\n',
    )
    low = CODECS.build('configured(config="low.cfg")')
    assert changes(low, folder / "low.cfg")
    assert not changes(low, folder / "high.cfg")


@pytest.mark.parametrize(
    ("entry", "seen"),
    [
        ("t.txt", "t.txt"),
        ("weights", "weights/deep/v.pth"),
        ("weights/*.pth", "weights/w.pth"),
        ("**/*.pth", "weights/deep/v.pth"),
        ("{folder}/weights", "weights/w.pth"),
    ],
)
def test_listed_files_are_part_of_the_codec(entry: str, seen: str, folder: Path) -> None:
    codec = described(folder, "listed", BEGIN, None, f'files = ["{entry}"]\n')
    assert codec.available() is None
    assert changes(codec, folder / seen)
    assert "files_sha256" in codec.provenance()


def test_listed_files_may_lie_elsewhere_and_behind_links(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "w.pth").write_text("1")
    (elsewhere / "loop").symlink_to(elsewhere)
    (folder / "link").symlink_to(elsewhere)
    assert changes(described(folder, "far", BEGIN, None, f'files = ["{elsewhere}/*.pth"]\n'), elsewhere / "w.pth")
    assert changes(described(folder, "linked", BEGIN, None, 'files = ["link"]\n'), elsewhere / "w.pth")


def test_a_list_that_finds_nothing_is_a_reason(folder: Path) -> None:
    codec = described(folder, "empty", BEGIN, None, 'files = ["weigths/*.pth"]\n')
    assert "weigths/*.pth" in codec.available()


def test_modules_that_a_script_imports_are_part_of_the_codec(folder: Path) -> None:
    (folder / "c.py").write_text("import net\nfrom package import part\n" + COPY)
    (folder / "net.py").write_text("def f():\n    import deep\n")
    (folder / "deep.py").touch()
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").touch()
    (folder / "package" / "part.py").write_text("from . import other\n")
    (folder / "package" / "other.py").touch()
    (folder / "unrelated.py").touch()
    codec = described(folder, "importing", BEGIN)
    for name in ("net.py", "deep.py", "package/__init__.py", "package/part.py", "package/other.py"):
        assert changes(codec, folder / name), name
    assert not changes(codec, folder / "unrelated.py")


@pytest.mark.parametrize(
    "how", ["link", "wrapper by path", "wrapper beside", "wrapper of a wrapper", "env", "sh -c", "wrapper of PATH"]
)
def test_a_program_behind_another_is_part_of_the_codec(how: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = folder / "bin" / "real-enc"
    real.parent.mkdir()
    real.write_bytes(b"\x7fELF pretended")
    real.chmod(0o755)
    front = folder / "enc"
    monkeypatch.setenv("PATH", f"{real.parent}:{os.environ['PATH']}")
    first = ["./enc"]
    texts = {
        "wrapper by path": f'#!/bin/sh\nexec {real} "$@"\n',
        "wrapper beside": '#!/usr/bin/env bash\nHERE=$(dirname "$0")\nexec "$HERE/bin/real-enc" "$@"\n',
        "wrapper of a wrapper": f'#!/bin/sh\nexec {folder}/second "$@"\n',
        "wrapper of PATH": '#!/bin/sh\nreal-enc "$1" "$2"\n',
    }
    if how == "link":
        front.symlink_to(real)
    elif how in texts:
        front.write_text(texts[how])
        front.chmod(0o755)
        (folder / "second").write_text(texts["wrapper by path"])
        (folder / "second").chmod(0o755)
    elif how == "env":
        first = ["env", "A=1", "real-enc"]
    else:
        first = ["sh", "-c", 'real-enc "$0" > "$1"']
    codec = described(folder, "fronted", [*first, "{input}", "{output}"], BEGIN)
    before = codec.provenance()
    real.write_bytes(b"\x7fELF pretended, built anew")
    assert codec.provenance() != before


def test_its_version_is_asked_again_once_the_program_changed(folder: Path) -> None:
    program = folder / "enc"
    program.write_text("#!/bin/sh\necho 1.0\n")
    program.chmod(0o755)
    codec = described(folder, "dated", ["./enc", "{input}", "{output}"], None, 'version = ["./enc"]\n')
    assert codec.provenance()["version"] == "1.0"
    program.write_text("#!/bin/sh\necho 2.0\n")
    assert codec.provenance()["version"] == "2.0"


def test_an_edited_file_is_another_codec_in_the_same_process(folder: Path) -> None:
    first = described(folder, "edited", BEGIN)
    second = described(folder, "edited", BEGIN, None, "timeout_s = 5\n")
    assert second.provenance() != first.provenance()
    assert type(described(folder, "edited", BEGIN)) is type(first) is CODECS.get("edited")
    other = folder / "other"
    other.mkdir()
    with pytest.raises(SpecError, match="as another does"):
        described(other, "edited", BEGIN)


STRICT_J2K = [*BEGIN, "png", ".j2k"], [*BEGIN, ".j2k", "png"]


def test_a_program_that_goes_by_the_suffix(folder: Path, photo: Callable[[int, int], Image]) -> None:
    image = photo(9, 7)
    codec = described(folder, "strict", *STRICT_J2K, 'stream = "j2k"\n')
    assert np.array_equal(codec.decode(codec.encode(image)), image)
    with pytest.raises(ProcessError, match=r'unknown format output\.bin.*stream = "j2k"'):
        described(folder, "strict", *STRICT_J2K).encode(image)


@pytest.mark.parametrize("kind", ["png", "ppm", "pnm", "bmp", "tif", "tiff"])
def test_images_of_every_kind_come_back(kind: str, folder: Path, photo: Callable[[int, int], Image]) -> None:
    image = photo(5, 11)
    codec = described(
        folder,
        f"kind_{kind}",
        [*BEGIN, f".{kind}", ".x"],
        [*BEGIN, ".x", f".{kind}"],
        f'image = "{kind}"\nstream = "x"\n',
    )
    assert np.array_equal(codec.decode(codec.encode(image)), image)


def test_programs_that_add_the_suffix_themselves(folder: Path, photo: Callable[[int, int], Image]) -> None:
    (folder / "stem.py").write_text(
        "import sys\nsource, target, a, b = sys.argv[1:]\nopen(f'{target}.{b}', 'wb').write(open(f'{source}.{a}', "
        "'rb').read())\n"
    )
    begin = [sys.executable, "{folder}/stem.py", "{input_stem}", "{stem}"]
    codec = described(folder, "stemmed", [*begin, "png", "xyz"], [*begin, "xyz", "png"], 'stream = "xyz"\n')
    image = photo(6, 4)
    assert np.array_equal(codec.decode(codec.encode(image)), image)


def test_a_program_that_reads_its_folder(folder: Path, photo: Callable[[int, int], Image]) -> None:
    (folder / "c.py").write_text("open('t.txt').read()\n" + COPY)
    image = photo(4, 4)
    codec = described(folder, "at_home", BEGIN, None, 'cwd = "{folder}"\nfiles = ["t.txt"]\n')
    assert np.array_equal(codec.decode(codec.encode(image)), image)
    assert changes(codec, folder / "t.txt")
    with pytest.raises(ProcessError, match=r"t\.txt"):
        described(folder, "abroad", BEGIN).encode(image)
    assert "no folder" in described(folder, "lost", BEGIN, None, 'cwd = "{folder}/gone"\n').available()


def test_a_program_that_writes_to_stdout_runs_in_a_shell(folder: Path, photo: Callable[[int, int], Image]) -> None:
    shell = ["sh", "-c", 'cat "$0" > "$1"', "{input}", "{output}"]
    file = folder / "piped.toml"
    words = ", ".join(f"'''{word}'''" for word in shell)
    file.write_text(f'name = "piped"\nencode = [{words}]\ndecode = [{words}]\n')
    codec: Any = CODECS.build(load_codec_file(file)[0])
    image = photo(3, 5)
    assert np.array_equal(codec.decode(codec.encode(image)), image)


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        (
            "open(target.replace('.bin', '.j2k'), 'wb').write(b'1')",
            r"left no output\.bin; it left output\.j2k in place of output\.bin.*stream =",
        ),
        (
            "[open(f'{target[:-4]}_{n}.bin', 'wb').write(b'1') for n in range(5)]",
            r"it left output_0\.bin, output_1\.bin, output_2\.bin and 2 more",
        ),
        ("print('x' * 100)", "left no output.bin; it wrote 101 bytes to stdout"),
        ("os.mkdir(target)", "that is a folder, pipe or device"),
        ("os.mkfifo(target)", "that is a folder, pipe or device"),
        ("open(target, 'wb')", "of 0 bytes"),
    ],
)
def test_what_a_program_left_in_place_of_its_file_is_named(script: str, complaint: str, folder: Path) -> None:
    (folder / "c.py").write_text(f"import os, sys\nsource, target = sys.argv[1:3]\n{script}\n")
    codec = described(folder, "astray", BEGIN)
    with pytest.raises(ProcessError, match=complaint):
        codec.encode(np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(BitstreamError):
        codec.decode(b"x")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('stream = ".j2k"\n', "without a dot"),
        ('stream = "a/b"\n', "suffix"),
        ('stream = ""\n', "suffix"),
        ("stream = 2\n", "suffix"),
        ('steam = "j2k"\n', "did you mean 'stream'"),
        ('file = ["a"]\n', "did you mean 'files'"),
        ('files = "a"\n', "expected a list"),
        ('files = [""]\n', "expected a list"),
        ('cwd = "{input}"\n', "expected a folder"),
        ('image = "jpg"\n', "expected one of png, ppm"),
        ("[settings]\nstem = 1\n", "stem"),
    ],
)
def test_what_is_wrong_is_named(text: str, complaint: str, folder: Path) -> None:
    with pytest.raises(SpecError, match=complaint):
        described(folder, "wrong", BEGIN, None, text)


@pytest.mark.skipif(shutil.which("opj_compress") is None, reason="opj_compress is not installed")
def test_openjpeg(folder: Path, photo: Callable[[int, int], Image]) -> None:
    commands = (
        ["opj_compress", "-i", "{input}", "-o", "{output}", "-r", "{ratio}"],
        ["opj_decompress", "-i", "{input}", "-o", "{output}"],
    )
    codec = described(folder, "opj", *commands, 'stream = "j2k"\n[rate]\nfield = "ratio"\nladder = [20, 4]\n')
    image = photo(64, 96)
    sizes = [len(CODECS.build(f"opj(ratio={ratio})").encode(image)) for ratio in (20, 4)]
    assert sizes[0] < sizes[1]
    assert codec.decode(codec.encode(image)).shape == image.shape


def test_ffmpeg_goes_by_the_suffix(folder: Path, photo: Callable[[int, int], Image]) -> None:
    ffmpeg = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    begin = [ffmpeg, "-loglevel", "error", "-y", "-i", "{input}"]
    extra = 'stream = "webp"\n[rate]\nfield = "quality"\nladder = [10, 90]\n'
    described(folder, "ffwebp", [*begin, "-quality", "{quality}", "{output}"], [*begin, "{output}"], extra)
    image = photo(48, 64)
    low, high = (CODECS.build(f"ffwebp(quality={quality})") for quality in (10, 90))
    assert low.encode(image)[:4] == b"RIFF"
    assert len(low.encode(image)) < len(high.encode(image))
    assert high.decode(high.encode(image)).shape == image.shape
