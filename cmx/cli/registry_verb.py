"""Share solutions and components without a server: a registry is a folder, or the static web site that it becomes.

cmx registry init zoo                       make one: a folder
cmx registry publish zoo flow-1.0.0.cmx.zip a solution, or a component: model/net, or its folder
cmx registry publish zoo model/net --sign me  and sign the index, now and from now on
cmx registry yank zoo flow==1.0.0 --reason 'wrong labels'
cmx registry verify zoo                     hash everything
cmx registry list https://HOST/zoo          what is in one; without an address, in those that you added

Copy the folder to any web server, registry.json last. Others: cmx repo add https://HOST/zoo
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmx.cli.answer import Answer, table
from cmx.cli.console import Console
from cmx.cli.parser import Parser
from cmx.cli.place import PATH_BEGINS
from cmx.errors import CmxError, StoreError, UsageError
from cmx.files import readable
from cmx.repository import Catalog
from cmx.settings import Settings

if TYPE_CHECKING:
    from cmx.component import Component
    from cmx.registry.folder import RegistryFolder
    from cmx.registry.index import Index, Release


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the options."""
    commands = parser.add_subparsers(
        dest="command", required=True, parser_class=Parser, metavar="init | publish | yank | verify | list"
    )
    making = commands.add_parser("init", help="make an empty registry")
    making.add_argument("folder", help="one that is empty or not there yet")
    making.add_argument("--name", default="", help="default: the folder's")
    making.add_argument("--description", default="", help="one line on what it is for")
    publishing = commands.add_parser("publish", help="add versions; each is published once")
    publishing.add_argument("folder", help="the registry")
    _add_sign(publishing)
    publishing.add_argument("what", nargs="+", help="ARCHIVE.cmx.zip | kind/name[==version] | a component's folder")
    yanking = commands.add_parser("yank", help="say that a version should not be used any more; its file stays")
    yanking.add_argument("folder", help="the registry")
    _add_sign(yanking)
    yanking.add_argument("what", help="[kind/]name==version")
    yanking.add_argument("--reason", default="", help="shown to whoever asks for it")
    yanking.add_argument("--undo", action="store_true", help="take it back")
    verifying = commands.add_parser("verify", help="hash every file, and read what is in it")
    verifying.add_argument("folder", help="the registry")
    listing = commands.add_parser("list", help="what is in a registry, newest first")
    listing.add_argument("where", nargs="?", default="", help="FOLDER | https://HOST/PATH (default: those you added)")


def _add_sign(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sign",
        default="",
        metavar="KEY",
        help="sign the index with this key of yours (default: as it was signed before)",
    )


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """What was done, or what there is."""
    from cmx.registry.folder import RegistryFolder

    if arguments.command == "list":
        return _list(arguments.where)
    if "://" in arguments.folder:
        hint = f"cmx registry list {arguments.folder} reads it; what is kept there is changed where its folder lies"
        raise UsageError(f"{arguments.folder} is an address, not a folder", hint=hint)
    root = Path(arguments.folder).expanduser().absolute()
    if arguments.command == "init":
        return _init(root, arguments)
    answers = {"publish": _publish, "yank": _yank, "verify": _verify}
    return answers[arguments.command](RegistryFolder(root, sign=getattr(arguments, "sign", "")), arguments)


def _init(root: Path, arguments: argparse.Namespace) -> Answer:
    from cmx.registry.folder import RegistryFolder

    index = RegistryFolder.init(root, arguments.name or root.name.lower(), arguments.description).index()
    text = f"{root}: the registry {index.name}, with nothing in it\nadd to it: cmx registry publish {root} ARCHIVE"
    return Answer({"path": str(root), "name": index.name, "description": index.description}, text)


def _publish(registry: RegistryFolder, arguments: argparse.Namespace) -> Answer:
    """One after the other; what was published before one that is refused stays published, and is said."""
    registry.index()
    catalog = Catalog.default()
    done: list[Release] = []
    failed: CmxError | None = None
    for what in arguments.what:
        try:
            done.append(_published(registry, what, catalog))
        except CmxError as error:
            if len(arguments.what) == 1:
                raise
            failed = error
            break
    lines = [f"published {each.reference}   {readable(each.size)}   sha256 {each.sha256}" for each in done]
    lines.append(_vouched(registry.index(), catalog.settings)[1])
    if failed:
        lines += [f"not published: {failed.message}", f"hint: {failed.hint}"]
    return Answer({"published": [_document(each) for each in done]}, "\n".join(lines), failed)


