"""What may stand in one table: a run's heads of one regime. Frozen and adapted heads are never compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmarks.reporting.paper.latex import escape, slug
from benchmarks.runs.run_folder import Run
from benchmarks.runs.tables import too_little
from benchmarks.stats.bootstrap import side_of_zero
from benchmarks.stats.metric_facts import TITLES, scale_of
from hsc.errors import UsageError


class View(NamedTuple):
    """A head and the way it reads: a block of a table, a panel of a figure."""

    head: str
    route: str

    @property
    def title(self) -> str:
        return escape(self.head + (", on latents" if self.route == "latent" else ""))


@dataclass(frozen=True)
class Group:
    """One run and one regime. name: the run's, as files begin with it, unlike any other run's; rows: of these heads and
    of the streams.
    """

    run: Run
    name: str
    regime: str
    rows: pd.DataFrame

    @property
    def metric(self) -> str:
        return self.run.task.main_metric

    @property
    def title(self) -> str:
        """The metric's, for people."""
        return TITLES.get(self.metric, self.metric)

    @property
    def views(self) -> list[View]:
        read = self.rows[(self.rows["head"] != "") & (self.rows["status"] != "skipped")]
        return [View(*pair) for pair in dict.fromkeys(zip(read["head"], read["route"], strict=True))]

    @property
    def codecs(self) -> list[str]:
        """Curves of the run in its order, without those of one lossless point."""
        points = self.rows[(self.rows["metric"] == "bpp") & (self.rows["part"] == "") & (self.rows["point"] != "")]
        return list(dict.fromkeys(points["codec"]))

    @property
    def where(self) -> str:
        """The data set, for captions."""
        return escape(f"{self.run.dataset} ({self.rows['split'].iloc[0]}, {self.run.images} images)")

    def sure(self, text: str) -> str:
        """What a caption says of intervals and bold: ``text`` where the group has any, and why where some or all have
        none.
        """
        known = self.rows["low"].notna() & (self.rows["head"] != "")
        return " ".join([*([text] if known.any() else []), *(escape(sentence) for sentence in too_little(self.rows))])

    def file(self, what: str, ending: str = ".tex") -> str:
        return f"{self.name}-{self.regime}-{what}{ending}"

    def label(self, kind: str, what: str) -> str:
        return f"{kind}:{self.name}-{self.regime}-{what}"

    def of(self, view: View) -> pd.DataFrame:
        return self.rows[(self.rows["head"] == view.head) & (self.rows["route"] == view.route)]


def groups(runs: Sequence[Run]) -> list[Group]:
    """The groups of several runs, in their order.

    Raises:
        UsageError: a run's task has scores that are not read in percent, which the tables of a paper do not know.
    """
    for run in runs:
        if other := [name for name in run.task.columns if not scale_of(name).percent]:
            raise UsageError(
                f"the run in {run.folder} has scores that are not in percent ({', '.join(other)}), which these "
                f"tables do not know; "
                "its own table.tex and curves.pdf do"
            )
    found = []
    for run, name in zip(runs, names([run.folder for run in runs]), strict=True):
        read = run.rows[(run.rows["head"] != "") & (run.rows["status"] != "skipped")]
        for regime in dict.fromkeys(read["regime"]):
            found.append(Group(run, name, str(regime), run.rows[run.rows["regime"].isin((regime, ""))]))
    return found


def names(folders: Sequence[Path]) -> list[str]:
    """A short name for each folder: its own, with its parents' where several are called alike, numbered where that is
    not enough.
    """
    parts = [folder.resolve().parts for folder in folders]
    for depth in (1, 2, 3):
        found = [slug("-".join(part[-depth:])) for part in parts]
        if len(set(found)) == len(found):
            return found
    return [f"{name}-{n}" for n, name in enumerate(found, 1)]


def clear_best(values: pd.DataFrame, leads: pd.DataFrame, floor: float = 0.0) -> str | None:
    """The codec that is best for sure: every other is behind it by a paired interval that leaves out 0, and by more
    than the floor.

    values: a column's numbers, a row a codec, all that belong in the comparison; leads: the best one's differences from
    each other, the other named in ``anchor`` or, against an anchor, in ``part``. None where there is no telling, or
    nothing to tell.
    """
    if len(values) < 2 or (values["status"] != "ok").any() or leads.empty:
        return None
    best = leads["codec"].iloc[0]
    less = leads["unit"].iloc[0] == "%" or scale_of(leads["metric"].iloc[0]).sign < 0
    sides = [
        side_of_zero(low, high, images)
        for low, high, images in zip(leads["low"], leads["high"], leads["images"], strict=True)
    ]
    better = pd.Series(sides, leads.index) == (-1 if less else 1)
    sure = leads[better & (leads["value"].abs() > floor)]
    behind = {
        part.removeprefix("less ") if part.startswith("less ") else anchor
        for part, anchor in zip(sure["part"], sure["anchor"], strict=True)
    }
    return str(best) if behind == set(values["codec"]) - {best} and best in set(values["codec"]) else None
