"""``advice.csv``: the setting of each codec that answers a question, one row a codec and question."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from benchmarks.runs.folder_files import exists
from benchmarks.runs.rows import frame, read_rows, rows_of

FILE = "advice.csv"

Aim = Literal["keep", "budget"]
Status = Literal["ok", "n/a", "skipped", "failed"]
_WORDS: Mapping[str, Sequence[str]] = {"aim": get_args(Aim), "status": get_args(Status)}


@dataclass(frozen=True)
class AdviceRow:
    """The answer of one codec to one question.

    aim, target: "keep" and the share of the score on the originals, 0 to 1; or "budget" and the bytes an image. codec:
    its label in ``scores.csv``. setting: the spec to type. point: the operating point of that setting. score: by
    ``metric``, with the ends of its 95 % interval; ``original`` is the score on the originals. kept: the share kept,
    with the ends of its paired 95 % interval. size_bytes: the mean of the images; bpp: all bits over all pixels.
    encode_s, decode_s: medians of the images. missed: the next smaller setting that was tried and missed the aim of
    "keep", or the next larger one, which is over a budget; missed_kept and missed_low are its share and the lower end
    of that. behind: within a budget, how much worse the score is than that of the best codec, with the ends of its
    paired 95 % interval; 0 for the best itself. Numbers that there are not are NaN.

    status: "ok"; "n/a" where no setting that was tried answers the question, and then the row holds the one that came
    nearest; "skipped" where the codec cannot run here; "failed" where it could code nothing. reason: why, in words; of
    an "ok" row, what was left untried.
    """

    aim: Aim
    target: float
    task: str
    dataset: str
    split: str
    head: str
    metric: str
    codec: str
    setting: str = ""
    point: str = ""
    score: float = math.nan
    score_low: float = math.nan
    score_high: float = math.nan
    original: float = math.nan
    kept: float = math.nan
    kept_low: float = math.nan
    kept_high: float = math.nan
    size_bytes: float = math.nan
    bpp: float = math.nan
    encode_s: float = math.nan
    decode_s: float = math.nan
    missed: str = ""
    missed_kept: float = math.nan
    missed_low: float = math.nan
    behind: float = math.nan
    behind_low: float = math.nan
    behind_high: float = math.nan
    images: int = 0
    resamples: int = 0
    refused: int = 0
    seed: int = 0
    status: Status = "ok"
    reason: str = ""


def advice_frame(rows: Sequence[AdviceRow]) -> pd.DataFrame:
    """The rows as a table, the columns of ``advice.csv``."""
    return frame(rows, AdviceRow)


def read_advice(path: Path) -> list[AdviceRow]:
    """The rows of ``advice.csv``.

    Raises:
        ResultsError: it is missing or damaged.
    """
    return rows_of(read_rows(path, AdviceRow, _WORDS), AdviceRow)


def advice_in(folder: Path) -> list[AdviceRow]:
    """The advice in a run's folder, empty where there is none. Raises as ``read_advice`` where there is."""
    return read_advice(folder / FILE) if exists(folder / FILE) else []
