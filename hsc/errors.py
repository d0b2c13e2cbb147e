"""Every error the project raises on purpose, in one tree.

    HscError
    ├── UsageError                 the caller asked for something that cannot be
    │   ├── SpecError              a spec such as "jpeg(quality=5)" does not parse or fit
    │   └── UnknownNameError            no plug-in of that name (with near names)
    ├── UnavailableError           a binary, package, weight or data file is missing (with the cure)
    │   └── DownloadError          it could not be fetched, or is not what its sha256 says
    ├── DataError                  an input file is not usable
    │   ├── ImageError             not an image, too large, or of a kind we do not read
    │   └── AnnotationError        a label file that contradicts itself or its images
    ├── PluginError                a plug-in raised what is no error of this tree, or did what it must not
    ├── HeadError                  a head's answer cannot be scored
    ├── CodecError                 an encoder or decoder failed
    │   ├── BitstreamError         the bytes are not a valid stream (damaged, cut, foreign)
    │   └── ProcessError           an external program failed, timed out or left no output
    └── ResultsError               a results folder or cache cannot be read or written

A message says what came, what was expected, and the cure.
"""

from __future__ import annotations


class HscError(Exception):
    """Base of everything the project raises on purpose."""


class UsageError(HscError):
    """The caller asked for something that cannot be."""


class SpecError(UsageError):
    """A spec string does not parse, or its arguments do not fit the plug-in."""


class UnknownNameError(UsageError):
    """No plug-in is registered under that name."""


class UnavailableError(HscError):
    """A binary, package, weight or data file is missing."""


class DownloadError(UnavailableError):
    """A file could not be fetched, or its checksum is not the one pinned."""


class DataError(HscError):
    """An input file is not usable."""


class ImageError(DataError):
    """Not an image, too large, or of a kind that is not read."""


class AnnotationError(DataError):
    """A label file contradicts itself or its images."""


class PluginError(HscError):
    """A plug-in raised what is no error of this tree, or did what it must not."""


class HeadError(HscError):
    """A head's answer is of another type, shape or range than can be scored."""


class CodecError(HscError):
    """An encoder or decoder failed."""


class BitstreamError(CodecError):
    """The bytes are not a valid stream of this codec."""


class ProcessError(CodecError):
    """An external program failed, timed out, or left no output."""


class ResultsError(HscError):
    """A results folder or cache cannot be read or written."""
