"""A solution in forms that need no cmx on the machine that uses them: a Dockerfile, a script, an RO-Crate.

Script and Dockerfile carry the archive and this very cmx along, and carry out one list of commands: pip, told every
version and hash, installs cmx; ``cmx solution init`` installs what the lock names; ``validate`` or ``run`` runs it.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from cmx.errors import UsageError
from cmx.files import disk_failures
from cmx.resolver.locking import TARGET
from cmx.resolver.plan import Plan
from cmx.solution.archive import Archive
from cmx.solution.carrying import Carried
from cmx.solution.contents import check, lock
from cmx.solution.manifest import MANIFEST, SIGNATURE, Manifest

FORMATS = ("docker", "venv-script", "ro-crate")
CRATE = "ro-crate-metadata.json"
SCRIPT = "reproduce.sh"
_REQUIREMENTS = "requirements.txt"
_PIP = "--no-cache-dir --disable-pip-version-check --no-deps --require-hashes --only-binary :all:"
_OLDEST = (3, 10)


class Export(NamedTuple):
    """What is written: an archive with one of its locks, and what installs cmx on a Python of some version."""

    archive: Archive
    plan: Plan
    cmx: Callable[[str], Carried]
    published: str


def export(
    archive: Archive, format: str, platform: str, folder: Path, *, published: str, cmx: Callable[[str], Carried]
) -> Path:
    """Write a new folder with the solution in one of ``FORMATS``; ``platform`` chooses the lock, ``published`` is a
    date (for RO-Crate), ``cmx`` gives what installs cmx on a Python of some version. Nothing half-written is left.
    Raises UsageError for what a form cannot say, and as ``check`` and ``cmx``.
    """
    if folder.exists():
        raise UsageError(f"{folder} is there already", hint="name a folder that is not there yet: --output")
    check(archive)
    plan = lock(archive, platform)
    with disk_failures(folder.parent, f"exporting {archive.path.name}"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            _FORMS[format](Export(archive, plan, cmx, published), making / "made")
            (making / "made").replace(folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return folder


def _docker(made: Export, folder: Path) -> None:
    python = check_image(made.plan)
    files = _carry(made, python, folder)
    lines = [
        f"# Reproduces {made.archive.manifest.file_name}, manifest sha256 {made.archive.digest}",
        f"#   docker build -t {_tag(made.archive.manifest)} .",
        f"#   docker run --rm --network none {_tag(made.archive.manifest)}",
        f"FROM python:{python}-slim-bookworm",
        "WORKDIR /solution",
        "ENV CMX_HOME=/solution/home",
        f"COPY {' '.join(files)} ./",
        "RUN " + " \\\n && ".join([*installing(), _init(made.archive)]),
        'ENTRYPOINT ["/solution/cmx/bin/cmx"]',
        # The container is the wall; another inside it would need rights that containers do not have.
        f"CMD {json.dumps([*running(made.archive, made.plan), '--no-isolation'])}",
    ]
    _write(folder / "Dockerfile", lines)


def _script(made: Export, folder: Path) -> None:
    minor = _pythons(made.plan)[-1]
    _carry(made, minor, folder)
    name, words = made.archive.manifest.file_name, running(made.archive, made.plan)
    does = "compares what comes out with what its maker had" if words[1] == "validate" else "prints what came out"
    lines = [
        "#!/bin/sh",
        f"# Reproduces {name} in the folder that this script lies in. Manifest sha256 {made.archive.digest}.",
        f"#   ./{SCRIPT}                  installs what it needs, once; runs it; {does}",
        f"#   ./{SCRIPT} --install-only   stops before anything of it runs",
        f"#   ./{SCRIPT} OPTION...        options of 'cmx solution {words[1]}': --no-isolation, --launches 6, --json",
        f"# Needs Python {minor} (as 'python{minor}', or PYTHON=/path/to/it), and the network while it installs.",
        "set -eu",
        'cd "$(dirname "$0")"',
        'export CMX_HOME="$PWD/home"',
        f'python() {{ "${{PYTHON:-python{minor}}}" "$@"; }}',
        "if [ ! -e cmx/installed ]; then",
        f"    python -c 'import sys; sys.exit(sys.version_info[:2] != ({minor.replace('.', ', ')}))' || {{",
        f"        echo 'Python {minor} is needed: PYTHON=/path/to/python{minor} ./{SCRIPT}' >&2; exit 1; }}",
        *(f"    {command}" for command in installing()),
        "    touch cmx/installed",
        "fi",
        f"{_init(made.archive)} >/dev/null",
        f"if [ \"${{1:-}}\" = --install-only ]; then echo 'installed; ./{SCRIPT} runs it'; exit; fi",
        f'exec cmx/bin/cmx {shlex.join(words)} "$@"',
    ]
    _write(folder / SCRIPT, lines)
    (folder / SCRIPT).chmod(0o755)


def installing() -> list[str]:
    """What installs cmx, each a line for a shell, in a folder with what was carried there."""
    return ["python -m venv cmx", f"cmx/bin/python -m pip install {_PIP} -r {_REQUIREMENTS}"]


def running(archive: Archive, plan: Plan) -> list[str]:
    """What cmx is told to run: a comparison where the archive expects something, else what it was packed for.

    Whoever runs somebody's script or Dockerfile has decided to trust it.
    """
    words = ["validate"] if archive.manifest.expected else ["run", plan.request.action or "benchmark"]
    return ["solution", *words, archive.manifest.file_name, "--allow-untrusted"]


def _init(archive: Archive) -> str:
    return f"cmx/bin/cmx solution init {archive.manifest.file_name} --allow-untrusted"


def _carry(made: Export, python: str, folder: Path) -> list[str]:
    """Put the archive, cmx's wheel, and the requirements file that names it beside its needs, into a new folder."""
    folder.mkdir()
    name = made.archive.manifest.file_name
    shutil.copyfile(made.archive.path, folder / name)
    own = made.cmx(python)
    (folder / own.file).write_bytes(own.wheel)
    line = f"./{own.file} --hash=sha256:{hashlib.sha256(own.wheel).hexdigest()}\n"
    (folder / _REQUIREMENTS).write_text(own.requirements + line, encoding="utf-8")
    return [_REQUIREMENTS, own.file, name]


