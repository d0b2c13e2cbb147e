"""All errors that the project raises on purpose, in one tree.

    HscError
    ├── UsageError                 the request is invalid
    │   ├── SpecError              a spec such as "jpeg(quality=5)" does not parse or fit
    │   └── UnknownNameError       there is no plug-in of that name (with near names)
    ├── UnavailableError           a binary, package, weight or data file is missing (with the cure)
    │   └── DownloadError          a file could not be downloaded, or its sha256 differs
    ├── DataError                  an input file is not usable
    │   ├── ImageError             the file is no image, is too large, or of an unsupported kind
    │   └── AnnotationError        a label file contradicts itself or its images
    ├── PluginError                a plug-in raised an error outside this tree, or broke a rule
    ├── HeadError                  a head's answer cannot be scored
    ├── CodecError                 an encoder or decoder failed
    │   ├── BitstreamError         the bytes are not a valid stream (damaged, cut, foreign)
    │   └── ProcessError           an external program failed, timed out or left no output
    └── ResultsError               a results folder or cache cannot be read or written

A message says what came, what was expected, and the cure.
"""

from __future__ import annotations


class HscError(Exception):
    """Base class of all errors that the project raises on purpose."""


class UsageError(HscError):
    """The request is invalid."""


class SpecError(UsageError):
    """A spec string does not parse, or its arguments do not fit the plug-in."""


class UnknownNameError(UsageError):
    """No plug-in is registered under that name."""


class UnavailableError(HscError):
    """A binary, package, weight or data file is missing."""


class DownloadError(UnavailableError):
    """A file could not be downloaded, or its checksum is not the pinned one."""


class DataError(HscError):
    """An input file is not usable."""


class ImageError(DataError):
    """The file is no image, is too large, or is of an unsupported kind."""


class AnnotationError(DataError):
    """A label file contradicts itself or its images."""


class PluginError(HscError):
    """A plug-in raised an error outside this tree, or broke a rule."""


class HeadError(HscError):
    """A head's answer has a type, shape or range that cannot be scored."""


class CodecError(HscError):
    """An encoder or decoder failed."""


class BitstreamError(CodecError):
    """The bytes are not a valid stream of this codec."""


class ProcessError(CodecError):
    """An external program failed, timed out, or left no output."""


class ResultsError(HscError):
    """A results folder or cache cannot be read or written."""
