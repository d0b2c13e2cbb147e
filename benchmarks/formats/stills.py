"""Still-picture files in memory, written and read through Pillow, for the codecs of file formats.

    image --write_still--> a file's bytes --read_still--> image

Damage raises ``BitstreamError``. Pillow conceals some damage (a flipped bit inside JPEG data gives wrong pixels, not an
error); a truncated file never passes, because each format's own end is checked before decoding.
"""

from __future__ import annotations

import io
import struct
import warnings
from typing import Any

import numpy as np

from benchmarks.imaging.image_arrays import check_size, require_image
from hsc.api import Image
from hsc.errors import BitstreamError, CodecError, ImageError


def write_still(image: Image, kind: str, *, longest_side: int, **options: Any) -> bytes:
    """Encode an image as one file of Pillow's format ``kind``.

    longest_side: the format's limit in pixels along one side. options: Pillow's, for this format.

    Raises:
        CodecError: the image is larger than the format allows, or the encoder failed.
        ImageError: not an image.
    """
    import PIL.Image

    height, width = require_image(image).shape[:2]
    if max(height, width) > longest_side:
        raise CodecError(
            f"{kind} holds at most {longest_side} pixels a side, the image is {width}x{height}; resize or tile it"
        )
    buffer = io.BytesIO()
    try:
        PIL.Image.fromarray(np.ascontiguousarray(image)).save(buffer, format=kind, **options)
    except Exception as error:  # a format's encoder may raise anything
        raise CodecError(
            f"the {kind} encoder failed on a {width}x{height} image: {error or type(error).__name__}"
        ) from error
    return buffer.getvalue()


def read_still(data: bytes, kind: str, *, longest_side: int, modes: tuple[str, ...] = ("RGB",)) -> Image:
    """Decode a file of Pillow's format ``kind`` to uint8 (H, W, 3) RGB.

    longest_side: as for ``write_still``. modes: Pillow's colour modes that the codec writes.

    Raises:
        BitstreamError: empty, truncated, damaged, of another format or colour mode, or of a size that is refused.
    """
    import PIL.Image

    _check_frame(data, kind)
    try:
        with warnings.catch_warnings():
            # These files were written without metadata, so a decoder's warning means damage.
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)  # check_size decides
            with PIL.Image.open(io.BytesIO(data), formats=[kind]) as picture:
                check_size(picture.size[1], picture.size[0], f"the {kind} stream")
                if max(picture.size) > longest_side:
                    width, height = picture.size
                    raise BitstreamError(
                        f"the {kind} stream says {width}x{height} pixels, it may have {longest_side} a side; "
                        f"it is damaged"
                    )
                if picture.mode not in modes:
                    raise BitstreamError(
                        f"the {kind} stream holds {picture.mode} pixels, expected {' or '.join(modes)}; "
                        f"it is not this codec's"
                    )
                picture.load()
                return np.ascontiguousarray(np.asarray(picture.convert("RGB")))
    except BitstreamError:
        raise
    except ImageError as error:
        raise BitstreamError(str(error)) from error
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error and more on damage
        raise BitstreamError(
            f"not a valid {kind} stream of {len(data)} bytes: {error or type(error).__name__}"
        ) from error


def _check_frame(data: bytes, kind: str) -> None:
    """Check that the format's own first bytes and end are present.

    Raises:
        BitstreamError: they are not.
    """
    is_whole = {
        "JPEG": _markers_fit,
        "JPEG2000": _markers_fit,
        "WEBP": _riff_fits,
        "AVIF": boxes_fit,
        "HEIF": boxes_fit,
    }[kind]
    if not data:
        raise BitstreamError(f"the {kind} stream is empty")
    if not is_whole(data):
        raise BitstreamError(
            f"not a whole {kind} stream: its {len(data)} bytes begin {data[:4].hex()} and end {data[-2:].hex()}"
        )


def _markers_fit(data: bytes) -> bool:
    """Whether both end markers are present: a JPEG begins FFD8, a JPEG 2000 codestream FF4F, and both end FFD9.

    Sources: ITU-T T.81 B.1.1.3, T.800 A.4.
    """
    return data[:2] in (b"\xff\xd8", b"\xff\x4f") and data[-2:] == b"\xff\xd9"


def _riff_fits(data: bytes) -> bool:
    """Whether the length that RIFF states is that of the data (RFC 9649, section 2.4)."""
    return (
        len(data) >= 12
        and data[:4] == b"RIFF"
        and data[8:12] == b"WEBP"
        and struct.unpack_from("<I", data, 4)[0] + 8 == len(data)
    )


def boxes_fit(data: bytes) -> bool:
    """Whether the top-level boxes of an ISO base media file add up to its exact length (ISO/IEC 14496-12, 4.2)."""
    position = 0
    while position + 8 <= len(data):
        size = struct.unpack_from(">I", data, position)[0]
        if size < 8:
            return False
        position += size
    return position == len(data) and data[4:8] == b"ftyp"
