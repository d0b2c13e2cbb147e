"""The arguments of ``hsc-bench run``, with their help and examples."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.cli.command import new_parser
from benchmarks.cli.listing import REGISTRIES
from benchmarks.cli.options import (
    add_cache,
    add_codec_file,
    add_device,
    add_executor,
    add_limit_and_seed,
    add_quiet,
    add_timeout,
)
from benchmarks.cli.places import out_folder
from benchmarks.reporting.images import GALLERY_IMAGES
from benchmarks.stats.bootstrap import RESAMPLES

PREVIEW_IMAGES = 12
"""Images of a preview: with fewer, many curves dip by chance and have no Bjontegaard difference."""
EXAMPLES = """
  hsc-bench run --task detection
      the task's own data set, heads and codecs; nothing is downloaded
  hsc-bench run --task detection --limit 8 --codec jpeg --codec 'vvc(qp=[47, 42, 37, 32], preset=fast)'
      a quick look: two codecs, eight images
  hsc-bench run --preview
      a first look within a minute or two: all default codecs, few images; the same line without --preview goes on
  hsc-bench run --task detection --dataset 'coco(images="val2017", annotations="instances_val2017.json")' \\
      --head 'onnx(path="yolox_nano.onnx", format=yolox)' --codec 'jpeg(quality=[5, 10, 20, 35, 50, 75])' --codec bpg
      your own photos, labels and detector
  hsc-bench run --codec-file mycodec.toml --require mycodec
      an external codec beside the default ones; the exit code is 2, before the run starts, if it is unavailable
  hsc-bench run --codec hsc --codec 'vvc(scale=[1.0, 0.5])' --codec 'vvc(preset=medium)' \\
      --anchor vvc --anchor 'front(of=vvc)'
      compared with VVC as configured by default, and with the best of its presets and scales at each rate
  hsc-bench run --match-bpp 0.05 0.1 0.2 --codec hsc --codec vvc --codec bpg
      each codec at these rates, found by a search over its quality scale; the table shows the rates reached
  hsc-bench run --task detection --codec hsc --head small --head latent_detector
      the same bitstreams read in the pixel domain and in the compressed domain; --route latent for the second alone
  hsc-bench run --task detection --codec truncated
      accuracy against the number of layers received
  hsc-bench run --task detection --dataset shuffled_labels --codec hsc
      a control: each image is scored by the labels of another one; after a run on roadscenes nothing is encoded again
  hsc-bench run --keep-streams 8 --out results/mine && hsc-bench verify results/mine
      the folder keeps the bitstreams of eight images, and the second command decodes and scores them again
  hsc-bench run --config run.toml --limit 8
      the settings of a file: each option by its long name, lists as arrays, as in codec = ["jpeg", "vvc"]; options on
      the line win. Each run's folder holds its own run.toml, which hsc-bench rerun repeats
  hsc-bench run --recipe coco-det --dry-run
      a published measurement repeated: what it needs, what of that is here, and how to get the rest
  hsc-bench run --codec hsc --codec 'vvc(preset=medium, name="VVC, medium")'
      name= in a codec or a head is how the page and the curves call it; files keep the spec
  hsc-bench run --keep-predictions --out results/mine
      the folder keeps every prediction and the labels, for the evaluator of your choice, such as pycocotools
  hsc-bench run --limit 8 --codec jpeg --codec vvc --save-images decoded
      decoded/vvc/qp-37/val-00000.png and so on: the very pixels that the heads were scored on
  hsc-bench run --errors --match-bpp 0.05 --codec hsc --codec vvc
      objects lost and hallucinated at equal rate; after a run the same line with --errors measures nothing again
  hsc-bench run --list codecs
  hsc-bench run --dry-run --task detection

