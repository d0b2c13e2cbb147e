"""Converter of StyleGAN2 checkpoints: ``python -m hsc convert-stylegan2 ckpt.pt out.safetensors``.

    command ── checks names ──> child process ── reads, maps keys, checks ──> .out.safetensors.part
                                      └── report or error, as JSON ──> command ── renames ──> out.safetensors

The codec itself never unpickles. The child process protects the command from a file that is damaged or too large for
memory. It is no sandbox: code that --allow-pickle lets run has all the rights of the user.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hsc import errors
from hsc.errors import DataError, HscError, ProcessError, UsageError
from hsc.networks.config import GeneratorConfig
from hsc.weights.conversion_names import check_names

DONE, FAILED, USAGE = 0, 1, 2

DESCRIPTION = (
    "Convert a StyleGAN2 generator, with NVLabs ADA (PyTorch) or rosinality keys, to a safetensors file that this "
    "package loads."
)

EXAMPLES = """examples:
  python -m hsc convert-stylegan2 stylegan2-ffhq-config-f.pt ffhq.safetensors
      a rosinality checkpoint: its g_ema and latent_avg
  python -m hsc convert-stylegan2 generator.safetensors mine.safetensors --overwrite
      a state dict in NVLabs ADA keys; replaces the output of an earlier run
  PYTHONPATH=stylegan2-ada-pytorch python -m hsc convert-stylegan2 \\
          ffhq.pkl ffhq.safetensors --allow-pickle --clamp 256
      an NVLabs pickle, which runs code when it is loaded: only from people you trust

