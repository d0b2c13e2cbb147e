"""What a recipe lacks, how it is fetched, and recipes that are refused."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.cli.main import main

CONTENT = b"ImageID,LabelName,Confidence\n"
MD5, SHA256 = hashlib.md5(CONTENT).hexdigest(), hashlib.sha256(CONTENT).hexdigest()
HEAD = 'title = "Mine"\nabout = "x"\nimages = 3\n[run]\ntask = "detection"\nhead = ["small"]\n'


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The address of a server on this machine that offers ``labels.csv``."""
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "labels.csv").write_bytes(CONTENT)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path / "served")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/labels.csv"
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HSC_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("HSC_OFFLINE", raising=False)


def recipe(tmp_path: Path, download: str, means: str = "url", path: str = "{data}/mine/labels.csv") -> Path:
    """A recipe with one need."""
    need = f'[[needs]]\nwhat = "the labels"\npath = "{path}"\nlicence = "CC0"\nmeans = "{means}"\nrequired = true\n'
    file = tmp_path / "mine.toml"
    file.write_text(HEAD + need + f"downloads = [{download}]\n")
    return file


@pytest.mark.parametrize("checksum", [f'md5 = "{MD5[:6]}"', f'sha256 = "{SHA256[:8]}"', f'sha256 = "{SHA256}"'])
@pytest.mark.parametrize("path", ["{data}/mine/labels.csv", "{cache}/mine/labels.csv"])
def test_what_has_a_checksum_is_fetched_to_its_place(
    tmp_path: Path, address: str, checksum: str, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = recipe(tmp_path, f'{{ url = "{address}", {checksum} }}', path=path)
    assert main(["recipes", str(mine)]) == 0
    assert "--fetch" in capsys.readouterr().out
    assert main(["recipes", str(mine), "--fetch"]) == 0
    shown = capsys.readouterr()
    assert "all is here" in shown.out
    assert "fetching the labels" in shown.err
    place = path.format(data=tmp_path / "data", cache=tmp_path / "cache")
    assert Path(place).read_bytes() == CONTENT
    assert main(["recipes", str(mine), "--fetch"]) == 0
    assert capsys.readouterr().err == ""


def test_another_file_at_the_address_is_not_kept(
    tmp_path: Path, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = recipe(tmp_path, f'{{ url = "{address}", sha256 = "{"0" * 64}" }}')
    assert main(["recipes", str(mine), "--fetch"]) == 1
    shown = capsys.readouterr()
    assert "failed: the labels" in shown.err
    assert not (tmp_path / "data" / "mine" / "labels.csv").exists()


def test_a_file_without_a_checksum_is_left_to_a_person(
    tmp_path: Path, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = recipe(tmp_path, f'{{ url = "{address}" }}')
    assert main(["recipes", str(mine), "--fetch"]) == 0
    text = capsys.readouterr().out
    assert f"{address} (size not published, checksum not published)" in text
    assert "1 of 1 files to get, 0 of them with --fetch" in text


def test_a_file_of_another_checksum_is_told(tmp_path: Path, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    mine = recipe(tmp_path, f'{{ url = "{address}", sha256 = "{SHA256}" }}')
    place = tmp_path / "data" / "mine" / "labels.csv"
    place.parent.mkdir(parents=True)
    place.write_text("mine")
    assert main(["recipes", str(mine)]) == 0
    text = capsys.readouterr().out
    assert "other    the labels" in text
    assert hashlib.sha256(b"mine").hexdigest() in text


def test_a_download_that_cannot_be_converted_stays_and_is_told(
    tmp_path: Path, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = recipe(tmp_path, f'{{ url = "{address}", md5 = "{MD5[:6]}" }}', path="{cache}/detectron2/mine.safetensors")
    mine.write_text(mine.read_text().replace('means = "url"', 'means = "url"\nconvert = "detectron2"'))
    assert main(["recipes", str(mine), "--fetch"]) == 1
    shown = capsys.readouterr()
    assert "converting labels.csv" in shown.err
    assert "cannot be read as a pickle of arrays" in shown.err
    kept = tmp_path / "cache" / "recipes" / "labels.csv"
    assert f"fetched  {kept}" in shown.out
    assert not (tmp_path / "cache" / "detectron2" / "mine.safetensors").exists()


def test_offline_nothing_is_fetched(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HSC_OFFLINE", "1")
    mine = recipe(tmp_path, f'{{ url = "{address}", md5 = "{MD5}" }}')
    assert main(["recipes", str(mine), "--fetch"]) == 2
    assert "HSC_OFFLINE" in capsys.readouterr().err


def test_recipes_are_listed_with_what_they_lack(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(line.split()[0] for line in lines)
    assert any(line.startswith("coco-det ") and "3 of 3 files to get" in line for line in lines)
    assert main(["recipes", "--fetch"]) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title = 3", ["title", "expected a text"]),
        ("titel = 'x'", ["titel", "did you mean title"]),
        ("title = 'x'", ["about, images, run is missing"]),
        (HEAD + "[needs]\nwhat = 'x'", ["[[needs]]"]),
        (HEAD + "[[needs]]\nwhat = 'x'", ["needs 1", "licence is missing"]),
        (HEAD + "[[needs]]\nwhat = 'x'\npath = 'a'\nlicence = 'y'\nmeans = 'mail'", ["'mail'", "url or run or hand"]),
        (HEAD + "[[needs]]\nwhat = 'x'\npath = 'a'\nlicence = 'y'\ndownloads = [{size = 1}]", ["download 1", "'size'"]),
        ("title = ", ["cannot be read"]),
    ],
)
def test_a_damaged_recipe_is_refused_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: list[str]
) -> None:
    (tmp_path / "mine.toml").write_text(text)
    assert main(["recipes", str(tmp_path / "mine.toml")]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    for word in ["mine.toml", *words]:
        assert word in message


def test_options_of_a_recipe_are_checked_and_names_have_near_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.toml").write_text(HEAD + "codecs = ['jpeg']\n")
    assert main(["run", "--recipe", str(tmp_path / "mine.toml")]) == 2
    assert "did you mean codec" in capsys.readouterr().err
    assert main(["run", "--recipe", "coco-dte"]) == 2
    assert "did you mean coco-det" in capsys.readouterr().err
    assert main(["run", "--recipe", "nowhere.toml"]) == 2
    assert "there is no recipe nowhere.toml" in capsys.readouterr().err
