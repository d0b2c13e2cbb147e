"""A described codec whose encoder and decoder are programs, started once for each image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from benchmarks.codecs._described_codec import DescribedCodec
from benchmarks.imaging.image_arrays import require_image
from benchmarks.programs.external_program import Finished, private_folder, run_program
from hsc.api import Image
from hsc.errors import BitstreamError, ProcessError

_SUFFIX_CURE = 'where a program goes by the suffix, say so in the codec file, as in stream = "j2k" or image = "bmp"'


class ProgramCodec(DescribedCodec):
    """Runs a program on one file for each call."""

    code: ClassVar[str] = "command-1"

    def encode(self, image: Image) -> bytes:
        about = self.description
        with private_folder() as folder:
            source, target = folder / f"input.{about.image}", folder / f"output.{about.stream}"
            source.write_bytes(self.image_file(require_image(image)))
            return self._run(about.encode, source, target).files[target.name]

    def decode(self, data: bytes) -> Image:
        about = self.description
        self.require_stream(data)
        with private_folder() as folder:
            source, target = folder / f"input.{about.stream}", folder / f"output.{about.image}"
            source.write_bytes(data)
            try:
                decoded = self._run(about.decode, source, target).files[target.name]
            except ProcessError as error:
                raise BitstreamError(f"the {about.name} decoder did not take {len(data)} bytes: {error}") from error
            return self.decoded_image(decoded, target.name)

    def _run(self, command: Sequence[str], source: Path, target: Path) -> Finished:
        """Run one of the programs on files in their private folder.

        Raises:
            ProcessError: it failed, or left no target; the message then names the files that it left instead.
        """
        about, folder = self.description, target.parent
        paths = {
            "input": str(source),
            "output": str(target),
            "stem": str(target.with_suffix("")),
            "input_stem": str(source.with_suffix("")),
        }
        words = self.words(command, paths)
        cwd = Path(self.cwd) if self.cwd else None
        try:
            return run_program(words, folder=folder, cwd=cwd, timeout_s=about.timeout_s, outputs=[target.name])
        except ProcessError as error:
            others = sorted(file.name for file in folder.iterdir() if file not in (source, target))
            if others and not target.exists():
                names = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
                raise ProcessError(
                    f"{error}; it left {names} in place of {target.name}, the one file that is read; {_SUFFIX_CURE}"
                ) from error
            if f".{about.stream}" in str(error):
                raise ProcessError(f"{error}; {_SUFFIX_CURE}") from error
            raise
