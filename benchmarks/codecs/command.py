"""Any codec with a command line, described in a few lines of TOML instead of Python.

    name = "turbo"                         # its name in specs and tables
    encode = ["cjpeg", "-quality", "{quality}", "-outfile", "{output}", "{input}"]
    decode = ["djpeg", "-outfile", "{output}", "{input}"]
    image = "ppm"                          # the programs' image format: png (default), ppm, pnm, bmp, tif, tiff
    stream = "jpg"                         # optional: the coded file's suffix, for programs that need one (default bin)
    files = ["tables/*.txt", "lib"]        # optional: files, folders or patterns that the programs read by themselves
    cwd = "{folder}"                       # optional: where the programs run (default: a new private folder each time)
    version = ["cjpeg", "-version"]        # optional: its output becomes part of the identity
    timeout_s = 60                         # optional: a program's time limit

    [rate]
    field = "quality"
    ladder = [5, 10, 20, 35, 50, 75]       # smallest file first

    [settings]                             # optional: further fields and their defaults
    smooth = 0

The rate is the size of the file that the encoder writes, with nothing added. So that file must contain the image's
size, and the decoder gets only that file. Programs run without a shell. ``{input}`` and ``{output}`` are files in a
private folder, ``{stem}`` is the output without its suffix, for programs that add the suffix themselves
(``{input_stem}`` likewise), and ``{folder}`` is the folder of the TOML; a program with a slash in its name is looked
for from there, others on PATH. A program that writes to stdout needs a shell:
``["sh", "-c", 'enc "$0" > "$1"', "{input}", "{output}"]``.

A program that takes long to start has, in place of ``encode`` and ``decode``, one of two tables:

    [server]                               # one process for each worker of a run, asked in JSON lines on its stdin
    command = ["/opt/turbo/bin/python", "{folder}/server.py", "--device", "{device}"]
    start_s = 120                          # optional: the time until it is ready

    [batch]                                # one call codes all files of the folder {input} into the folder {output}
    encode = ["turbo-enc", "-quality", "{quality}", "{input}", "{output}"]
    decode = ["turbo-dec", "{input}", "{output}"]
    images = 50                            # optional: the most files of a call
    start_s = 120                          # optional: a call may take this, and ``timeout_s`` for each file

``{device}`` is the run's device. ``benchmarks/programs/codec_server.py`` has the protocol of a server;
``benchmarks/codecs/_batch_codec.py`` the names of files in folders.

The identity contains the sha256 of: the programs; files, and folders below the TOML's, that their arguments or a
setting name; Python modules beside a script that it imports; programs that a shell script calls; and everything in
``files``. List there what a program finds by itself: weights, tables, shared libraries. A folder that programs write to
must lie elsewhere, or the identity changes with each run. ``benchmarks/programs/program_files.py`` has the details.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.api import CODECS
from benchmarks.codecs._batch_codec import BatchCodec
from benchmarks.codecs._described_codec import DescribedCodec
from benchmarks.codecs._program_codec import ProgramCodec
from benchmarks.codecs._server_codec import ServerCodec
from benchmarks.formats.codec_file import describe
from hsc.errors import SpecError


def load_codec_file(path: Path | str) -> list[str]:
    """Register the codec that a TOML file describes in ``CODECS``, and return the specs to run: only its name.

    It is then used like any other codec, as ``turbo`` or ``turbo(quality=[10, 20], smooth=5)``, also in worker
    processes. An edited file may be loaded again and replaces the earlier description.

    Raises:
        SpecError: the file is missing, not TOML, not of the form above, or names another codec.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot read the codec file {str(path)!r}: {error}") from error
    return [_registered(text, str(path.resolve())).description.name]


def _restore(text: str, file: str, values: Mapping[str, Any]) -> DescribedCodec:
    return _registered(text, file)(**values)


def _registered(text: str, file: str) -> type[DescribedCodec]:
    """The class of a description, registered under its name; it replaces an earlier description of the same file.

    Raises:
        SpecError: the description is not of the form, or its name is another codec's.
    """
    cls = _codec_class(text, file)
    name = cls.description.name
    if name in CODECS.names():
        known: Any = CODECS.get(name)
        if not issubclass(known, DescribedCodec) or known.description.file != file:
            raise SpecError(f"the codec file names its codec {name!r}, as another does ({known.__module__}); rename it")
    return CODECS.register(name)(cls)


@functools.lru_cache(maxsize=64)
def _codec_class(text: str, file: str) -> type[DescribedCodec]:
    """The class of a description; there is one in this process."""
    about = describe(text, file)
    defaults = [(about.rate_field, about.ladder[-1])] if about.rate_field else []
    fields = [(name, type(value), dataclasses.field(default=value)) for name, value in [*defaults, *about.settings]]
    programs = dict.fromkeys([*about.encode[:1], *about.decode[:1], *about.server[:1]])
    namespace = {
        "description": about,
        "rate_field": about.rate_field,
        "ladder": about.ladder,
        "__module__": __name__,
        "__doc__": f"{about.name}, by {' and '.join(programs)}.",
        "__reduce__": _reduced,
    }
    base = ServerCodec if about.server else BatchCodec if about.batch_images else ProgramCodec
    return dataclasses.make_dataclass(about.name, fields, bases=(base,), namespace=namespace, frozen=True)


def _reduced(codec: DescribedCodec) -> tuple[Any, ...]:
    """Pickle by the TOML's text, because the receiving process does not have the class."""
    return _restore, (codec.description.text, codec.description.file, codec.values())
