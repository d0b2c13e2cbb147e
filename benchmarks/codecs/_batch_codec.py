"""A described codec whose encoder and decoder are programs that code all files of a folder in one call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from benchmarks.codecs._described_codec import DescribedCodec
from benchmarks.imaging.image_arrays import require_image
from benchmarks.programs.external_program import ProgramTimeoutError, private_folder, read_output, run_program
from hsc.api import Image
from hsc.errors import BitstreamError, ProcessError


class BatchCodec(DescribedCodec):
    """Runs a program on a folder for each batch; ``encode`` and ``decode`` are batches of one.

    The folder that the program reads holds ``0000.png``, ``0001.png`` and so on (with the codec file's suffixes), and
    it leaves ``0000.bin``, ``0001.bin`` and so on in the other, or the other way about. A batch that fails is halved
    until the file at fault is alone; one that takes too long is not.
    """

    code: ClassVar[str] = "batch-1"

    @property
    def batch_images(self) -> int:
        return self.description.batch_images

    def encode(self, image: Image) -> bytes:
        (data,) = self.encode_batch([image])
        if isinstance(data, Exception):
            raise data
        return data

    def decode(self, data: bytes) -> Image:
        self.require_stream(data)
        (image,) = self.decode_batch([data])
        if isinstance(image, Exception):
            raise image
        return image

    def encode_batch(self, images: Sequence[Image]) -> list[bytes | Exception]:
        about = self.description
        files = [self.image_file(require_image(image)) for image in images]
        return list(self._run(about.encode, files, about.image, about.stream))

    def decode_batch(self, streams: Sequence[bytes]) -> list[Image | Exception]:
        about = self.description
        files = self._run(about.decode, list(streams), about.stream, about.image)
        return [self._decoded(data, file) for data, file in zip(streams, files, strict=True)]

    def _decoded(self, data: bytes, file: bytes | ProcessError) -> Image | Exception:
        if isinstance(file, ProcessError):
            return BitstreamError(f"the {self.description.name} decoder did not take {len(data)} bytes: {file}")
        try:
            return self.decoded_image(file, f"output.{self.description.image}")
        except BitstreamError as error:
            return error

    def _run(
        self, command: Sequence[str], files: list[bytes], given: str, wanted: str
    ) -> Sequence[bytes | ProcessError]:
        """What the program makes of each file. given, wanted: the suffixes of the files to read and to leave."""
        about, count = self.description, len(files)
        with private_folder() as folder:
            source, target = folder / "input", folder / "output"
            source.mkdir()
            target.mkdir()
            for number, data in enumerate(files):
                (source / f"{number:04}.{given}").write_bytes(data)
            words = self.words(command, {"input": str(source), "output": str(target)})
            limit_s = about.start_s + about.timeout_s * count
            try:
                run = run_program(words, folder=folder, cwd=Path(self.cwd) if self.cwd else None, timeout_s=limit_s)
            except ProcessError as error:
                if count > 1 and not isinstance(error, ProgramTimeoutError):
                    halves = files[: count // 2], files[count // 2 :]
                    return [answer for half in halves for answer in self._run(command, half, given, wanted)]
                return [error] * count
            note = f": {' '.join(run.stderr.split())[-300:]}" if run.stderr.strip() else ""
            return [_left(target / f"{n:04}.{wanted}", Path(words[0]).name, note) for n in range(count)]


def _left(path: Path, program: str, note: str) -> bytes | ProcessError:
    try:
        return read_output(path, program, notes=note)
    except ProcessError as error:
        return error
