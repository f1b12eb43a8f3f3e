"""Times as people write them in a condition: a year, a month, a day, a minute or less, in UTC or with an offset."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

_TIME = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?(Z|[+-]\d\d:?\d\d)?)?)?)?"
)
_MICROSECOND = timedelta(microseconds=1)


class Span(NamedTuple):
    """All that a written time is true of: from ``start`` up to and without ``end``, as a day from midnight on."""

    start: datetime
    end: datetime

    def holds(self, operator: str, time: datetime) -> bool:
        """Whether ``time`` stands so to the whole span: "=" is within it, "<=" before its end, ">" after it."""
        return _RELATIONS[operator](self, time)


_RELATIONS: dict[str, Callable[[Span, datetime], bool]] = {
    "=": lambda span, time: span.start <= time < span.end,
    "!=": lambda span, time: not span.start <= time < span.end,
    ">=": lambda span, time: time >= span.start,
    "<=": lambda span, time: time < span.end,
    ">": lambda span, time: time >= span.end,
    "<": lambda span, time: time < span.start,
}


def span(text: str) -> Span | None:
    """What a time means, as in "2026-11-22" or "2026-11-22T16:13:40.922Z"; None for what is none."""
    match = _TIME.fullmatch(text)
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    micro = int((fraction or "").ljust(6, "0"))
    try:
        of_day = int(hour or 0), int(minute or 0), int(second or 0), micro, _zone(offset)
        start = datetime(int(year), int(month or 1), int(day or 1), *of_day)
        if fraction:
            return Span(start, start + _MICROSECOND * 10 ** (6 - len(fraction)))
        length = timedelta(seconds=1) if second else timedelta(minutes=1) if minute else timedelta(days=1)
        return Span(start, start + length if day else _next(start, whole_year=month is None))
    except (ValueError, OverflowError):  # as of a thirteenth month, or of a year after 9999
        return None


def _next(start: datetime, *, whole_year: bool) -> datetime:
    """The beginning of the next year, or of the next month."""
    if whole_year or start.month == 12:
        return start.replace(year=start.year + 1, month=1)
    return start.replace(month=start.month + 1)


def _zone(offset: str | None) -> timezone:
    if offset in (None, "Z"):
        return timezone.utc
    hours, minutes = int(offset[:3]), int(offset[0] + offset[-2:])
    return timezone(timedelta(hours=hours, minutes=minutes))
