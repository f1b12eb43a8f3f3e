"""Archives changed at random: bytes, zip structure, documents under hashes that fit, signatures."""

from __future__ import annotations

import io
import json
import random
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from solutions import with_digests, with_hashes

from cmx.solution.container import Entry, directory
from cmx.solution.manifest import MANIFEST, SIGNATURE, canonical

Members = dict[str, bytes]

NAMES = [
    *(
        "../evil",
        "/evil",
        "a/../../evil",
        "..\\evil",
        "C:\\evil",
        "\\\\host\\evil",
        "",
        ".",
        "..",
        "a//b",
        "a/",
        "~/evil",
    ),
    *("repository", "repository/repo.yaml/x", "REPOSITORY/repo.yaml", "manifest.json", "Manifest.json", "con", "a\0b"),
    *(
        "repository/models/net/component.yaml",
        "repository/evil/component.yaml",
        "\u202eevil",
        "e\u0301",
        "é",
        "ﬁ",
        "fi",
    ),
    *(
        "data/" + "0" * 64,
        "wheels/evil-1-py3-none-any.whl",
        SIGNATURE,
        "expected/result.json",
        "x" * 5000,
        "a/" * 300 + "b",
    ),
    *(
        "repository/models/net/.evil.py",
        "repository/models/net/__pycache__/evil.py",
        "locks/../manifest.json",
        "-rf",
        "$(id)",
    ),
]
VALUES: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        2,
        2**31,
        2**63,
        2**64,
        10**300,
        0.5,
        -0.0,
        1e308,
        5e-324,
        [],
        {},
        [[]],
        [None],
        "",
        " ",
    ),
    *(
        "\n",
        "\0",
        "\x1b[2J",
        "\u202e",
        "🙂",
        "../..",
        "/etc/passwd",
        "/tmp/evil/python",
        "x" * 10_000,
        "0" * 64,
        "f" * 64,
    ),
    *(
        "1.0.0",
        "==",
        "model/net==1.0.0",
        "model/net",
        "software/runner",
        "workflow/flow==1.0.0",
        "linux-x86_64",
        "%s%n",
    ),
    *(
        "{}",
        "$(touch evil)",
        "`touch evil`",
        "file:///etc/passwd",
        "detected",
        "installable",
        "sha256:",
        {"a": 1},
        ["a", 1],
    ),
]
TEXTS = [
    b"\0",
    b"\xff",
    b"\t",
    b"- ",
    b": ",
    b"!!python/object:os.system",
    b"&a *a",
    b"---\n",
    b"{",
    b"[",
    b"'",
    b"#",
    b"\r",
]
SIZES = [0, 1, 2, 21, 22, 0x7F, 0xFF, 0x7FFF, 0xFFFE, 0xFFFF]
WIDE = [*SIZES, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF]


class Mutant(NamedTuple):
    """One archive; ``how`` names the kind of change, and ``strict`` whether any change at all must be refused."""

    how: str
    raw: bytes
    strict: bool


def mutants(good: bytes, count: int, seed: int) -> Iterator[Mutant]:
    """So many changed archives, the same for a seed; some are as they were by chance."""
    rng = random.Random(seed)
    members = read_members(good)
    kinds: list[tuple[Callable[[random.Random, bytes, Members], bytes], bool]] = [
        *((change_bytes, True), (change_structure, True), (change_zip, False), (change_members, False)),
        *((change_manifest, False), (change_document, False), (change_yaml, False), (change_signature, False)),
    ]
    for number in range(count):
        change, strict = kinds[number % len(kinds)]
        yield Mutant(change.__name__, change(rng, good, dict(members)), strict)


