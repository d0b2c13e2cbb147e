"""Image files to pixels and back, for the command line.

PNG, JPEG, WebP, BMP, TIFF, PPM ──8 bits a sample, EXIF orientation applied, over white──> uint8 (H, W, 3)
uint8 (H, W, 3) ──> PNG, or the format of the file's ending
"""

from __future__ import annotations

import io
import warnings

import numpy as np

from hsc.api import Image
from hsc.entropy_coding.container import why_too_large
from hsc.errors import ImageError, UsageError
from hsc.files.image_file_checks import check_tiles, without_text

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM")
_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"})
_ENDINGS = {".png": "PNG", ".bmp": "BMP", ".ppm": "PPM", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP"}


def read_picture(data: bytes, name: str) -> Image:
    """The pixels of an image file. data: its bytes. name: for messages.

    Raises:
        ImageError: the file is empty, damaged, too large, or of an unsupported kind.
    """
    import PIL.Image
    import PIL.ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns about odd metadata, and about sizes that are checked below
            with PIL.Image.open(io.BytesIO(without_text(data)), formats=_FORMATS) as picture:
                if reason := why_too_large((picture.height, picture.width)):
                    raise ImageError(f"{name} has {picture.width}x{picture.height} pixels, {reason}; code it in parts")
                check_tiles(picture, name)
                if picture.mode not in _MODES:
                    raise ImageError(
                        f"{name} has samples of the kind {picture.mode}, expected 8 bits; convert it to an 8 bit PNG"
                    )
                upright = PIL.ImageOps.exif_transpose(picture)
                if upright.mode in ("LA", "PA", "RGBA") or "transparency" in upright.info:
                    white = PIL.Image.new("RGBA", upright.size, (255, 255, 255, 255))
                    upright = PIL.Image.alpha_composite(white, upright.convert("RGBA"))
                return np.asarray(upright.convert("RGB")).copy()
    except ImageError:
        raise
    except PIL.UnidentifiedImageError as error:
        raise ImageError(
            f"{name} is not an image of a supported kind ({', '.join(_FORMATS)}); convert it to PNG"
        ) from error
    except Exception as error:  # Pillow raises OSError, SyntaxError, struct.error and more on damaged files
        raise ImageError(f"{name} cannot be decoded: {error or type(error).__name__}; it is cut or damaged") from error


def write_picture(image: Image, suffix: str) -> bytes:
    """The bytes of a lossless image file. suffix: ".png", another supported ending, or "" for PNG.

    Raises:
        UsageError: the ending is not supported.
    """
    import PIL.Image

    image_format = _ENDINGS.get(suffix.lower() or ".png")
    if image_format is None:
        raise UsageError(f"images are not written as {suffix}; use a name that ends in {', '.join(_ENDINGS)}")
    buffer = io.BytesIO()
    options = {"lossless": True} if image_format == "WEBP" else {}
    PIL.Image.fromarray(image).save(buffer, image_format, **options)
    return buffer.getvalue()
