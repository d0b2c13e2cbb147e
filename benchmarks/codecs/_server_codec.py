"""A described codec whose encoder and decoder are a server: one long-lived program for each process of a run."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.codecs._described_codec import DescribedCodec
from benchmarks.imaging.image_arrays import require_image
from benchmarks.programs.codec_server import ServerCommand, ServerError, ask_server
from benchmarks.programs.external_program import private_folder, read_output
from hsc.api import Image
from hsc.errors import BitstreamError, CodecError


class ServerCodec(DescribedCodec):
    """Asks a server to code one file for each call (``benchmarks.programs.codec_server``).

    Decoding is asked for without the rate field, since it must depend on the stream alone.
    """

    code: ClassVar[str] = "server-1"

    def commands(self) -> Mapping[str, tuple[str, ...]]:
        return {"server": self.description.server}

    def encode(self, image: Image) -> bytes:
        about = self.description
        try:
            file = self.image_file(require_image(image))
            return self._asked("encode", file, f"input.{about.image}", f"output.{about.stream}", self.values())
        except ServerError as error:
            height, width = image.shape[:2]
            raise CodecError(f"the {about.name} server did not encode {width}x{height} pixels: {error}") from error

    def decode(self, data: bytes) -> Image:
        about, target = self.description, f"output.{self.description.image}"
        self.require_stream(data)
        settings = {name: value for name, value in self.values().items() if name != about.rate_field}
        try:
            decoded = self._asked("decode", data, f"input.{about.stream}", target, settings)
        except ServerError as error:
            raise BitstreamError(f"the {about.name} server did not decode {len(data)} bytes: {error}") from error
        return self.decoded_image(decoded, target)

    def _asked(self, do: str, data: bytes, source_name: str, target_name: str, settings: Mapping[str, Any]) -> bytes:
        """The bytes of the file that the server leaves for a file of these."""
        about = self.description
        command = ServerCommand(
            about.name,
            tuple(self.words(about.server, {})),
            self.cwd,
            about.start_s,
            _files(self),
        )
        with private_folder() as folder:
            source, target = folder / source_name, folder / target_name
            source.write_bytes(data)
            ask_server(about.file, command, do, source, target, settings, about.timeout_s)
            return read_output(target, f"the server of {about.name}")


@functools.lru_cache(maxsize=64)
def _files(codec: ServerCodec) -> tuple[Path, ...]:
    """The files that a codec's server is known to read, whose change asks for another server."""
    return tuple(dict.fromkeys([*codec.files_of_command(codec.description.server), *codec.files_stated()]))