def read_members(raw: bytes) -> Members:
    """The members of a good archive, in its order."""
    with zipfile.ZipFile(io.BytesIO(raw)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def join(members: list[tuple[str, bytes]]) -> bytes:
    """The zip that cmx would write of any members, named twice or not."""
    entries: list[Entry] = []
    raw = b""
    for name, data in members:
        entries.append(Entry(name, len(data), zlib.crc32(data), len(raw)))
        raw += entries[-1].local + data
    return raw + directory(entries, len(raw))


def change_bytes(rng: random.Random, good: bytes, _: Members) -> bytes:
    """Flip, overwrite, cut out, put in, double, swap or cut off bytes, mostly where the zip's structure is."""
    raw = bytearray(good)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at, length = _place(rng, raw), rng.choice((1, 1, 2, 4, 16, 300))
        kind = rng.randrange(7)
        if kind == 0:
            raw[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            raw[at : at + length] = rng.randbytes(len(raw[at : at + length]))
        elif kind == 2:
            del raw[at : at + length]
        elif kind == 3:
            raw[at:at] = rng.randbytes(length)
        elif kind == 4:
            raw[at:at] = raw[at : at + length]
        elif kind == 5:
            other = _place(rng, raw)
            raw[at : at + length], raw[other : other + length] = raw[other : other + length], raw[at : at + length]
        else:
            del raw[at:]
        if not raw:
            break
    return bytes(raw)


def _place(rng: random.Random, raw: bytearray) -> int:
    """A byte of a header, of the list, of the end, or any."""
    heads = [each.start() for each in re.finditer(rb"PK[\1\3\5]", raw)]
    if heads and rng.random() < 0.7:
        return min(rng.choice(heads) + rng.randrange(60), len(raw) - 1)
    return rng.randrange(len(raw))


def change_structure(rng: random.Random, good: bytes, _: Members) -> bytes:
    """Set fields of headers to numbers that mean something elsewhere."""
    raw = bytearray(good)
    for _ in range(rng.choice((1, 1, 2, 3))):
        head = rng.choice(list(re.finditer(b"PK(\1\2|\3\4|\5\6)", raw)))
        length = {b"\1\2": 46, b"\3\4": 30, b"\5\6": 22}[head[1]]
        width = rng.choice((1, 2, 4, 8))
        at = head.start() + rng.randrange(4, length)
        numbers = [*WIDE, len(raw), head.start(), rng.randrange(2**32), rng.randrange(len(raw))]
        raw[at : at + width] = (rng.choice(numbers) % 2 ** (8 * width)).to_bytes(width, "little")
    return bytes(raw)


def change_zip(rng: random.Random, good: bytes, members: Members) -> bytes:
    """Zip it by Python's own module, with modes, dates, comments, fields and methods that cmx never writes."""
    stream = io.BytesIO()
    method = rng.choice(
        (zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    )
    with zipfile.ZipFile(stream, "w", method) as made, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name twice
        for name, data in members.items():
            info = zipfile.ZipInfo(name if rng.random() < 0.95 else rng.choice(NAMES) or "x")
            info.external_attr = rng.choice((0o100644, 0o120777, 0o020666, 0o040755, 0o104755, 0)) << 16
            info.create_system = rng.choice((0, 3, 255))
            info.extra = rng.choice((b"", b"", b"\1\0\x10\0" + b"\xff" * 16, b"up\4\0\1abc", rng.randbytes(8)))
            info.comment = rng.choice((b"", b"", b"hello"))
            info.compress_type = method
            made.writestr(info, data)
        made.comment = rng.choice((b"", b"PK\5\6" + b"\0" * 18, b"hello"))
    return stream.getvalue()


def change_members(rng: random.Random, good: bytes, members: Members) -> bytes:
    """Add, rename, double, empty, reorder or drop members, sometimes with a manifest that says so."""
    listed = list(members.items())
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(1, len(listed))
        name, data = listed[at]
        other = rng.choice((rng.choice(NAMES), rng.choice(listed)[0], name.upper(), name + "/x"))
        listed[at : at + 1] = rng.choice(
            ([(other, data)], [(name, data), (other, data)], [(name, b"")], [], [(name, data), (name, data)])
        )
        if len(listed) < 3:
            break
    if rng.random() < 0.2:
        rng.shuffle(listed)
    fitting = rng.random() < 0.6
    return join(list(with_hashes({**dict(listed), MANIFEST: members[MANIFEST]}).items()) if fitting else listed)


def change_manifest(rng: random.Random, good: bytes, members: Members) -> bytes:
    """Change the manifest's own document, or its text."""
    document = json.loads(members[MANIFEST])
    if rng.random() < 0.85:
        members[MANIFEST] = canonical(_changed(rng, document))
    else:
        members[MANIFEST] = _changed_text(rng, members[MANIFEST])
    return join(list(members.items()))


def change_document(rng: random.Random, good: bytes, members: Members) -> bytes:
    """Change a lock or the record, and let all hashes fit."""
    name = rng.choice([name for name in members if name.startswith(("locks/", "expected/"))])
    if rng.random() < 0.9:
        members[name] = canonical(_changed(rng, json.loads(members[name])))
    else:
        members[name] = _changed_text(rng, members[name])
    return join(list(with_hashes(members).items()))


def change_yaml(rng: random.Random, good: bytes, members: Members) -> bytes:
    """Change a component's text or code, and let all hashes of the manifest fit, and often the lock's digests."""
    name = rng.choice([name for name in members if name.startswith("repository/")])
    members[name] = _changed_text(rng, members[name])
    if rng.random() < 0.7:
        members = with_digests(members)
    return join(list(with_hashes(members).items()))


def change_signature(rng: random.Random, good: bytes, members: Members) -> bytes:
    """Add an envelope that nobody signed."""
    envelope: Any = {"payloadType": "application/vnd.in-toto+json", "payload": "e30=", "signatures": [{"sig": "AA=="}]}
    raw = canonical(_changed(rng, envelope))
    members[SIGNATURE] = rng.choice((raw, _changed_text(rng, raw), b"", rng.randbytes(50)))
    return join(list(members.items()))


def _changed(rng: random.Random, document: dict[str, Any]) -> dict[str, Any]:
    """The document with one to three of its values, keys or items changed."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        holder = rng.choice(list(_holders(document)))
        keys: list[Any] = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            continue
        key, kind = rng.choice(keys), rng.randrange(6)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[str(rng.choice((*NAMES, "schema", "name", "path")))] = holder[key]
        elif kind == 2:
            holder[key] = json.loads(json.dumps(_any_value(rng, document)))
        elif kind == 3 and isinstance(holder, list):
            holder.append(holder[key])
        elif kind == 4 and isinstance(holder[key], str):
            text = holder[key]
            holder[key] = rng.choice((text.upper(), text + "\n", text[:-1], text * 3, rng.choice(NAMES), text + "\0"))
        else:
            holder[key] = rng.choice(VALUES)
    return document


def _holders(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        yield value
        for each in value.values() if isinstance(value, dict) else value:
            yield from _holders(each)


def _any_value(rng: random.Random, document: Any) -> Any:
    holder = rng.choice(list(_holders(document)))
    values = list(holder.values()) if isinstance(holder, dict) else holder
    return rng.choice(values) if values else None


def _changed_text(rng: random.Random, raw: bytes) -> bytes:
    """A text with a piece of another kind put in, a line doubled, moved or taken away, or bytes changed."""
    lines = raw.splitlines(keepends=True) or [b""]
    at, kind = rng.randrange(len(lines)), rng.randrange(5)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(at, rng.choice(lines))
    elif kind == 2:
        place = rng.randrange(len(lines[at]) + 1)
        lines[at] = lines[at][:place] + rng.choice(TEXTS) + lines[at][place:]
    elif kind == 3:
        value = rng.choice([value for value in VALUES if isinstance(value, str | int)])
        lines[at] = lines[at].partition(b":")[0] + b": " + str(value).encode()[:2000] + b"\n"
    else:
        changed = bytearray(raw or b"x")
        changed[rng.randrange(len(changed))] = rng.randrange(256)
        return bytes(changed)
    return b"".join(lines)
