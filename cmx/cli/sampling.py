"""Options of the command line that say how long is measured, and what is done about other programs."""

from __future__ import annotations

import argparse
import re

from cmx.cli.parser import Parser
from cmx.errors import UsageError
from cmx.runner.options import LEAST_LAUNCHES, MOST_LAUNCHES, QUIET_LIMIT, TIME_LIMIT, Options, Sampling

_BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}
_SECONDS = {"": 1.0, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_NUMBER = r"([0-9]+(?:\.[0-9]+)?)\s*"


def add_measuring_options(parser: Parser) -> None:
    """How long is measured; none of it changes what is measured, so a plan does not hold it and a result does."""
    group = parser.add_argument_group("how long is measured")
    group.add_argument(
        "--launches", type=int, metavar="N", help="measure in N fresh processes (default: 1, and 6 in a"
        " matrix); from 5 on the median has an interval"
    )  # fmt: skip
    group.add_argument(
        "--precision",
        metavar="P",
        help="as in 2%%: launch until the median's 95 %% interval is within that of it"
        f" ({LEAST_LAUNCHES} launches at least, {MOST_LAUNCHES} at most or --launches)",
    )
    group.add_argument(
        "--time-budget", metavar="TIME", help="as in 5min: begin no launch that would end after it (but the first)"
    )
    group.add_argument(
        "--require-quiet",
        nargs="?",
        const=f"{QUIET_LIMIT:g}",
        metavar="TIME",
        help=f"wait until nothing else runs before each launch, TIME at most (default: {QUIET_LIMIT:g}s), or refuse",
    )
    group.add_argument("--time-limit", metavar="TIME", help="as in 10min: what a step may take beyond its duration")
    group.add_argument("--memory-limit", metavar="BYTES", help="of a worker, as in 4G or 512Mi (default: none)")


def read_options(arguments: argparse.Namespace) -> Options:
    """The options that a command line means. Raises UsageError."""
    if arguments.launches == 0:
        raise UsageError("--launches 0: at least one is needed", hint="as in --launches 6")
    sampling = Sampling(
        launches=arguments.launches or 0,
        precision=share("--precision", arguments.precision) if arguments.precision else None,
        time_budget=seconds("--time-budget", arguments.time_budget) if arguments.time_budget else None,
    )
    return Options(
        time_limit=TIME_LIMIT if arguments.time_limit is None else seconds("--time-limit", arguments.time_limit),
        memory_limit=size("--memory-limit", arguments.memory_limit) if arguments.memory_limit else None,
        offline=arguments.offline,
        anonymous=arguments.anonymous,
        sampling=sampling.check(),
        require_quiet=seconds("--require-quiet", arguments.require_quiet) if arguments.require_quiet else None,
    )


def share(option: str, text: str) -> float:
    """ "2%" or "0.02" as 0.02. Raises UsageError for what is no share over 0 and below 1."""
    match = re.fullmatch(_NUMBER + "(%?)", text.strip())
    value = float(match[1]) / (100 if match[2] else 1) if match else 0.0
    if not 0 < value < 1:
        raise UsageError(f"{option} {text}: not a share over 0 and below 1", hint="as in 2% or 0.02")
    return value


def seconds(option: str, text: str) -> float:
    """ "5min" as 300. Raises UsageError for what is no time over 0."""
    match = re.fullmatch(_NUMBER + "([a-z]*)", text.strip().lower())
    if not match or match[2] not in _SECONDS or not float(match[1]):
        raise UsageError(f"{option} {text}: not a time", hint="as in 90s, 5min or 1h")
    return float(match[1]) * _SECONDS[match[2]]


def size(option: str, text: str) -> int:
    """ "4G" as bytes. Raises UsageError for what is no size."""
    match = re.fullmatch(_NUMBER + "([kmg]?i?)b?", text.strip().lower())
    if not match or match[2] not in _BYTES:
        raise UsageError(f"{option} {text}: not a size", hint="as in 4G, 512Mi or 1000000000")
    return int(float(match[1]) * _BYTES[match[2]])
