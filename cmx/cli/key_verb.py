"""Make keys to sign with, give others the public half, and say whom you trust.

cmx key new me                       a key pair: the private half never leaves cmx's home
cmx key export me > me.pem           the public half, to give to others
cmx key trust alice.pem              trust what alice signs; compare the key's id with her, by another way
cmx key revoke alice --reason lost   trust nothing any more that this key signed, whenever that was
cmx solution sign ARCHIVE --key me
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmx.cli.answer import Answer, table
from cmx.cli.parser import Parser
from cmx.errors import UsageError
from cmx.files import write_atomically
from cmx.settings import Settings

if TYPE_CHECKING:
    from cmx.signing.keys import Key, Keyring


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the options."""
    commands = parser.add_subparsers(
        dest="command", required=True, parser_class=Parser, metavar="new | list | export | trust | revoke"
    )
    making = commands.add_parser("new", help="make a key pair of your own")
    making.add_argument("name", help="what you call it here")
    commands.add_parser("list", help="your keys, and those that you trust or revoked")
    exporting = commands.add_parser("export", help="print the public half of a key (PEM)")
    exporting.add_argument("name")
    exporting.add_argument("--output", metavar="FILE", default="", help="write it there instead")
    trusting = commands.add_parser("trust", help="trust what a key signs")
    trusting.add_argument("file", help="its public half, as 'cmx key export' writes it")
    trusting.add_argument("--name", default="", help="what you call it here (default: the file's name)")
    trusting.add_argument("--again", action="store_true", help="also if you revoked it before")
    revoking = commands.add_parser("revoke", help="trust a key no longer, one of your own or another's")
    revoking.add_argument("name", help="its name, or the beginning of its id")
    revoking.add_argument("--reason", default="", help="shown wherever something that it signed turns up")


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """The key, or all keys."""
    from cmx.signing.keys import Keyring

    answers = {"new": _new, "list": _list, "export": _export, "trust": _trust, "revoke": _revoke}
    return answers[arguments.command](Keyring(Settings.from_environment()), arguments)


def _new(keyring: Keyring, arguments: argparse.Namespace) -> Answer:
    key = keyring.new(arguments.name)
    lines = [
        f"key {key.name}: {key.id}",
        f"the private half is {keyring.folder / f'{key.name}.pem'}: keep a copy where nobody else can read it",
        f"the public half, for others: cmx key export {key.name}",
    ]
    return Answer(_document(key), "\n".join(lines))


def _list(keyring: Keyring, arguments: argparse.Namespace) -> Answer:
    keys = keyring.all()
    rows = [(k.name, k.id[:16], "yes" if k.own else "", k.state, k.since[:10], k.reason) for k in keys]
    text = table(("NAME", "ID", "YOURS", "STATE", "SINCE", "REASON"), rows) if rows else "no key: cmx key new NAME"
    return Answer({"keys": [_document(key) for key in keys]}, text)


def _export(keyring: Keyring, arguments: argparse.Namespace) -> Answer:
    key = keyring.find(arguments.name)
    document = {**_document(key), "pem": key.pem}
    if not arguments.output:
        return Answer(document, key.pem)
    path = Path(arguments.output).expanduser()
    if path.exists():
        raise UsageError(f"{path} is there already", hint="choose another name, or move it away")
    write_atomically(path, key.pem)
    return Answer({**document, "file": str(path)}, f"{path}: the public half of {key.name} ({key.id})")


def _trust(keyring: Keyring, arguments: argparse.Namespace) -> Answer:
    file = Path(arguments.file).expanduser()
    try:
        with file.open("rb") as stream:
            pem = stream.read(1 << 16)
    except OSError as error:
        hint = "give the file that 'cmx key export' wrote for whom you trust"
        raise UsageError(f"{file}: {error.strerror}", hint=hint) from error
    key = keyring.trust(pem, arguments.name or file.stem.lower(), source=str(file), again=arguments.again)
    lines = [
        f"what {key.name} signs is trusted from now on",
        f"key {key.id}: compare this with {key.name}, by another way",
    ]
    return Answer(_document(key), "\n".join(lines))


def _revoke(keyring: Keyring, arguments: argparse.Namespace) -> Answer:
    key = keyring.revoke(arguments.name, arguments.reason)
    text = f"key {key.name} ({key.id[:16]}) is revoked: nothing that it signed is trusted here any more"
    return Answer(_document(key), text)


def _document(key: Key) -> dict[str, Any]:
    return {**key._asdict()}
