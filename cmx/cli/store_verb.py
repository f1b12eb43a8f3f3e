"""List, verify or clean up what cmx keeps on disk. What is removed is made or fetched again when it is needed.

cmx store verify --repair        hash everything; remove what is damaged or was left half-built
cmx store gc --older-than 30     remove what was not used for 30 days
"""

from __future__ import annotations

import argparse
import shutil
from datetime import datetime, timezone

from cmx.cli.answer import Answer, table
from cmx.cli.parser import Parser
from cmx.errors import StoreError
from cmx.files import counted, readable
from cmx.results import Database
from cmx.settings import Settings
from cmx.store import Entry, Store

_DAY = 86400.0
_WIDTH = 100
_REPAIR = "cmx store verify --repair removes what is wrong; it is made again when it is needed"


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the options."""
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser, metavar="list | verify | gc")
    commands.add_parser("list", help="everything that is kept, with size and last use")
    verifying = commands.add_parser("verify", help="hash everything; exit code 1 if something is damaged")
    verifying.add_argument("--repair", action="store_true", help="remove what is damaged or left over")
    collecting = commands.add_parser("gc", help="remove what was not used for a while")
    collecting.add_argument("--older-than", type=float, default=30, metavar="DAYS", help="default: 30")
    collecting.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    collecting.add_argument("--downloads", action="store_true", help="also empty the cache of downloaded packages")


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """What the store holds, what is wrong with it, or what was removed."""
    store = Store(Settings.from_environment())
    if arguments.command == "verify":
        return _verify(store, arguments.repair)
    if arguments.command == "gc":
        return _collect(store, arguments)
    entries = sorted(store.list(), key=lambda entry: -entry.used)
    return Answer({"entries": [_document(entry) for entry in entries]}, _listed(entries) or "the store is empty")


def _verify(store: Store, repair: bool) -> Answer:
    found = store.verify(repair=repair)
    findings = [{**each._asdict(), "path": str(each.path)} for each in found.findings]
    lines = [f"{each.kind}: {each.path}: {each.why}{' (removed)' if each.repaired else ''}" for each in found.findings]
    lines.append(f"{_entries(found.checked)}, {readable(found.size)} hashed, {len(findings)} wrong")
    if not found.ok:
        lines.append(f"hint: {_REPAIR}")
    document = {"checked": found.checked, "size": found.size, "findings": findings}
    verb = "is" if len(findings) == 1 else "are"
    wrong = StoreError(f"of {_entries(found.checked)}, {len(findings)} {verb} wrong", hint=_REPAIR)
    return Answer(document, "\n".join(lines), None if found.ok else wrong)


def _collect(store: Store, arguments: argparse.Namespace) -> Answer:
    abandoned = Database(store.settings).abandoned()
    if not arguments.dry_run:
        for folder in abandoned:
            shutil.rmtree(folder, ignore_errors=True)
    removed = store.gc(set(), older_than=arguments.older_than * _DAY, dry_run=arguments.dry_run)
    if arguments.downloads and not arguments.dry_run:
        from cmx.install.download import forget_downloads
        from cmx.install.uv import Uv

        forget_downloads(store.settings)
        Uv(store.settings).run(["cache", "clean"], doing="emptying the cache of downloads")
    entries = [_document(entry) for entry in removed.entries]
    verb = "would be removed" if arguments.dry_run else "removed"
    text = f"{_entries(len(entries))}, {readable(removed.size)}, {counted(len(abandoned), 'unfinished run')} {verb}"
    listing = _listed(removed.entries)
    return Answer(
        {"removed": entries, "size": removed.size, "unfinished_runs": [str(each) for each in abandoned]},
        f"{listing}\n{text}" if listing else text,
    )


def _listed(entries: list[Entry] | tuple[Entry, ...]) -> str:
    rows = [(each.kind, each.key[:12], readable(each.size), _time(each.used), _short(each.name)) for each in entries]
    return table(("KIND", "KEY", "SIZE", "LAST USED (UTC)", "WHAT"), rows, right=(2,)) if rows else ""


def _entries(number: int) -> str:
    return counted(number, "entry", "entries")


def _document(entry: Entry) -> dict[str, object]:
    return {**entry._asdict(), "path": str(entry.path)}


def _short(name: str) -> str:
    return name if len(name) <= _WIDTH else f"{name[: _WIDTH - 1]}…"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M")
