"""``hsc-bench class-map``: writes a class map from a head's classes to a data set's, to be checked by a person."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.api import DATASETS
from benchmarks.cli.command import DONE, new_parser, run
from benchmarks.harness.guard import guarded, why_unavailable
from downstream.api import HEADS, LabelSpace
from downstream.class_maps import find_map, find_merge
from downstream.class_maps.class_names import near_names, same_names
from downstream.class_maps.map_text import map_file
from hsc.errors import DataError, ResultsError, UnavailableError, UsageError

EXAMPLES = """
  hsc-bench class-map --head 'onnx(path=model.onnx, format=auto, classes=names.txt)' \\
      --dataset 'coco(images=images, annotations=labels.json)' --out map.toml
  HSC_CLASS_MAPS=map.toml hsc-bench run --task detection --head ... --dataset ...
      the map in use"""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = new_parser(
        "class-map",
        "Write a class map from a head's classes to a data set's. Classes of the same name are filled in, similar "
        "names are filled in as guesses, and the other classes are comments to complete. HSC_CLASS_MAPS names the file "
        "for later runs.",
        EXAMPLES,
        refused="the head or the data set cannot be used, or the file exists",
    )
    parser.add_argument("--head", metavar="SPEC", required=True, help="the head as hsc-bench run takes it")
    parser.add_argument("--dataset", metavar="SPEC", required=True, help="the data set as hsc-bench run takes it")
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="the .toml file, or a folder that gets SOURCE-to-TARGET.toml (default: print the map)",
    )
    parser.add_argument("--overwrite-file", action="store_true", help="write over a file that exists")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run(parser(), _write, argv)


def _write(options: argparse.Namespace) -> int:
    source, target = _spaces(options.head, options.dataset)
    known, merge = _known(source.name, target.name)
    same = known or same_names(source.classes, target.classes)
    text = map_file(source, target, same, merge)
    if options.out is None:
        sys.stdout.write(text)
        return DONE
    path = options.out / f"{source.name}-to-{target.name}.toml" if options.out.is_dir() else options.out
    if path.suffix != ".toml":
        raise UsageError(f"--out came as {path}, expected a file that ends in .toml, or a folder that exists")
    try:
        with open(path, "w" if options.overwrite_file else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ResultsError(f"{path} exists; give another --out, or --overwrite-file to write over it") from error
    sys.stdout.write(_summary(source, target, same, path))
    return DONE


def _known(source: str, target: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The tables [map] and [merge] of a map that exists; empty where there is none, or it cannot be read."""
    try:
        return find_map(source, target) or {}, find_merge(source, target)
    except DataError:
        return {}, {}


def _summary(source: LabelSpace, target: LabelSpace, same: Mapping[str, str], path: Path) -> str:
    """What the file holds and how it is used, a line each."""
    left = [name for name in source.classes if name not in same]
    near = near_names(left, [name for name in target.classes if name not in same.values()])
    return (
        f"{path}: {len(source.classes) - len(left)} of {len(source.classes)} classes mapped, {len(near)} guessed, "
        f"{len(left) - len(near)} left as comments\n"
        f"check the guesses, complete the comments, then: export HSC_CLASS_MAPS={shlex.quote(os.fspath(path))}\n"
    )


def _spaces(head_spec: str, dataset_spec: str) -> tuple[LabelSpace, LabelSpace]:
    """The label spaces of a head and of a data set's labels of its kind.

    Raises:
        UnavailableError: the head or the data set cannot be used here.
        UsageError: one of them has no classes, or both have the same label space.
    """
    head, dataset = HEADS.build(head_spec), DATASETS.build(dataset_spec)
    for item, spec in ((head, head_spec), (dataset, dataset_spec)):
        if reason := why_unavailable(item):
            raise UnavailableError(f"{spec} cannot be used here: {reason}")
    source: LabelSpace = guarded(lambda: head.label_space)
    target: LabelSpace | None = guarded(dataset.label_space, head.output)
    if target is None:
        raise UsageError(
            f"{dataset_spec} has no labels for {head.output.__name__}, so no class map is needed: predictions on the "
            f"originals stand in for labels"
        )
    if not source.classes:
        raise UsageError(f"{head_spec} answers in no classes, so it needs no class map")
    if source == target:
        raise UsageError(f"{head_spec} and {dataset_spec} have the same classes, {source.name}; no class map is needed")
    if source.name == target.name:
        raise UsageError(
            f"the classes of {head_spec} and of {dataset_spec} are both called {source.name} and differ; rename the "
            f"file of class names"
        )
    return source, target
