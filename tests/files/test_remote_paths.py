"""Places in object stores are refused before anything is read or written."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import evaluate
from benchmarks.cli.main import main
from benchmarks.files.remote_paths import refuse_remote
from hsc.errors import UsageError


@pytest.mark.parametrize("place", ["s3://bucket/x", "gs://bucket/a b", "S3A://b", "abfss://c@a.net/x", "hdfs:///x"])
def test_a_place_in_an_object_store_is_refused_with_its_name(place: str) -> None:
    with pytest.raises(UsageError, match="file system") as refused:
        refuse_remote(f"images(path='{place}')")
    assert place.split(maxsplit=1)[0] in str(refused.value)


@pytest.mark.parametrize("path", ["results/s3/x", "C:/photos", "ray://first:10001", "s3:/x", "logs3/x", "plugins3:1"])
def test_paths_and_addresses_pass(path: str) -> None:
    refuse_remote(path)


@pytest.mark.parametrize(
    "line",
    [
        ["--dataset", 'images(path="s3://bucket/x")', "--dry-run"],
        ["--out", "gs://bucket/run", "--limit", "1"],
        ["--cache", "s3://bucket/cache", "--limit", "1"],
    ],
)
def test_the_command_line_refuses_it_and_makes_no_folder(
    line: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", *line]) == 2
    assert "object store" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_python_refuses_a_data_set_there() -> None:
    with pytest.raises(UsageError, match="s3://bucket/x"):
        evaluate(dataset='images(path="s3://bucket/x")')
