"""Two classes of textures that a small network learns to tell apart, but not at once."""

from pathlib import Path

import numpy as np
from PIL import Image


def draw_textures(place: Path, number: int = 80) -> None:
    """Writes `number` pictures a class into `place/pictures`, in given splits."""
    generator = np.random.default_rng(0)
    for turned, name in enumerate(("across", "down")):
        for split in ("train", "test"):
            (place / "pictures" / split / name).mkdir(parents=True)
        for k in range(number):
            split = "train" if k < 0.6 * number else "test"
            stripes = 35 * np.sin(np.arange(24) * generator.uniform(0.8, 1.2))
            pixels = generator.normal(128, 50, (24, 24)) + stripes
            pixels = (pixels.T if turned else pixels).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(place / "pictures" / split / name / f"{k}.png")
