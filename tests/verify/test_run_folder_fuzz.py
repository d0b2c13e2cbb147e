"""Hostile run folders: verify, report and paper end in a sentence, never in a traceback, and start no program."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from run_mutations import mutate

from benchmarks.cli.paper import main as paper_main
from benchmarks.cli.report import main as report_main
from benchmarks.cli.run import main as run_main
from benchmarks.cli.verify import main as verify_main

STARTS = (
    "subprocess.Popen",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "os.fork",
    "os.forkpty",
    "pty.spawn",
)
NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request")
ALLOWED = ("'lscpu'", "imageio_ffmpeg")
"""loky counts cores, and the bundled ffmpeg decodes VVC."""
LONGEST_S = 60.0

_watched: list[str] | None = None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watched is not None and event in (*STARTS, *NETWORK):
        told = f"{event} {arguments!r}"[:300]
        _watched.extend([] if any(word in told for word in ALLOWED) else [told])


sys.addaudithook(_hook)


@pytest.fixture
def watched() -> Iterator[list[str]]:
    """What was started or asked of the network, in this process; the model in a hostile folder calls ``os.system``
    where it is unpickled.
    """
    global _watched  # noqa: PLW0603 - an audit hook stays for good, so it is told when to look
    _watched = []
    yield _watched
    _watched = None


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small honest run with everything that a folder can hold."""
    folder = tmp_path_factory.mktemp("base")
    what = [
        "--dataset",
        "squares(images=2)",
        "--head",
        "squares",
        "--codec",
        "blocks(size=[12, 8, 4, 2])",
        "--codec",
        "jpeg(quality=60)",
    ]
    how = [
        "--anchor",
        "blocks",
        "--resamples",
        "20",
        "--no-noise-floor",
        "--keep-streams",
        "2",
        "--gallery",
        "1",
        "--workers",
        "1",
        "--quiet",
    ]
    assert run_main([*what, *how, "--out", str(folder / "run"), "--cache", str(folder / "cache")]) == 0
    PIL.Image.new("RGB", (40, 30), (90, 20, 20)).save(folder / "run" / "sheet.jpg")
    return folder / "run"


def _tried(
    base: Path, folder: Path, seed: int, watched: list[str], capsys: pytest.CaptureFixture[str], drawn: bool
) -> None:
    """One hostile copy through the commands. drawn: through ``paper``, too, which takes longest."""
    shutil.copytree(base, folder / "run")
    done = f"{seed}: {mutate(folder / 'run', seed)}"
    begun = time.monotonic()
    out = folder / "out"
    commands = {
        "verify": lambda: verify_main([str(folder / "run"), "--workers", "1", "--quiet"]),
        "report": lambda: report_main([str(folder / "run"), "--out", str(folder / "page.html")]),
    }
    if drawn:
        commands["paper"] = lambda: paper_main([str(folder / "run"), "--out", str(out)])
    for name, command in commands.items():
        try:
            code = command()
        except BaseException as error:
            raise AssertionError(f"{name} on {done}") from error
        shown = capsys.readouterr()
        assert code in (0, 1, 2), done
        odd = [letter for letter in shown.out + shown.err if not (letter.isprintable() or letter == "\n")]
        assert not odd, f"{name} on {done}: {odd}"
        assert len(shown.err.splitlines()) <= 3, f"{name} on {done}: {shown.err[:1000]}"
        assert code != 2 or shown.err.startswith("error: ") or (name == "verify" and "skipped" in shown.out), (
            f"{name} on {done}: {shown}"
        )
    assert not watched, f"{done}: {watched}"
    assert not (folder / "run" / "OWNED").exists(), done
    assert time.monotonic() - begun < LONGEST_S, done


def _fuzz(
    base: Path, tmp_path: Path, seeds: range, watched: list[str], capsys: pytest.CaptureFixture[str], every: int = 1
) -> None:
    """every: how many folders there are for each that is put into a paper."""
    for seed in seeds:
        folder = tmp_path / str(seed)
        folder.mkdir()
        _tried(base, folder, seed, watched, capsys, seed % every == 0)
        shutil.rmtree(folder)


def test_hostile_folders_end_in_a_sentence(
    base: Path, tmp_path: Path, watched: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _fuzz(base, tmp_path, range(40), watched, capsys, every=8)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(9))
def test_four_hundred_hostile_folders(
    base: Path, tmp_path: Path, part: int, watched: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _fuzz(base, tmp_path, range(40 + 40 * part, 80 + 40 * part), watched, capsys)


def test_the_watch_sees_what_is_started(watched: list[str]) -> None:
    import subprocess

    subprocess.run([sys.executable, "-c", ""], check=True)
    assert any(event.startswith("subprocess.Popen") for event in watched)