def _published(registry: RegistryFolder, what: str, catalog: Catalog) -> Release:
    path = Path(what).expanduser()
    if path.is_file():
        return registry.publish_solution(path)
    return registry.publish_component(_component(what, path, catalog))


def _component(what: str, path: Path, catalog: Catalog) -> Component:
    """A component that holds all rules. Raises the first that it breaks."""
    from cmx.component_file import load
    from cmx.reference import COMPONENT_FILE
    from cmx.repository.conformance import check

    is_folder = (path / COMPONENT_FILE).is_file()
    if not is_folder and (path.is_dir() or what.startswith(PATH_BEGINS) or what.endswith(".zip")):
        lacks = f"holds no {COMPONENT_FILE}" if path.is_dir() else "there is no such file"
        raise UsageError(f"{path}: {lacks}", hint="ARCHIVE.cmx.zip, kind/name, or a component's folder")
    component = load(path.resolve() / COMPONENT_FILE) if is_folder else catalog.look_up(what)
    _, faults = check(component.folder, catalog)
    if faults:
        raise UsageError(f"{component.reference}: {faults[0].message}", hint=f"cmx check {component.folder}")
    return component


def _yank(registry: RegistryFolder, arguments: argparse.Namespace) -> Answer:
    release = registry.yank(arguments.what, arguments.reason, undo=arguments.undo)
    said = "may be used again" if arguments.undo else f"is yanked: {release.yanked}"
    after = "" if arguments.undo else "\nonly a lock that names it, or its sha256, gets it from now on"
    return Answer(_document(release), f"{release.reference} {said}{after}")


def _verify(registry: RegistryFolder, arguments: argparse.Namespace) -> Answer:
    console = Console()
    console.begin("verify", str(registry.root))
    try:
        found = registry.verify(console)
    finally:
        console.close()
    signature, text = _vouched(registry.index(), Catalog.default().settings)
    if signature["word"] in ("bad", "revoked"):
        found = found._replace(faults=(text, *found.faults))
    document = {"releases": found.releases, "faults": list(found.faults), "unlisted": list(found.unlisted)}
    document["signature"] = signature
    many = f"{found.releases} release{'s' if found.releases != 1 else ''}"
    lines = [f"{registry.root}: {many} verified, {len(found.faults)} at fault", text]
    lines += [f"fault: {each}" for each in found.faults]
    lines += [
        f"in no release (of a publishing that was cut short; it may be deleted): {each}" for each in found.unlisted
    ]
    if not found.faults:
        return Answer(document, "\n".join(lines))
    hint = "bring the files back from a copy, or yank what is at fault"
    return Answer(document, "\n".join([*lines, f"hint: {hint}"]), StoreError(found.faults[0], hint=hint))


def _list(where: str) -> Answer:
    from cmx.registry.mirror import registries
    from cmx.registry.source import open_source

    settings = Catalog.default().settings
    sources = [open_source(where, settings)] if where else [each.source for each in registries(settings)]
    if not sources:
        raise UsageError("no registry was added", hint="cmx repo add https://HOST/PATH, or: cmx registry list FOLDER")
    indices = [(source.where, source.index()) for source in sources]
    document = {"registries": [_listed(place, index, settings) for place, index in indices]}
    return Answer(document, "\n\n".join(_listing(place, index, settings) for place, index in indices))


def _vouched(index: Index, settings: Settings) -> tuple[dict[str, str], str]:
    """What an index's signature is worth, as JSON and as a line."""
    from cmx.registry.signature import judged

    found = judged(index, settings)
    return found.document(), f"index {index.serial}: {found.text}"


def _listed(where: str, index: Index, settings: Settings) -> dict[str, Any]:
    releases = [_document(each) for each in _sorted(index)]
    about = {"name": index.name, "description": index.description, "where": where, "serial": index.serial}
    return {**about, "signature": _vouched(index, settings)[0], "releases": releases}


def _listing(where: str, index: Index, settings: Settings) -> str:
    rows = [
        (each.reference, readable(each.size), each.published[:10], each.yanked and f"yanked: {each.yanked}")
        for each in _sorted(index)
    ]
    head = f"{index.name}   {where}{f'   {index.description}' if index.description else ''}"
    head += f"\n{_vouched(index, settings)[1]}"
    return f"{head}\n{table(('RELEASE', 'SIZE', 'PUBLISHED', ''), rows, right=(1,)) if rows else 'nothing in it yet'}"


def _sorted(index: Index) -> list[Release]:
    keys = sorted({each.key for each in index.releases}, key=lambda key: (not key.startswith("solution/"), key))
    return [release for key in keys for release in index.versions(key)]


def _document(release: Release) -> dict[str, Any]:
    return {"reference": release.reference, **release._asdict()}
