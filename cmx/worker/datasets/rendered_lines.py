"""Format ``rendered-lines``: lines of words that are drawn when they are asked for, the same ones every time.

The dataset's source is a folder of fonts (``.ttf``), its options are ``words``, a file of words in the component's own
folder, and ``seed``. A line has one to four words, every third also a number; font, size, margins, greys and a little
noise differ from line to line.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cmx.worker.context import Role

if TYPE_CHECKING:
    from PIL.Image import Image

_NOISE = 8.0


class RenderedLines:
    """A sample is a picture of a line, and the text on it."""

    def __init__(self, words: Sequence[str], fonts: Sequence[Path], samples: int, seed: int) -> None:
        self._fonts = tuple(fonts)
        self._seed = seed
        self._texts = tuple(_text(words, self._dice(index)) for index in range(samples))

    def __len__(self) -> int:
        return len(self._texts)

    def name(self, index: int) -> str:
        """The text."""
        return self._texts[index]

    def text(self, index: int) -> str:
        """What is written there."""
        return self._texts[index]

    def image(self, index: int) -> Image:
        """The picture, in RGB: dark on light, with noise of a standard deviation of 8 of 255."""
        from PIL import Image, ImageDraw, ImageFont

        dice = self._dice(index, "look")
        font = ImageFont.truetype(str(self._fonts[index % len(self._fonts)]), dice.randint(18, 40))
        left, top, right, bottom = map(round, font.getbbox(self._texts[index]))
        margin, paper, ink = dice.randint(3, 10), dice.randint(200, 255), dice.randint(0, 100)
        image = Image.new("L", (right - left + 2 * margin, bottom - top + 2 * margin), paper)
        ImageDraw.Draw(image).text((margin - left, margin - top), self._texts[index], fill=ink, font=font)
        noise = np.random.default_rng([self._seed, index]).normal(0, _NOISE, (image.height, image.width))
        noisy = (np.asarray(image) + noise).round().clip(0, 255).astype(np.uint8)
        return Image.fromarray(noisy).convert("RGB")

    def _dice(self, index: int, what: str = "text") -> random.Random:
        return random.Random(f"{self._seed} {index} {what}")  # noqa: S311 - it draws pictures, and keeps no secret


def open(role: Role) -> RenderedLines:
    """The lines of a role; raises ValueError for options that are not as above, or where there is no font."""
    options = role.component.get("options") or {}
    if sorted(options) != ["seed", "words"]:
        raise ValueError(f"{role.reference}: options: expected words and seed, found {', '.join(options) or 'none'}")
    words = (role.folder / options["words"]).read_text(encoding="utf-8").split()
    fonts = sorted(role.path.glob("*.ttf")) if role.path and role.path.is_dir() else []
    if not words or not fonts:
        raise ValueError(
            f"{role.reference}: {len(words)} words in {options['words']}, {len(fonts)} fonts in {role.path}"
        )
    return RenderedLines(words, fonts, int(role.component.get("samples", 100)), int(options["seed"]))


def _text(words: Sequence[str], dice: random.Random) -> str:
    chosen = [dice.choice(words) for _ in range(dice.randint(1, 4))]
    return " ".join([*chosen, str(dice.randint(0, 9999))] if dice.randrange(3) == 0 else chosen)
