"""How many bands a TIFF has, by its first directory: Pillow opens those of pictures only."""

import io
import struct
import warnings

from PIL.TiffImagePlugin import BITSPERSAMPLE, SAMPLESPERPIXEL, ImageFileDirectory_v2


def bands_of(content: bytes) -> tuple[int, int]:
    """Bands and bits of one of them; (0, 0) where it is no TIFF or says neither. TIFF 6.0, 2."""
    file = io.BytesIO(content)
    try:
        directory = ImageFileDirectory_v2(file.read(8))
        file.seek(directory.next)
        with warnings.catch_warnings():  # of a file that is cut off, which is no news here
            warnings.simplefilter("ignore")
            directory.load(file)
        bits = directory.get(BITSPERSAMPLE, (1,))
        return int(directory.get(SAMPLESPERPIXEL, 1)), int(bits[0])
    except (SyntaxError, struct.error, ValueError, TypeError, IndexError, OSError):
        return 0, 0
