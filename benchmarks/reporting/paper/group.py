"""What may stand in one table: a run's heads of one regime. Frozen and adapted heads are never compared."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmarks.api import Kind, MetricFacts
from benchmarks.reporting.paper.latex import escape, slug
from benchmarks.reporting.paper.paper_options import DEFAULTS, PaperOptions
from benchmarks.runs.display_names import Naming, split_and_images
from benchmarks.runs.run_folder import Run
from benchmarks.runs.sentences import too_little
from benchmarks.stats.bootstrap import side_of_zero
from hsc.errors import UsageError


class View(NamedTuple):
    """A head, the route it reads by, and a score it is compared in: a block of a table, a panel of a figure.

    named: the title of the score where the head is compared in several, else empty.
    """

    head: str
    route: str
    metric: str
    named: str = ""

    @property
    def title(self) -> str:
        """The head for people, as LaTeX, with its domain and its score where they are not plain."""
        domain = ", compressed domain" if self.route == "latent" else ""
        return escape(self.head + domain + (f", {self.named}" if self.named else ""))

    def rows_of(self, table: pd.DataFrame) -> pd.DataFrame:
        """The lines of scores that are of this head and route, or of comparisons that are in its metric, too."""
        own = table[(table["head"] == self.head) & (table["route"] == self.route)]
        return own[own["metric"] == self.metric] if "kind" in own else own


@dataclass(frozen=True)
class Group:
    """One run and one regime.

    name: the beginning of its files' names, unlike any other run's. scores, comparisons: those of the regime's heads
    and of the bitstreams, of the codecs that are shown and in their order, under the names by which codecs and heads
    are shown. shown: those names by label, where they differ.
    """

    run: Run
    name: str
    regime: str
    scores: pd.DataFrame
    comparisons: pd.DataFrame
    options: PaperOptions = DEFAULTS
    shown: Mapping[str, str] = field(default_factory=dict)

    def called(self, label: str) -> str:
        """What a codec, a head or a data set is called, by its label in the run."""
        return self.shown.get(label, label)

    @functools.cached_property
    def views(self) -> list[View]:
        """The heads and routes that read anything, each with the scores it is compared in, in the run's order."""
        read = self.scores[(self.scores["head"] != "") & (self.scores["status"] != "skipped")]
        views = []
        for head, route in dict.fromkeys(zip(read["head"], read["route"], strict=True)):
            own = read[(read["head"] == head) & (read["route"] == route) & (read["part"] == "")]
            metrics = self.run.design.compared_metrics(set(own["metric"])) or (self.run.results.main_metric,)
            named = [self.facts_of(metric).title for metric in metrics] if len(metrics) > 1 else [""]
            views += [View(head, route, *titled) for titled in zip(metrics, named, strict=True)]
        return views

    @property
    def readers(self) -> list[View]:
        """The first view of each head and route."""
        return list({(view.head, view.route): view._replace(named="") for view in reversed(self.views)}.values())[::-1]

    @property
    def metrics(self) -> list[str]:
        """The scores that its heads are compared in, each once; for most runs one."""
        return list(dict.fromkeys(view.metric for view in self.views))

    @property
    def title(self) -> str:
        """The main scores for captions, as LaTeX."""
        return escape(" or ".join(self.facts_of(metric).title for metric in self.metrics))

    @property
    def unit(self) -> str:
        """What captions say of the scores' unit, as LaTeX: percent, dB, or nothing."""
        units = {r"\%" if facts.percent else escape(facts.unit) for facts in map(self.facts_of, self.metrics)} - {
            "1",
            "",
        }
        return f" ({units.pop()})" if len(units) == 1 else ""

    @property
    def codecs(self) -> list[str]:
        """Curves of the run in its order, without those of one lossless point."""
        points = self.scores[
            (self.scores["metric"] == "bpp") & (self.scores["ladder"] == "") & (self.scores["point"] != "")
        ]
        return list(dict.fromkeys(points["codec"]))

    def facts_of(self, score: str) -> MetricFacts:
        return self.run.results.facts_of(score)

    def of_kind(self, *kinds: Kind) -> pd.DataFrame:
        """The comparisons of some kinds."""
        return self.comparisons[self.comparisons["kind"].isin(kinds)]

    @property
    def where(self) -> str:
        """The data set, for captions."""
        dataset = self.called(self.run.dataset)
        return escape(f"{dataset} {split_and_images(self.scores['split'].iloc[0], f'{len(self.run.images)} images')}")

    @property
    def has_intervals(self) -> bool:
        """Whether any score of a head has an interval."""
        return bool((self.scores["low"].notna() & (self.scores["head"] != "")).any())

    def sure(self, text: str) -> str:
        """What a caption says of intervals and bold: ``text`` where the group has any, and why where some or all have
        none.
        """
        return " ".join(
            [*([text] if self.has_intervals else []), *(escape(reason) for reason in too_little(self.scores))]
        )

    def file(self, what: str, ending: str = ".tex") -> str:
        return f"{self.name}-{self.regime}-{what}{ending}"

    def label(self, kind: str, what: str) -> str:
        return f"{kind}:{self.name}-{self.regime}-{what}"


