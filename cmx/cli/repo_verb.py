"""List, add, update or remove component repositories, in the order in which they are searched.

cmx repo add FOLDER                        yours: every command looks at its files, and nothing is written into it
cmx repo add https://HOST/OWNER/NAME@v1.0  a git repository at a branch, a tag or a commit
cmx repo add FILE.zip | FILE.tar.gz        an archive, unpacked
cmx repo add https://HOST/PATH | FOLDER    a registry (see cmx registry): its components, every version of them

Clones and unpacked archives lie in cmx's own home. Nothing is fetched unless 'add', 'update' or 'pin' is asked for.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cmx.cli.answer import Answer, table
from cmx.cli.console import Console
from cmx.cli.parser import Parser
from cmx.errors import CmxError, UsageError
from cmx.files import counted
from cmx.repository import Catalog, Repository
from cmx.repository.added import Added, added, find
from cmx.repository.yanked import REGISTRY
from cmx.settings import Settings

if TYPE_CHECKING:
    from cmx.repository.managed import Updated
    from cmx.signing.trust import Verdict


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the options."""
    commands = parser.add_subparsers(
        dest="command", required=True, parser_class=Parser, metavar="list | add | update | pin | remove"
    )
    commands.add_parser("list", help="repositories in the order in which they are searched")
    adding = commands.add_parser("add", help="add a folder, a git repository, an archive or a registry")
    adding.add_argument(
        "source", help="FOLDER | GIT-URL[@branch|tag|commit] | FILE.zip | FILE.tar.gz | https://REGISTRY"
    )
    adding.add_argument("--name", default="", help="its name in the catalog (default: what its repo.yaml says)")
    adding.add_argument("--key", default="", help="a registry's index has to be signed by this key, which you trust")
    updating = commands.add_parser("update", help="fetch what is new; local changes are never lost")
    updating.add_argument("name", nargs="?", default="", help="default: all clones and archives")
    pinning = commands.add_parser("pin", help="keep a clone at a commit")
    pinning.add_argument("name")
    pinning.add_argument("commit", nargs="?", default="", help="default: where it is")
    pinning.add_argument("--off", action="store_true", help="let it be updated again")
    removing = commands.add_parser("remove", help="take one out of the catalog; a folder of yours is left as it is")
    removing.add_argument("name")
    removing.add_argument("--yes", action="store_true", help="also when your changes in it are lost")


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """The catalog, or what was changed in it."""
    catalog = Catalog.default()
    answers = {"list": _list, "add": _add, "update": _update, "pin": _pin, "remove": _remove}
    return answers[arguments.command](catalog, arguments)


def _list(catalog: Catalog, arguments: argparse.Namespace) -> Answer:
    documents = [_document(each, number, catalog) for number, each in enumerate(catalog.repositories, 1)]
    head = ("ORDER", "NAME", "KIND", "REVISION", "COMPONENTS", "PROBLEMS", "WHERE")
    rows = [
        tuple(str(d[key]) for key in ("order", "name", "kind", "revision", "components", "problems", "path"))
        for d in documents
    ]
    return Answer({"repositories": documents}, table(head, rows, right=(0, 4, 5)))


def _add(catalog: Catalog, arguments: argparse.Namespace) -> Answer:
    repository, signature = _added(catalog, arguments.source, arguments.name, arguments.key)
    catalog = Catalog.default(catalog.settings)
    place, found = next((n, each) for n, each in enumerate(catalog.repositories, 1) if each.name == repository.name)
    document = _document(found, place, catalog)
    lines = [f"added {found.name}: {found.root}", f"{counted(document['components'], 'component')}"]
    if signature:
        document["signature"] = signature.document()
        lines.append(f"index: {signature.text}{'; from now on it has to be' if signature.trusted else ''}")
        if signature.word == "unknown":
            lines.append(f"hint: {signature.hint}; then: cmx repo update {found.name}")
    if document["problems"]:
        lines.append(f"{counted(document['problems'], 'component')} broken or hidden: 'cmx list' names them")
    return Answer(document, "\n".join(lines))


