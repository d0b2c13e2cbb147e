"""Image files to pixels and back, as the command line needs it.

PNG, JPEG, WebP, BMP, TIFF, PPM ──8 bits a sample, EXIF turn applied, transparency over white──> uint8 (H, W, 3)
uint8 (H, W, 3) ──> PNG, or what the name ends in
"""

from __future__ import annotations

import io
import warnings

import numpy as np

from hsc.api import Image
from hsc.entropy_coding.container import why_too_large
from hsc.errors import ImageError, UsageError
from hsc.files.picture_files import check_tiles, without_text

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM")
_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"})
_ENDINGS = {".png": "PNG", ".bmp": "BMP", ".ppm": "PPM", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP"}


def read_picture(data: bytes, name: str) -> Image:
    """Pixels of an image file's bytes; ``name`` is for messages.

    Raises:
        ImageError: empty, damaged, too large, or of a kind that is not read.
    """
    import PIL.Image
    import PIL.ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata and of sizes that are judged below
            with PIL.Image.open(io.BytesIO(without_text(data)), formats=_FORMATS) as picture:
                if reason := why_too_large((picture.height, picture.width)):
                    raise ImageError(f"{name} has {picture.width}x{picture.height} pixels, {reason}; code it in parts")
                check_tiles(picture, name)
                if picture.mode not in _MODES:
                    raise ImageError(
                        f"{name} has samples of the kind {picture.mode}, 8 bits are read; convert it to an 8 bit PNG"
                    )
                turned = PIL.ImageOps.exif_transpose(picture)
                if turned.mode in ("LA", "PA", "RGBA") or "transparency" in turned.info:
                    behind = PIL.Image.new("RGBA", turned.size, (255, 255, 255, 255))
                    turned = PIL.Image.alpha_composite(behind, turned.convert("RGBA"))
                return np.asarray(turned.convert("RGB")).copy()
    except ImageError:
        raise
    except PIL.UnidentifiedImageError as error:
        raise ImageError(
            f"{name} is not an image of a kind that is read ({', '.join(_FORMATS)}); convert it to PNG"
        ) from error
    except (
        Exception
    ) as error:  # Pillow's plug-ins raise OSError, SyntaxError, ValueError, struct.error and more on damaged files
        raise ImageError(f"{name} cannot be decoded: {error or type(error).__name__}; it is cut or damaged") from error


def write_picture(image: Image, suffix: str) -> bytes:
    """An image file's bytes, lossless. suffix: ".png" and the like, or "" for PNG.

    Raises:
        UsageError: files of that name are not written.
    """
    import PIL.Image

    kind = _ENDINGS.get(suffix.lower() or ".png")
    if kind is None:
        raise UsageError(f"images are not written as {suffix}; let the name end in {', '.join(_ENDINGS)}")
    buffer = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    PIL.Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()
