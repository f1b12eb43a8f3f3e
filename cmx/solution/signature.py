"""Who signed an archive, as far as this user knows."""

from __future__ import annotations

from typing import NamedTuple

from cmx.solution.archive import Archive


class Verdict(NamedTuple):
    """``word`` is unsigned, unchecked, unknown-key, revoked, wrong or trusted; ``text`` says it in a sentence."""

    word: str
    text: str

    @property
    def trusted(self) -> bool:
        """Whether it may be run without asking."""
        return self.word == "trusted"


def verdict(archive: Archive) -> Verdict:
    """What an archive's signature is worth. Raises StoreError for an envelope that is none."""
    if archive.signature is None:
        return Verdict("unsigned", "unsigned: nobody vouches for it")
    return Verdict("unchecked", "signed; this version of cmx cannot check by whom")
