"""The command line: files, pipes, and no partial outputs after failures."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from tiny_profile import noise_photo, tiny_codec

from hsc.__main__ import main
from hsc.cli.image_files import read_picture, write_picture
from hsc.codec import HscCodec
from hsc.errors import ImageError
from hsc.networks.directions import load_directions, principal_directions, save_directions
from hsc.weights import files as weights

CODEC = tiny_codec()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    weights.save(CODEC.model, tmp_path / "tiny.safetensors")
    for i in range(3):
        PIL.Image.fromarray(noise_photo(20 + i, 40, i)).save(tmp_path / f"in{i}.png")
    return tmp_path


def run(folder: Path, *arguments: str) -> int:
    named = [str(folder / a) if "." in a and not a.startswith("-") and not a[0].isdigit() else a for a in arguments]
    return main([*named, "--model", str(folder / "tiny.safetensors")])


def pixels(file: Path) -> np.ndarray:
    return np.asarray(PIL.Image.open(file))


def test_packaged_weights_are_found_by_the_header_of_the_file(tmp_path: Path) -> None:
    image = noise_photo(32, 48, 0)
    for name in ("camvid", "photos", "roadscenes", "roadscenes-coarse"):
        codec = HscCodec(weights.load(name))
        data = codec.encode(image, 2.0)
        assert weights.maker(data) == name
        (tmp_path / f"{name}.hsc").write_bytes(data)
        assert main(["preview", str(tmp_path / f"{name}.hsc"), str(tmp_path / f"{name}.png")]) == 0
        assert np.array_equal(pixels(tmp_path / f"{name}.png"), codec.preview(data))


def test_a_file_of_other_weights_is_refused_whatever_it_claims(folder: Path, capsys) -> None:
    assert run(folder, "encode", "in0.png", "a.hsc") == 0
    for data in ((folder / "a.hsc").read_bytes(), b"no hsc file at all", b""):
        assert weights.maker(data) is None
        (folder / "b.hsc").write_bytes(data)
        assert main(["decode", str(folder / "b.hsc"), str(folder / "b.png")]) == 1
        assert not (folder / "b.png").exists()


def test_there_and_back(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "encode", "in0.png", "a.hsc", "--quality", "4.5") == 0
    data = (folder / "a.hsc").read_bytes()
    assert data == CODEC.encode(noise_photo(20, 40, 0), 4.5)
    assert run(folder, "decode", "a.hsc", "a.png") == 0
    assert np.array_equal(pixels(folder / "a.png"), CODEC.decode(data))
    assert run(folder, "decode", "a.hsc", "a.webp", "--layers", "3") == 0
    assert np.array_equal(pixels(folder / "a.webp"), CODEC.decode(data, 3))
    assert run(folder, "preview", "a.hsc", "p.bmp") == 0
    assert np.array_equal(pixels(folder / "p.bmp"), CODEC.preview(data))
    assert run(folder, "cut", "a.hsc", "s.hsc", "--layers", "2") == 0
    assert (folder / "s.hsc").read_bytes() == CODEC.cut(data, 2)
    assert capsys.readouterr() == ("", "")
    assert run(folder, "info", "s.hsc") == 0
    output = capsys.readouterr().out
    assert "40x20 pixels, quality 4.5" in output
    assert "slice1a" in output
    assert "slice1b" not in output


def test_editing_along_an_axis(folder: Path) -> None:
    w = np.random.default_rng(0).normal(size=(20, 9, 8))
    save_directions(principal_directions(w, 2), folder / "axes.safetensors")
    assert run(folder, "encode", "in0.png", "a.hsc") == 0
    along = ("edit", "a.hsc", "e.png", "--directions", str(folder / "axes.safetensors"), "--overwrite")
    assert run(folder, *along, "--step", "0") == 0
    assert np.array_equal(pixels(folder / "e.png"), CODEC.decode((folder / "a.hsc").read_bytes()))
    assert run(folder, *along, "--direction", "1", "--step", "3") == 0
    assert not np.array_equal(pixels(folder / "e.png"), CODEC.decode((folder / "a.hsc").read_bytes()))
    moved = pixels(folder / "e.png")
    assert run(folder, *along, "--direction", "1", "--step", "-2", "0", "3") == 0
    strip = pixels(folder / "e.png")
    assert np.array_equal(strip[:, 2 * moved.shape[1] :], moved)
    assert np.array_equal(strip[:, moved.shape[1] : 2 * moved.shape[1]], CODEC.decode((folder / "a.hsc").read_bytes()))
    assert run(folder, *along, "--direction", "2") == 2


def test_editing_towards_another_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, source, quality in (("a.hsc", "in0.png", "5"), ("b.hsc", "in1.png", "5"), ("c.hsc", "in1.png", "2")):
        assert run(folder, "encode", source, name, "--quality", quality) == 0
    data, other = ((folder / name).read_bytes() for name in ("a.hsc", "b.hsc"))
    assert run(folder, "edit", "a.hsc", "e.png", "--like", "b.hsc", "--step", "0", "1") == 0
    here, there = np.split(pixels(folder / "e.png"), 2, 1)
    assert np.array_equal(here, CODEC.decode(data))
    own, wanted = (CODEC.decode_latents(stream, ("w_hat",)).maps["w_hat"] for stream in (data, other))
    assert np.array_equal(there, CODEC.edit(data, wanted - own, 1.0))
    assert run(folder, "edit", "a.hsc", "f.png", "--like", "none.hsc") == 1
    assert run(folder, "edit", "a.hsc", "f.png", "--like", "c.hsc") == 2  # at each quality w has a scale of its own
    assert "from 2 to 5" in capsys.readouterr().err
    assert run(folder, "directions", "a.hsc", "b.hsc", "c.hsc", "--out", "mixed.safetensors", "--count", "1") == 2
    assert not (folder / "f.png").exists()
    with pytest.raises(SystemExit, match="2"):
        run(folder, "edit", "a.hsc", "g.png", "--like", "b.hsc", "--directions", "axes.safetensors")


def test_directions_from_files_and_labels(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files, lines = [], ["name,dark"]
    for i in range(12):
        bright = noise_photo(16, 16, i) if i % 2 else noise_photo(16, 16, i) // 4
        (folder / f"s{i}.hsc").write_bytes(CODEC.encode(bright, 5.0))
        files.append(f"s{i}.hsc")
        lines.append(f"s{i},{1 - i % 2}")
    (folder / "dark.csv").write_text("\n".join(lines))
    assert run(folder, "directions", *files, "--out", "axes.safetensors", "--count", "3") == 0
    assert "share of the variance" in capsys.readouterr().err
    directions = load_directions(folder / "axes.safetensors")
    expected = principal_directions(
        [CODEC.decode_latents((folder / name).read_bytes()).maps["w_hat"] for name in files], 3
    )
    np.testing.assert_array_equal(directions.axes, expected.axes)
    assert run(folder, "directions", *files, "--out", "axes.safetensors") == 2
    assert run(folder, "directions", *files, "--out", "probe.safetensors", "--labels", "dark.csv") == 0
    assert "correlation" in capsys.readouterr().err
    assert load_directions(folder / "probe.safetensors").axes.shape == (1, 9, 8)
    (folder / "dark.csv").write_text("s0,1\n")
    assert run(folder, "directions", *files, "--out", "none.safetensors", "--labels", "dark.csv") == 1
    assert "s1.hsc and 10 more" in capsys.readouterr().err
    (folder / "dark.csv").write_text("s0,1\ns1,dark\n")
    assert run(folder, "directions", *files, "--out", "none.safetensors", "--labels", "dark.csv") == 1
    assert not (folder / "none.safetensors").exists()
    capsys.readouterr()
    for number in ("nan", "inf", "-1e999", "9" * 400):
        for place in (0, 5):
            (folder / "dark.csv").write_text("\n".join(f"s{i},{number if i == place else i % 2}" for i in range(12)))
            assert run(folder, "directions", *files, "--out", "none.safetensors", "--labels", "dark.csv") == 1
            message = capsys.readouterr().err
            assert f"line {place + 1} of" in message
            assert "expected a finite number" in message
    for quality in ("nan", "1e400", "-1"):
        (folder / "p.png").write_bytes(write_picture(noise_photo(16, 16), ".png"))
        assert run(folder, "encode", "p.png", "p.hsc", "--quality", quality) == 2


def test_several_files_with_progress(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "out").mkdir()
    (folder / "in1.png").write_bytes(b"damaged")
    names = [str(folder / f"in{i}.png") for i in range(3)]
    assert main(["encode", *names, "--into", str(folder / "out"), "--model", str(folder / "tiny.safetensors")]) == 1
    messages = capsys.readouterr().err.splitlines()
    assert [line[:5] for line in messages[:3]] == ["[1/3]", "[2/3]", "[3/3]"]
    assert "failed" in messages[1]
    assert "1 of 3" in messages[3]
    assert sorted(p.name for p in (folder / "out").iterdir()) == ["in0.hsc", "in2.hsc"]
    (folder / "more").mkdir()
    PIL.Image.fromarray(noise_photo(4, 4)).save(folder / "more" / "in0.png")
    twice = ["encode", names[0], str(folder / "more" / "in0.png"), "--into", str(folder / "more"), "--model", "x"]
    assert main(twice) == 2
    assert "two inputs have the same output" in capsys.readouterr().err


def test_outputs_are_not_overwritten_unless_asked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.hsc").write_bytes(b"kept")
    assert run(folder, "encode", "in0.png", "a.hsc") == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (folder / "a.hsc").read_bytes() == b"kept"
    assert run(folder, "encode", "in0.png", "a.hsc", "--overwrite") == 0
    assert (folder / "a.hsc").read_bytes() != b"kept"
    assert run(folder, "encode", "in0.png", "in0.png", "--overwrite") == 2


def test_a_failure_leaves_nothing_and_no_traceback(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "encode", "in0.png", "a.hsc") == 0
    data = (folder / "a.hsc").read_bytes()
    (folder / "cut.hsc").write_bytes(data[:-3])
    before = sorted(p.name for p in folder.iterdir())
    cases = [
        (("decode", "cut.hsc", "b.png"), 1),
        (("decode", "in0.png", "b.png"), 1),
        (("decode", "nothing.hsc", "b.png"), 1),
        (("decode", "a.hsc", "b.jpg"), 2),
        (("decode", "a.hsc", "b.png", "--layers", "99"), 2),
        (("decode", "a.hsc", "nowhere/b.png"), 2),
        (("decode", "a.hsc"), 2),
        (("encode", "a.hsc", "b.hsc"), 1),
        (("encode", "in0.png", "b.hsc", "--quality", "9"), 2),
        (("cut", "a.hsc", "b.hsc", "--layers", "0"), 2),
    ]
    for arguments, code in cases:
        assert run(folder, *arguments) == code, arguments
        captured = capsys.readouterr()
        assert captured.out == ""
        assert len(captured.err.splitlines()) == 1
    assert main(["decode", str(folder / "a.hsc"), str(folder / "b.png"), "--model", "no-such"]) == 1
    assert "give one of these" in capsys.readouterr().err
    assert sorted(p.name for p in folder.iterdir()) == before


def test_a_file_cut_off_is_read_when_asked(folder: Path) -> None:
    assert run(folder, "encode", "in2.png", "a.hsc", "--quality", "6") == 0
    (folder / "cut.hsc").write_bytes((folder / "a.hsc").read_bytes()[:-4])
    assert run(folder, "decode", "cut.hsc", "b.png", "--partial") == 0
    assert pixels(folder / "b.png").shape == (22, 40, 3)


def test_pipes(folder: Path) -> None:
    def piped(command: str, data: bytes) -> bytes:
        arguments = [sys.executable, "-m", "hsc", command, "-", "-", "--model", str(folder / "tiny.safetensors")]
        return subprocess.run(arguments, input=data, capture_output=True, check=True, timeout=60).stdout

    data = piped("encode", (folder / "in0.png").read_bytes())
    assert data == CODEC.encode(noise_photo(20, 40, 0), 3.0)
    image = read_picture(piped("decode", data), "piped")
    assert np.abs(image.astype(int) - CODEC.decode(data)).max() <= 1


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["encode", "--help"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 0
        assert "python -m hsc encode in.png out.hsc --quality 3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("mode", "colour", "expected"), [("L", 7, 7), ("RGBA", (0, 0, 0, 0), 255), ("1", 1, 255), ("P", 0, 0)]
)
def test_pictures_of_many_kinds_are_read(mode: str, colour: object, expected: int) -> None:
    buffer = io.BytesIO()
    PIL.Image.new(mode, (5, 4), colour).save(buffer, "PNG")  # type: ignore[arg-type]
    image = read_picture(buffer.getvalue(), "x")
    assert image.shape == (4, 5, 3)
    assert (image == expected).all()


def test_pictures_that_are_not_read() -> None:
    buffer = io.BytesIO()
    PIL.Image.fromarray(np.zeros((4, 4), np.uint16)).save(buffer, "PNG")
    whole = write_picture(noise_photo(30, 30), ".png")
    for data in (buffer.getvalue(), b"", b"text", whole[: len(whole) // 2]):
        with pytest.raises(ImageError):
            read_picture(data, "x")


def test_wrong_weights_are_told_once_and_before_any_file_is_read(folder: Path, capsys) -> None:
    names = [str(folder / f"in{i}.png") for i in range(3)]
    assert main(["encode", *names, "--into", str(folder), "--model", "no-such"]) == 1
    assert capsys.readouterr().err.count("no-such") == 1
    assert not list(folder.glob("*.hsc"))
