"""Software that is not started: libraries, headers, toolkits. A file says that it is here, and which version."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cmx.component import SoftwareDetect
from cmx.detect.executables import Candidate
from cmx.detect.finding import Finding, Skipped
from cmx.detect.listing import Listings
from cmx.detect.tools import Unclear, exports
from cmx.detect.versions import read_version


def findings(
    component: SoftwareDetect, candidates: Iterable[Candidate], listings: Listings
) -> tuple[list[Finding], list[Skipped]]:
    """What the files of a component are, one finding for each version in a folder; files without one are skipped.

    Raises Unclear when the component does not say how to read a version.
    """
    if not component.read:
        raise Unclear("read is missing: nothing says where a version stands")
    found: dict[object, Finding] = {}
    skipped: list[Skipped] = []
    for candidate in candidates:
        version = _version(component, candidate, listings)
        if not version:
            skipped.append(Skipped(candidate.path, "nothing says its version"))
            continue
        path = candidate.path
        values = exports(component, path, version, "")
        finding = Finding(component.name, version, path, candidate.identity, exports=values)
        found.setdefault((path.parent, version), finding)
    return list(found.values()), skipped


def _version(component: SoftwareDetect, candidate: Candidate, listings: Listings) -> str:
    try:
        return read_version(component.read, candidate.path, listings)
    except re.error as error:
        raise Unclear(f"read: {error.pattern!r} is no pattern: {error}") from error
