"""Decoded images of a run as PNG files, for people and for other programs: ``hsc-bench run --save-images DIR``.

    DIR/manifest.json                        codec, operating point, cell and files of each folder; what was left out
    DIR/vvc/qp-37/val-00001.png              the image val-00001 as VVC decodes it at qp 37
    DIR/original/val-00001.png               the same image as the data set hands it out

The pixels are those that heads were scored on: each stream is decoded again, and an operating point whose pixels then
have another squared error than the run counted is left out with the reason. Second ladders, which only measure the
noise floor, have no files.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.api import LoadsImages, StreamRecord
from benchmarks.harness.cache import Store
from benchmarks.harness.executors import Executor, Processes
from benchmarks.harness.guard import guarded, why
from benchmarks.harness.jobs import IMAGES_A_JOB, images_of
from benchmarks.harness.keys import identity
from benchmarks.harness.plan import Cell, Plan, stream_records
from benchmarks.harness.progress import Progress
from benchmarks.harness.worker import step
from benchmarks.imaging.image_arrays import pixels_sha256
from benchmarks.imaging.image_files import SUFFIXES
from benchmarks.imaging.psnr import psnr
from benchmarks.runs.archive import KeptImage
from benchmarks.runs.folder_files import exists, read_json
from benchmarks.runs.redecode import decode_again
from hsc.api import Codec
from hsc.devices import use_device
from hsc.errors import HscError, ResultsError, UsageError
from hsc.files.atomic_files import replacing, write_text
from hsc.networks.network_holder import HOLDER

MANIFEST = "manifest.json"
FORMAT = "hsc-bench images 1"
_STRANGE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class SavingJob:
    """A few images of one operating point. streams: one an image, None where it is encoded again. errors: the squared
    errors that the run counted.
    """

    cell: int
    dataset: LoadsImages
    codec: Codec
    images: tuple[KeptImage, ...]
    streams: tuple[bytes | None, ...]
    errors: tuple[int, ...]


@dataclass(frozen=True)
class SavedImage:
    """One decoded image. png: the file. sha256: of its pixels. size_bytes: of its stream. psnr: in dB, None where
    nothing was lost.
    """

    png: bytes
    sha256: str
    size_bytes: int
    psnr: float | None


def check_folder(folder: Path, *written: Path) -> None:
    """Refuse a folder of somebody else's files before anything is coded; images that a run has saved are replaced.

    written: folders that the run itself writes into.

    Raises:
        UsageError: it is a file, holds files and no manifest of saved images, or the run writes other files into it.
    """
    if inside := [place for place in written if place.resolve().is_relative_to(folder.resolve())]:
        raise UsageError(
            f"the images cannot be saved into {folder}, since the run writes other files into {inside[0]}; name a "
            f"folder of their own"
        )
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"the images cannot be saved into {folder}, which is a file; name a new folder")
    if folder.is_dir() and any(folder.iterdir()) and _manifest(folder) is None:
        raise UsageError(
            f"{folder} holds files and no {MANIFEST} of saved images, so it is left as it is; name a new folder with "
            f"--save-images"
        )


def _manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a folder of saved images, None where there is none of ours."""
    path = folder / MANIFEST
    try:
        manifest = read_json(path) if exists(path) else None
    except ResultsError:
        return None
    return manifest if isinstance(manifest, dict) and manifest.get("format") == FORMAT else None


def save(plan: Plan, store: Store, folder: Path, executor: Executor, progress: Progress) -> list[str]:
    """Decode every complete operating point and write its images; returns a line for each that cannot be decoded as it
    was scored. Those that were not measured are listed in the manifest alone.

    Raises:
        UsageError: as ``check_folder``.
        ResultsError: the folder cannot be written.
    """
    check_folder(folder)
    try:
        return _saved(plan, store, folder, executor, progress)
    except OSError as error:
        raise ResultsError(f"the decoded images cannot be written into {folder}: {error.strerror or error}") from error


def keep(plan: Plan, cache: Path, folder: Path, workers: int, device: str, progress: Progress) -> list[str]:
    """As ``save``, from a run's cache and in processes of its own. device: where the run's networks decoded."""
    with (
        use_device(device),
        Store(cache / "store.sqlite") as store,
        contextlib.closing(Processes(workers)) as executor,
    ):
        return save(plan, store, folder, executor, progress)


def _saved(plan: Plan, store: Store, folder: Path, executor: Executor, progress: Progress) -> list[str]:
    _remove_saved(folder)
    folder.mkdir(parents=True, exist_ok=True)
    second = {curve.label for curve in plan.config.curves if curve.second_of}
    cells = [cell for cell in plan.cells if cell.curve not in second]
    names = dict(zip((image.image_id for image in plan.images), file_names(plan), strict=True))
    folders = folder_names((cell.curve, cell.point) for cell in cells)
    entries: list[dict[str, Any]] = []
    left_out = [{"codec": label, "point": "", "reason": reason} for label, reason in plan.skipped.items()]
    jobs: list[SavingJob] = []
    for number, cell in enumerate(cells):
        records, reason = stream_records(plan, cell, store)
        if reason:
            left_out.append({"codec": cell.curve, "point": cell.point, "reason": reason})
        else:
            jobs += _jobs(plan, cell, number, records, store)
    progress.begin("saving images", sum(len(job.images) for job in jobs))
    files: dict[int, dict[str, dict[str, Any]]] = {job.cell: {} for job in jobs}
    reasons: dict[int, str] = {}
    for job, answers, died in executor.run(decode_job, jobs):
        for image, answer in zip(job.images, answers or [f"{died}"] * len(job.images), strict=True):
            if isinstance(answer, str):
                reasons.setdefault(job.cell, f"{image.id}: {answer}")
                continue
            path = folder / folders[job.cell] / names[image.id]
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as part:
                part.write_bytes(answer.png)
            files[job.cell][image.id] = _entry(image, path.relative_to(folder), answer)
        progress.advance(cells[job.cell].title, len(job.images))
    for number, of_cell in files.items():
        cell = cells[number]
        if number in reasons:
            left_out.append({"codec": cell.curve, "point": cell.point, "reason": reasons[number]})
            for entry in of_cell.values():
                (folder / entry["file"]).unlink()
            continue
        listed = [of_cell[image.image_id] for image in plan.images]
        about = {"codec": cell.curve, "point": cell.point, "cell": cell.id, "folder": folders[number]}
        entries.append({**about, "identity": identity(cell.codec), "images": listed})
    dataset = {**identity(plan.config.dataset), "revision": plan.config.dataset.revision}
    manifest = {"format": FORMAT, "dataset": dataset, "folders": entries, "left_out": left_out}
    write_text(folder / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False, default=str) + "\n")
    progress.end()
    return [f"{cells[number].title}: its images are not saved: {reason}" for number, reason in reasons.items()]