def _tag(manifest: Manifest) -> str:
    return f"{manifest.name}:{manifest.version}"


def _minor(python: str) -> str:
    return ".".join(python.split(".")[:2])


def _pythons(plan: Plan) -> list[str]:
    """The versions of Python, as in 3.11, of a plan's environments that cmx runs on too; this one where there is none.

    They come in their order.
    """
    found = {_minor(each.python) for name, each in plan.environments.items() if name != TARGET}
    numbers = sorted(tuple(map(int, each.split("."))) for each in found)
    fit = [".".join(map(str, each)) for each in numbers if each >= _OLDEST]
    return fit or [f"{sys.version_info.major}.{sys.version_info.minor}"]


def check_image(plan: Plan) -> str:
    """The Python of an image for all of a plan's environments, as in 3.11.

    Not as in 3.11.2: an environment may be of any 3.11, and not each of them has an image. Raises UsageError where the
    plan is not for Linux, or needs what an image of one Python does not have.
    """
    if plan.host["os"] != "linux":
        raise UsageError(f"the lock is for {plan.host['os']}, and an image is Linux", hint="--platform linux-x86_64")
    tools = (pin for pin in plan.pins.values() if pin.kind == "software" and not pin.environment)
    if tool := next(tools, None):
        raise UsageError(
            f"{tool.reference} is a tool of the system, which an image of Python does not have",
            hint="export --format venv-script uses it where it is",
        )
    minors = {_minor(each.python) for name, each in plan.environments.items() if name != TARGET}
    if len(minors) > 1 or not minors <= {*_pythons(plan)}:
        raise UsageError(
            f"its lock needs Python {' and '.join(sorted(minors))}, and an image has one, which cmx can run on too",
            hint="cmx needs 3.10; --format venv-script uses all Pythons that a machine has",
        )
    return _pythons(plan)[0]


def _ro_crate(made: Export, folder: Path) -> None:
    made.archive.unpack(folder, wanted=lambda member: not member.startswith(("data/", "wheels/")))
    graph = crate(made.archive, made.plan, made.published)
    document = {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph}
    (folder / CRATE).write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def crate(archive: Archive, plan: Plan, published: str) -> list[dict[str, Any]]:
    """The entities of an RO-Crate 1.1: the solution, its workflow, every file with its sha256, and the software."""
    manifest = archive.manifest
    files = [each for each in manifest.files if not each.path.startswith(("data/", "wheels/"))]
    names = [MANIFEST, *([SIGNATURE] if archive.signature else []), *(each.path for each in files)]
    workflow = next(each for each in manifest.components if each.reference == manifest.workflow)
    main = f"{workflow.folder}/component.yaml"
    packages = sorted({str(package) for each in plan.environments.values() for package in each.packages})
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"{manifest.name} {manifest.version}",
        "version": manifest.version,
        "description": manifest.description or manifest.name,
        "datePublished": published,
        "identifier": f"sha256:{archive.digest}",
        "license": _license(manifest),
        "mainEntity": {"@id": main},
        "hasPart": [{"@id": name} for name in names],
    }
    if manifest.citation:
        root["citation"] = manifest.citation
    about = {"@id": CRATE, "@type": "CreativeWork", "about": {"@id": "./"}}
    about["conformsTo"] = {"@id": "https://w3id.org/ro/crate/1.1"}
    own = [{"@id": name, "@type": "File", "name": name} for name in names if name in (MANIFEST, SIGNATURE)]
    return [about, root, *own, *(_file(each, main, manifest, packages) for each in files)]


def _file(each: Any, main: str, manifest: Manifest, packages: list[str]) -> dict[str, Any]:
    entity = {
        "@id": each.path,
        "@type": "File",
        "name": each.path,
        "contentSize": str(each.size),
        "sha256": each.sha256,
    }
    if each.path == main:
        entity |= {"@type": ["File", "SoftwareSourceCode"], "name": manifest.workflow, "softwareRequirements": packages}
    return entity


def _license(manifest: Manifest) -> Any:
    return manifest.license or "unstated"


def _write(file: Path, lines: list[str]) -> None:
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


_FORMS = {"docker": _docker, "venv-script": _script, "ro-crate": _ro_crate}