def _added(catalog: Catalog, source: str, name: str, key: str) -> tuple[Repository, Verdict | None]:
    """Add a registry, where there is one, or what else the source is; and what a registry's signature is worth."""
    from cmx.registry.mirror import add_registry, find_registry
    from cmx.registry.signature import judged

    console = Console()
    console.begin("add", source)
    try:
        index, settings = find_registry(source, catalog.settings), catalog.settings
        if index is None and key:
            raise UsageError(f"--key: {source} is no registry, whose index could be signed", hint="leave it out")
        if index is None:
            return catalog.add(source, name=name), None
        taken = {each.name for each in catalog.repositories}
        done = add_registry(settings, source, index, taken, name=name, key=key, reporter=console)
        return done, judged(index, settings)
    finally:
        console.close()


def _updated(settings: Settings, name: str) -> Updated:
    from cmx.registry.mirror import update_registry
    from cmx.repository.managed import update

    if find(settings, name).kind != REGISTRY:
        return update(settings, name)
    console = Console()
    console.begin("update", name)
    try:
        return update_registry(settings, name, console)
    finally:
        console.close()


def _update(catalog: Catalog, arguments: argparse.Namespace) -> Answer:
    names = [arguments.name] if arguments.name else [e.name for e in added(catalog.settings) if e.managed]
    done: list[Updated] = []
    failed: list[tuple[str, CmxError]] = []
    for name in names:
        try:
            done.append(_updated(catalog.settings, name))
        except CmxError as error:
            if arguments.name:
                raise
            failed.append((name, error))
    document = {
        "updated": [{"name": e.name, "before": e.before, "after": e.after, "note": e.note} for e in done],
        "failed": [{"name": name, "message": why.message, "hint": why.hint} for name, why in failed],
    }
    lines = [_moved(each.name, each.before, each.after, each.note) for each in done]
    for _, why in failed:
        lines += [f"not updated: {why.message}", f"hint: {why.hint}"]
    text = "\n".join(lines) or "there is no clone, no archive and no registry to update"
    first = CmxError(failed[0][1].message, hint=failed[0][1].hint) if failed else None
    return Answer(document, text, first)


def _pin(catalog: Catalog, arguments: argparse.Namespace) -> Answer:
    from cmx.repository.managed import pin

    if arguments.commit and arguments.off:
        raise UsageError("cmx repo pin: a commit and --off", hint="give one of them")
    done = pin(catalog.settings, arguments.name, arguments.commit, off=arguments.off)
    document = {"name": done.name, "before": done.before, "after": done.after, "pinned": not arguments.off}
    return Answer(document, _moved(done.name, done.before, done.after, done.note))


def _remove(catalog: Catalog, arguments: argparse.Namespace) -> Answer:
    removed: Added = catalog.remove(arguments.name, discard=arguments.yes)
    document = {"name": removed.name, "path": str(removed.root), "deleted": removed.managed}
    left = f"{removed.root} is deleted" if removed.managed else f"{removed.root} is left as it is"
    return Answer(document, f"removed {removed.name} from the catalog; {left}")


def _document(repository: Repository, order: int, catalog: Catalog) -> dict[str, Any]:
    components, problems = catalog.counts(repository)
    entry = next((e for e in _managed(catalog) if e.name == repository.name), None)
    return {
        "order": order,
        "name": repository.name,
        "kind": repository.kind,
        "path": str(repository.root),
        "source": repository.source,
        "revision": _revision(entry) if entry else "",
        "components": components,
        "problems": problems,
        "description": repository.description,
    }


def _managed(catalog: Catalog) -> Iterable[Added]:
    return (entry for entry in added(catalog.settings) if entry.managed)


def _revision(entry: Added) -> str:
    if entry.kind == "archive":
        return f"sha256 {entry.digest[:12]}"
    if entry.kind == REGISTRY:
        return f"sha256 {entry.digest[:12]} ({f'key {entry.key[:12]}' if entry.key else 'no key'})"
    from cmx.repository.revision import head

    now = head(entry.root)[:12]
    if entry.pinned:
        return f"{now} (pinned)"
    return f"{now} ({entry.ref})" if entry.ref else now


def _moved(name: str, before: str, after: str, note: str) -> str:
    if not after:
        return f"{name}: {note}"
    what = f"{before[:12]} → {after[:12]}" if before != after else f"at {after[:12]}"
    return f"{name}: {what}{f', {note}' if note else '' if before != after else ', nothing new'}"
