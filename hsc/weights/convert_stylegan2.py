"""A StyleGAN2 checkpoint to a safetensors file: ``python -m hsc.weights.convert_stylegan2 ckpt.pt out.safetensors``.

    command ── checks names ──> child process ── reads, maps keys, checks ──> .out.safetensors.part ── renamed ──>
    out.safetensors
                                      └── what it found, or why not, as JSON ──> command

The product itself never unpickles. The child keeps a file that is damaged or too large for memory from taking the
command down with it; it is no sandbox: what --allow-pickle lets run has all the rights of whoever runs it.
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

DONE, FAILED, USAGE = 0, 1, 2

EXAMPLES = """examples:
  python -m hsc.weights.convert_stylegan2 stylegan2-ffhq-config-f.pt ffhq.safetensors
      a rosinality checkpoint: its g_ema and latent_avg
  python -m hsc.weights.convert_stylegan2 generator.safetensors mine.safetensors --overwrite
      a state dict in NVLabs ADA keys, replacing what an earlier run wrote
  PYTHONPATH=stylegan2-ada-pytorch python -m hsc.weights.convert_stylegan2 ffhq.pkl ffhq.safetensors --allow-pickle --clamp 256
      an NVLabs pickle: it runs code when loaded, so only from people you trust

exit codes: 0 done, 1 the checkpoint cannot be converted, 2 the request cannot be met"""


@dataclass(frozen=True)
class Converted:
    """What a conversion found: the source's layout, the generator's config, its number of weights, notes for a person."""

    layout: str
    config: GeneratorConfig
    parameters: int
    notes: list[str]


def convert(
    source: Path, target: Path, *, allow_pickle: bool = False, overwrite: bool = False, clamp: float | None = None
) -> Converted:
    """Convert a checkpoint in a child process; ``target`` appears whole or not at all.

    clamp: see ``GeneratorConfig``; kept in the file.

    Raises:
        UsageError: the names do not fit, or ``target`` exists and is not to be overwritten.
        DataError: the checkpoint is not one this reads, or would run code that was not allowed.
        ProcessError: the child died.
    """
    _check_names(source, target, overwrite)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.json"
            job = {
                "source": str(source),
                "part": str(part),
                "report": str(report),
                "allow_pickle": allow_pickle,
                "clamp": clamp,
            }
            child = subprocess.run(
                [sys.executable, "-m", "hsc.weights.convert_stylegan2", "--job", json.dumps(job)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            if not report.is_file():
                last = child.stderr.strip().splitlines()[-1:] or ["it said nothing"]
                raise ProcessError(
                    f"the process converting {source} ended with status {child.returncode}: {last[0]}; is there "
                    f"memory enough?"
                )
            found = json.loads(report.read_text())
        if "error" in found:
            kind = getattr(errors, found["error"], DataError)
            raise kind(found["message"])
        _put(part, target, overwrite)
    finally:
        part.unlink(missing_ok=True)
    return Converted(**{**found, "config": GeneratorConfig(**found["config"])})


def _check_names(source: Path, target: Path, overwrite: bool) -> None:
    if not source.is_file():
        raise UsageError(f"there is no file {source}")
    if target.suffix != ".safetensors":
        raise UsageError(f"the output came as {target.name}, expected a name that ends in .safetensors")
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}; make it first")
    if target.exists() and target.samefile(source):
        raise UsageError(f"the output {target} is the input; name another file")
    if target.exists() and not overwrite:
        raise UsageError(f"{target} exists; name another file, or replace it with --overwrite")


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
    """The child's work: read, map, check, write, and leave a report."""
    report = Path(job["report"])
    try:
        found = asdict(_convert_here(Path(job["source"]), Path(job["part"]), job["allow_pickle"], job["clamp"]))
    except HscError as error:
        found = {"error": type(error).__name__, "message": str(error)}
    except OSError as error:
        found = {"error": "DataError", "message": f"{error.filename or job['source']}: {error.strerror or error}"}
    report.write_text(json.dumps(found))


def _convert_here(source: Path, part: Path, allow_pickle: bool, clamp: float | None) -> Converted:
    from safetensors.torch import save_file

    from hsc.files.tensor_files import require_sound
    from hsc.weights.checkpoint_reader import read_checkpoint
    from hsc.weights.stylegan2_keys import build_generator, infer_config, layout_of, to_own

    state = read_checkpoint(source, allow_pickle=allow_pickle)
    layout, _ = layout_of(state)
    own = to_own(state)
    require_sound(own, source)  # again, as the float32 they now are
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


def parser() -> argparse.ArgumentParser:
    """The arguments, with their help."""
    made = argparse.ArgumentParser(
        prog="python -m hsc.weights.convert_stylegan2",
        description="Convert a StyleGAN2 generator, in NVLabs ADA (PyTorch) or rosinality keys, to a safetensors file this "
        "package loads.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "checkpoint", type=Path, help="a safetensors file, a torch state dict or checkpoint, or (see below) a pickle"
    )
    made.add_argument("output", type=Path, help="the file to write, ending in .safetensors")
    made.add_argument(
        "--allow-pickle",
        action="store_true",
        help="load files that run code of their own; only for files from people you trust",
    )
    made.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
    made.add_argument(
        "--clamp",
        type=float,
        metavar="X",
        help="limit of activations, which no state dict holds: 256 for nets trained by NVLabs' ADA",
    )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["--job"] and len(given) == 2:  # how the command calls its own child
        run_job(json.loads(given[1]))
        return DONE
    options = parser().parse_args(given)
    try:
        found = convert(
            options.checkpoint,
            options.output,
            allow_pickle=options.allow_pickle,
            overwrite=options.overwrite,
            clamp=options.clamp,
        )
    except HscError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE if isinstance(error, UsageError) else FAILED
    c = found.config
    lines = [
        f"wrote {options.output}: {found.layout} keys, {c.resolution}x{c.resolution}, W+ {c.n_styles}x{c.w_dim}, "
        f"channel_base {c.channel_base}, {c.mapping_layers} mapping layers, {found.parameters:,} parameters",
        *(f"note: {note}" for note in found.notes),
    ]
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write("\n".join(lines) + "\n")
    return DONE


if __name__ == "__main__":
    sys.exit(main())