exit codes: 0 done, 1 the checkpoint cannot be converted, 2 the request cannot be met"""


@dataclass(frozen=True)
class Converted:
    """The report of a conversion: layout of the source, config and number of weights, and notes for people."""

    layout: str
    config: GeneratorConfig
    parameters: int
    notes: list[str]


def convert(
    source: Path, target: Path, *, allow_pickle: bool = False, overwrite: bool = False, clamp: float | None = None
) -> Converted:
    """Convert a checkpoint in a child process; ``target`` appears whole or not at all.

    clamp: see ``GeneratorConfig``; stored in the file.

    Raises:
        UsageError: the names do not fit, or ``target`` exists and ``overwrite`` is False.
        DataError: the checkpoint cannot be read, or would run code that was not allowed.
        ProcessError: the child process died.
    """
    check_names(source, target, overwrite)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        report = _run_child({"source": str(source), "part": str(part), "allow_pickle": allow_pickle, "clamp": clamp})
        if "error" in report:
            kind = getattr(errors, report["error"], DataError)
            raise kind(report["message"])
        _put(part, target, overwrite)
    finally:
        part.unlink(missing_ok=True)
    return Converted(**{**report, "config": GeneratorConfig(**report["config"])})


def _run_child(job: dict[str, Any]) -> dict[str, Any]:
    """Run ``run_job`` in a child process and return its report.

    Raises:
        ProcessError: the child process left no report.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        text = json.dumps({**job, "report": str(report)})
        child = subprocess.run(
            [sys.executable, "-m", "hsc.weights.convert_stylegan2", "--job", text],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if not report.is_file():
            last_line = (child.stderr.strip().splitlines() or ["it wrote no message"])[-1]
            raise ProcessError(
                f"the process converting {job['source']} ended with status {child.returncode}: {last_line}; check "
                f"that there is enough memory"
            )
        content: dict[str, Any] = json.loads(report.read_text())
        return content


def _put(part: Path, target: Path, overwrite: bool) -> None:
    """Give the finished file its name; a link, unlike a rename, fails where the name was taken in the meantime."""
    if overwrite:
        part.replace(target)
        return
    try:
        os.link(part, target)
    except FileExistsError:
        raise UsageError(
            f"{target} appeared while converting; name another file, or replace it with --overwrite"
        ) from None
    except OSError:  # a file system without links
        part.replace(target)


def run_job(job: dict[str, Any]) -> None:
    """The work of the child process: read, map and check a checkpoint, write the output, and leave a report."""
    try:
        report = asdict(_convert_here(Path(job["source"]), Path(job["part"]), job["allow_pickle"], job["clamp"]))
    except HscError as error:
        report = {"error": type(error).__name__, "message": str(error)}
    except OSError as error:
        report = {"error": "DataError", "message": f"{error.filename or job['source']}: {error.strerror or error}"}
    Path(job["report"]).write_text(json.dumps(report))


def _convert_here(source: Path, part: Path, allow_pickle: bool, clamp: float | None) -> Converted:
    from safetensors.torch import save_file

    from hsc.files.tensor_files import require_sound
    from hsc.weights.checkpoint_reader import read_checkpoint
    from hsc.weights.stylegan2_keys import build_generator, infer_config, layout_of, to_own

    state = read_checkpoint(source, allow_pickle=allow_pickle)
    layout, _ = layout_of(state)
    own = to_own(state)
    require_sound(own, source)  # again, because they were converted to float32
    config, notes = infer_config(own), []
    generator = build_generator(own, config)
    if not any(key.endswith(".noise") for key in own):
        notes.append('it has no noise maps: noise="stored" is the same as "off"')
    if generator.mapping is not None and "mapping.w_mean" not in own:
        generator.mapping.w_mean.copy_(generator.mapping.estimate_mean())
        notes.append("it has no mean latent: estimated from 10,000 samples")
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    about = {"source_sha256": digest, "layout": layout, "clamp": clamp, "notes": notes}
    save_file(
        {k: v.contiguous() for k, v in generator.state_dict().items()},
        part,
        metadata={"hsc": json.dumps(about, sort_keys=True)},
    )
    mask = os.umask(0)
    os.umask(mask)
    part.chmod(0o666 & ~mask)  # safetensors writes files only their owner can read
    return Converted(layout, config, sum(p.numel() for p in generator.parameters()), notes)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of the conversion to a command's parser."""
    command.add_argument(
        "checkpoint", type=Path, help="a safetensors file, a torch state dict or checkpoint, or (see below) a pickle"
    )
    command.add_argument("output", type=Path, help="the file to write, ending in .safetensors")
    command.add_argument(
        "--allow-pickle",
        action="store_true",
        help="also load files that run their own code; only for files from people you trust",
    )
    command.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
    command.add_argument(
        "--clamp",
        type=float,
        metavar="X",
        help="limit of activations, which no state dict holds: 256 for networks trained with NVLabs' ADA",
    )


def run(options: argparse.Namespace) -> int:
    """Convert as the parsed arguments say, and return the exit code."""
    try:
        converted = convert(
            options.checkpoint,
            options.output,
            allow_pickle=options.allow_pickle,
            overwrite=options.overwrite,
            clamp=options.clamp,
        )
    except HscError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE if isinstance(error, UsageError) else FAILED
    c = converted.config
    lines = [
        f"wrote {options.output}: {converted.layout} keys, {c.resolution}x{c.resolution}, W+ {c.n_styles}x{c.w_dim}, "
        f"channel_base {c.channel_base}, {c.mapping_layers} mapping layers, {converted.parameters:,} parameters",
        *(f"note: {note}" for note in converted.notes),
    ]
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write("\n".join(lines) + "\n")
    return DONE


def parser() -> argparse.ArgumentParser:
    """The parser of this module as a command."""
    command = argparse.ArgumentParser(
        prog="python -m hsc.weights.convert_stylegan2",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(command)
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run this module as a command and return the exit code; ``python -m hsc convert-stylegan2`` does the same."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["--job"] and len(given) == 2:  # this is the child process, see ``_run_child``
        run_job(json.loads(given[1]))
        return DONE
    return run(parser().parse_args(given))


if __name__ == "__main__":
    sys.exit(main())