def _remove_saved(folder: Path) -> None:
    """Remove the images that an earlier manifest lists, and the folders that are then empty."""
    manifest = _manifest(folder) if folder.is_dir() else None
    if manifest is None:
        return
    root, emptied = folder.resolve(), set()
    for entry in manifest.get("folders", ()):
        for image in entry.get("images", ()):
            path = (folder / str(image.get("file", ""))).resolve()
            if path.suffix == ".png" and path.is_relative_to(root):
                path.unlink(missing_ok=True)
                emptied |= {parent for parent in path.parents if parent.is_relative_to(root) and parent != root}
    for place in sorted(emptied, key=lambda path: -len(path.parts)):
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()
    (folder / MANIFEST).unlink()


def _jobs(plan: Plan, cell: Cell, number: int, records: Sequence[StreamRecord], store: Store) -> Iterator[SavingJob]:
    for start in range(0, len(plan.images), IMAGES_A_JOB):
        part = plan.images[start : start + IMAGES_A_JOB]
        data = store.data(cell.streams[start : start + IMAGES_A_JOB])
        images = tuple(KeptImage(i.image_id, i.index, *i.pixels.image_hw, i.pixels.sha256) for i in part)
        yield SavingJob(
            number,
            images_of(plan.config.dataset, [image.index for image in part]),
            cell.codec,
            images,
            tuple(data.get(key) for key in cell.streams[start : start + IMAGES_A_JOB]),
            tuple(record.squared_error for record in records[start : start + IMAGES_A_JOB]),
        )


def decode_job(job: SavingJob) -> list[SavedImage | str]:
    """Decode every image of a job; the reason stands in the place of one that cannot be saved."""
    saved: list[SavedImage | str] = []
    with HOLDER.everything():
        for image, data, error in zip(job.images, job.streams, job.errors, strict=True):
            try:
                step()
                saved.append(guarded(_one, job, image, data, error))
            except HscError as failure:  # a codec may be anybody's plug-in
                saved.append(why(failure))
    return saved


def _one(job: SavingJob, image: KeptImage, data: bytes | None, error: int) -> SavedImage | str:
    import PIL.Image

    again = decode_again(job.dataset, job.codec, image, data)
    if again.squared_error != error:
        return (
            f"decoded again, it gives other pixels than were scored (squared error {again.squared_error}, was {error})"
        )
    png = io.BytesIO()
    PIL.Image.fromarray(again.decoded).save(png, "PNG")
    return SavedImage(
        png.getvalue(), pixels_sha256(again.decoded), len(again.data), psnr(again.decoded, again.original)
    )


def _entry(image: KeptImage, path: Path, saved: SavedImage) -> dict[str, Any]:
    return {
        "image": image.id,
        "file": path.as_posix(),
        "width": image.width,
        "height": image.height,
        "stream_bytes": saved.size_bytes,
        "psnr_db": saved.psnr,
        "pixels_sha256": saved.sha256,
    }


def file_names(plan: Plan) -> list[str]:
    """The file name of each image of a plan, in its order: its id without the suffix of an image file."""
    stems = []
    for image in plan.images:
        stem, dot, suffix = image.image_id.rpartition(".")
        stems.append(stem if dot and f".{suffix.lower()}" in SUFFIXES else image.image_id)
    return [f"{name}.png" for name in distinct_names(stems)]


def folder_names(points: Iterable[tuple[str, str]]) -> list[str]:
    """A folder for each (codec, operating point), as ``vvc/qp-37``; a codec of one point has one folder."""
    points = list(points)
    curves = list(dict.fromkeys(curve for curve, _ in points))
    of_curve = dict(zip(curves, distinct_names(curves), strict=True))
    names: dict[tuple[str, str], str] = {}
    for curve in curves:
        labels = [point for label, point in points if label == curve]
        for point, name in zip(labels, distinct_names(labels), strict=True):
            names[curve, point] = f"{of_curve[curve]}/{name}" if point else of_curve[curve]
    return [names[point] for point in points]


def distinct_names(texts: Sequence[str]) -> list[str]:
    """A file name for each text, no two alike, whatever a file system thinks of capitals."""
    names: list[str] = []
    taken: set[str] = set()
    for text in texts:
        base = name = _STRANGE.sub("-", text).strip("-.")[:120] or "unnamed"
        number = 1
        while name.lower() in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name.lower())
        names.append(name)
    return names
