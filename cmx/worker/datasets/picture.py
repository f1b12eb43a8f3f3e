"""Pictures from files one cannot trust."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cmx.worker.outcome import ActionError

if TYPE_CHECKING:
    from PIL.Image import Image

# Pillow reads more, some by starting another program (EPS); these are what photos come in.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")


def open_picture(path: Path, *, upright: bool = True) -> Image:
    """The picture in a file, in RGB; ``upright`` turns it as its camera was held. Raises ActionError naming the file.

    A picture of more pixels than Pillow holds for safe (89 million) is refused before it is unpacked.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path, formats=_FORMATS) as image:
            # Pillow itself only warns up to twice the limit; making that an error is not safe with threads.
            if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
                raise Image.DecompressionBombError
            turned = ImageOps.exif_transpose(image) if upright else image
            return turned.convert("RGB")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        limit = f"{Image.MAX_IMAGE_PIXELS:,}" if Image.MAX_IMAGE_PIXELS else "the limit of"
        raise ActionError(f"{path}: refused, it has more than {limit} pixels", "use a smaller picture") from None
    except FileNotFoundError:
        raise ActionError(f"{path}: no such file", "give the path of a picture") from None
    except (OSError, SyntaxError, ValueError) as error:
        kinds = ", ".join(_FORMATS)
        raise ActionError(f"{path}: not a picture that can be read ({_reason(error)})", f"read are: {kinds}") from error


def _reason(error: Exception) -> str:
    """Pillow's words without the path, which the message has already."""
    text = str(error) or type(error).__name__
    return "not of a known format" if text.startswith("cannot identify image file") else text.partition(": '")[0]