def groups(runs: Sequence[Run], options: PaperOptions = DEFAULTS) -> list[Group]:
    """The groups of several runs, in their order.

    Raises:
        UsageError: the options name what no run has, or leave a run without any codec.
    """
    everywhere = [label for run in runs for label in curves_of(run)]
    options.require_known(list(dict.fromkeys(everywhere)), [label for run in runs for label in _others(run)])
    made = []
    for run, name in zip(runs, names([run.folder for run in runs]), strict=True):
        curves = curves_of(run)
        chosen = options.chosen(curves)
        if curves and not chosen:
            raise UsageError(f"--codecs: the run in {run.folder} has none of them; it has {', '.join(curves)}")
        naming = Naming.of(run.results)
        shown = options.shown_names(curves, _others(run), naming.names)
        scores, comparisons = (_of_codecs(table, curves, chosen) for table in (run.scores, run.comparisons))
        scores, comparisons = (_renamed(table, shown, naming) for table in (scores, comparisons))
        read = scores[(scores["head"] != "") & (scores["status"] != "skipped")]
        for regime in dict.fromkeys(read["regime"]):
            rows, compared = (table[table["regime"].isin((regime, ""))] for table in (scores, comparisons))
            made.append(Group(run, name, str(regime), rows, compared, options, shown))
    return made


def curves_of(run: Run) -> list[str]:
    """The labels of a run's curves in its order, without those of one lossless point."""
    points = run.scores[(run.scores["metric"] == "bpp") & (run.scores["ladder"] == "") & (run.scores["point"] != "")]
    return list(dict.fromkeys(points["codec"]))


def _others(run: Run) -> list[str]:
    """The labels of a run's heads and of its data set."""
    return [head for head in dict.fromkeys(run.scores["head"]) if head] + [run.dataset]


def _of_codecs(table: pd.DataFrame, curves: Sequence[str], chosen: Sequence[str]) -> pd.DataFrame:
    """The rows of a table without those of curves that are not chosen, the chosen ones in order.

    The noise floor stays whichever codec it was measured on.
    """
    if list(curves) == list(chosen):
        return table
    hidden = set(curves) - set(chosen)
    gone = table["codec"].isin(hidden)
    if "kind" in table:
        of_leads = table["kind"].isin(("lead_at_rate", "lead_bd_rate", "lead_bd_metric"))
        gone = (gone & ~table["kind"].isin(("noise_floor_rate", "noise_floor_metric"))) | (
            of_leads & table["other"].isin(hidden)
        )
    kept = table[~gone]
    places = {label: place for place, label in enumerate(chosen)}
    return kept.iloc[kept["codec"].map(lambda label: places.get(label, -1)).argsort(kind="stable")]


def _renamed(table: pd.DataFrame, shown: Mapping[str, str], naming: Naming) -> pd.DataFrame:
    """The table with codecs and heads called as they are shown, and reasons without paths; anchors, which may be
    fronts, keep their labels.
    """
    columns = [name for name in ("codec", "head", "other") if name in table]
    called = {name: table[name].map(lambda label: shown.get(label, label)) for name in columns}
    return table.assign(**called, reason=table["reason"].map(naming.text))


def names(folders: Sequence[Path]) -> list[str]:
    """A short name for each folder: its own, with its parents' where several folders share it, numbered where even that
    is not enough.
    """
    parts = [folder.resolve().parts for folder in folders]
    for depth in (1, 2, 3):
        slugs = [slug("-".join(part[-depth:])) for part in parts]
        if len(set(slugs)) == len(slugs):
            return slugs
    return [f"{name}-{n}" for n, name in enumerate(slugs, 1)]


def clear_best(values: pd.DataFrame, leads: pd.DataFrame, higher_is_better: bool, floor: float = 0.0) -> str | None:
    """The codec that is best beyond doubt, None where there is none or nothing to compare.

    It leads every other codec by more than the noise floor, and each paired interval leaves out 0. values: the
    comparisons of one column, a line a codec, all that belong in the contest. leads: the best codec's leads over each
    ``other``.
    """
    if len(values) < 2 or (values["status"] != "ok").any() or leads.empty:
        return None
    best = leads["codec"].iloc[0]
    sides = [
        side_of_zero(low, high, images)
        for low, high, images in zip(leads["low"], leads["high"], leads["images"], strict=True)
    ]
    ahead = pd.Series(sides, leads.index) == (1 if higher_is_better else -1)
    behind = set(leads.loc[ahead & (leads["value"].abs() > floor), "other"])
    codecs = set(values["codec"])
    return str(best) if best in codecs and behind == codecs - {best} else None