"python -m benchmarks.run" is the same command."""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = new_parser(
        "run",
        "Measure how well machines see images that codecs have encoded: rate, accuracy and time of each codec, on a "
        "data set, with one or more heads.",
        EXAMPLES,
        failed="some cells failed (named on standard error)",
    )
    parser.add_argument(
        "--config",
        metavar="TOML",
        type=Path,
        help="read options from a file: long names as keys, lists as arrays; options on the line win",
    )
    parser.add_argument(
        "--recipe",
        metavar="NAME",
        help="repeat a published measurement: options from a recipe, or from one of your own in TOML; hsc-bench "
        "recipes lists them",
    )
    _add_subject(parser.add_argument_group("what to run"))
    add_execution(parser.add_argument_group("how to run it"))
    add_output(parser.add_argument_group("where results go"))
    parser.add_argument(
        "--list",
        choices=sorted(REGISTRIES),
        dest="listed",
        help="list plug-ins: name, availability, reason; one a line",
    )
    return parser


def _add_subject(group: argparse._ArgumentGroup) -> None:
    """The arguments that decide the numbers of a run."""
    group.add_argument("--task", default="detection", help="task of the machine (default: %(default)s)")
    group.add_argument("--dataset", metavar="SPEC", help="images and labels (default: the task's)")
    group.add_argument(
        "--codec",
        metavar="SPEC",
        action="append",
        help="a codec; a list in it is a sweep of operating points; may be repeated (default: the task's)",
    )
    add_codec_file(group)
    group.add_argument(
        "--head", metavar="SPEC", action="append", help="a detector or segmenter; may be repeated (default: the task's)"
    )
    group.add_argument(
        "--metric",
        metavar="SPEC",
        action="append",
        default=[],
        help="a metric beside those of the task; may be repeated (hsc-bench run --list metrics shows them)",
    )
    group.add_argument(
        "--rate",
        metavar="SPEC",
        action="append",
        default=[],
        help="a definition of the rate that stands in scores.csv beside bpp, such as enlarged(short=800, most=1333), "
        "for figures of others; may be repeated (hsc-bench list rates shows them)",
    )
    group.add_argument(
        "--route",
        choices=("image", "latent", "both"),
        default="both",
        help="heads on decoded images, on latents, or both (default: %(default)s)",
    )
    group.add_argument(
        "--anchor",
        metavar="CODEC",
        action="append",
        help="codec of the run that Bjontegaard differences are taken against, or a Pareto front: front(of=vvc) of all "
        "curves of one codec, front(of=(vvc, bpg)) of several; may be repeated (default: the task's)",
    )
    group.add_argument(
        "--resamples",
        metavar="N",
        type=int,
        default=RESAMPLES,
        help="bootstrap resamples of the images for the 95 %% intervals; 0 for none (default: %(default)s)",
    )
    group.add_argument(
        "--match-bpp",
        metavar="BPP",
        type=float,
        nargs="+",
        default=(),
        help="operating points at these rates over the data set, within 5 %%, in place of each codec's ladder",
    )
    group.add_argument(
        "--no-noise-floor",
        action="store_true",
        help="do not measure the noise floor of Bjontegaard differences, by a second ladder of the last anchor",
    )
    group.add_argument("--no-null-floor", dest="no_noise_floor", action="store_true", help=argparse.SUPPRESS)
    group.add_argument(
        "--require",
        metavar="CODEC",
        action="append",
        default=[],
        help="exit with code 2 before the run starts if this codec is unavailable; may be repeated",
    )
    add_limit_and_seed(group)


def add_execution(group: argparse._ArgumentGroup) -> None:
    """The arguments that change no number but times."""
    add_executor(group)
    add_device(group)
    group.add_argument(
        "--repeats",
        metavar="N",
        type=int,
        default=1,
        help="take each time N times and keep the median (default: 1); times kept from other repeats, workers, devices "
        "or hosts are taken again",
    )
    group.add_argument(
        "--overwrite",
        choices=("missing", "always", "never"),
        default="missing",
        help="encode and time what is missing, everything, or nothing (default: %(default)s)",
    )
    add_timeout(group)
    group.add_argument(
        "--dry-run", action="store_true", help="print the plan and stop: cells, what is cached, what would run"
    )
    group.add_argument(
        "--preview",
        action="store_true",
        help=f"a first look: the summary of {PREVIEW_IMAGES} images by the first head, without intervals and without "
        "files; what it encodes, the run itself finds in the cache",
    )
    add_quiet(group)


def add_output(group: argparse._ArgumentGroup, *, out: str = "default: results/runs/<name>", name: bool = True) -> None:
    """The arguments that name folders and files. out: of the folder by default. name: whether a run can be named."""
    group.add_argument(
        "--out",
        metavar="DIR",
        type=out_folder,
        help=f"folder for the run's files ({out}), or a URI such as s3://bucket/runs/first, to which they are copied "
        "at the end",
    )
    if name:
        group.add_argument(
            "--name",
            help="name of the run (default: the task's name, with that of a data set that is not the task's own)",
        )
    group.add_argument(
        "--overwrite-folder",
        action="store_true",
        help="replace a finished run of other settings in the folder, which is refused otherwise",
    )
    group.add_argument(
        "--table",
        choices=("summary", "full"),
        default="summary",
        help="what is printed at the end: the summary, or every operating point before it (default: %(default)s)",
    )
    group.add_argument(
        "--keep-streams",
        metavar="N",
        type=int,
        default=0,
        help="keep the bitstreams of N images, spread over the data set, for hsc-bench verify (default: none)",
    )
    group.add_argument(
        "--keep-predictions",
        action="store_true",
        help="keep all predictions and the labels they are scored against: COCO result files for boxes and masks, PNG "
        "for label maps, CSV for classes, in the folder predictions, which manifest.json describes",
    )
    group.add_argument(
        "--save-images",
        metavar="DIR",
        type=Path,
        help="write every image that each codec decodes as PNG into this folder, with a manifest.json; images that an "
        "earlier run saved there are replaced, other files are never touched",
    )
    group.add_argument(
        "--errors",
        action="store_true",
        help="decompose what heads lose and make up on coded images, by class, size and contrast: errors.csv, a "
        "figure, the worst images, and a section of the page",
    )
    add_cache(group)
    group.add_argument(
        "--gallery",
        metavar="N",
        type=int,
        default=GALLERY_IMAGES,
        help="show decoded images of N scenes on the page; 0 for none (default: %(default)s)",
    )
