"""argparse, with our errors and no guessing of abbreviated options."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any, NoReturn

from cmx.errors import UsageError, nearest


class HelpAsked(Exception):
    """-h was given; ``text`` is the help."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Parser(argparse.ArgumentParser):
    """Raises UsageError instead of printing and exiting, and names the nearest option for an unknown one.

    ``reminder`` is what else an unknown option may mean.
    """

    reminder = ""

    def __init__(self, *, verb: str = "", **settings: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=_formatter, exit_on_error=False, **settings)
        self.verb = verb or (settings.get("prog") or "").removeprefix("cmx ")

    @property
    def options(self) -> set[str]:
        """The options that there are so far."""
        return {option for action in self._actions for option in action.option_strings}

    @property
    def destinations(self) -> set[str]:
        """The names under which the options so far are found once they are read."""
        return {action.dest for action in self._actions}

    def read(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse all arguments. Raises UsageError."""
        return self.parse_known_args(arguments)[0]

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As argparse's; of a verb's command, too, this raises UsageError for what is unknown."""
        try:
            found, unknown = super().parse_known_args(args, namespace)
        except argparse.ArgumentError as error:
            self.error(str(error))
        if unknown:
            self._unknown(unknown[0], found)
        return found, unknown

    def print_help(self, file: Any = None) -> NoReturn:
        """Raise HelpAsked: whoever calls decides what is printed."""
        raise HelpAsked(self.format_help())

    def _unknown(self, argument: str, found: argparse.Namespace) -> NoReturn:
        name = argument.partition("=")[0]
        options = self.options
        if name.startswith("-"):
            hint = nearest(name, options)
            if self.reminder and not hint.startswith("did you mean"):
                hint = f"{self.reminder}; see cmx {self.verb} --help"
            raise UsageError(f"cmx {self.verb}: unknown option {name}", hint=hint)
        words = [each for each in self._actions if not each.option_strings]
        early = any(each.nargs == "?" and getattr(found, each.dest, None) is None for each in words)
        hint = f"{'it comes before the options; ' if early else ''}see cmx {self.verb} --help"
        raise UsageError(f"cmx {self.verb}: unexpected argument {argument!r}", hint=hint)

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        raise UsageError(f"cmx {self.verb}: {message}", hint=f"see cmx {self.verb} --help")


def _formatter(prog: str) -> argparse.HelpFormatter:
    """A formatter that knows the width: argparse makes one for every option, and imports shutil to look it up."""
    return argparse.RawDescriptionHelpFormatter(prog, width=_width())


def _width() -> int:
    """Of the help, in columns: two less than the terminal's, as argparse itself has it."""
    try:
        columns = int(os.environ.get("COLUMNS", 0)) or os.get_terminal_size().columns
    except (OSError, ValueError):
        columns = 0
    return (columns or 80) - 2
