"""Frameworks of this repository as a worker is given them, run by what is installed here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cmx.schema import parse_yaml
from cmx.worker.context import Role

FRAMEWORKS = Path(__file__).parents[2] / "components" / "software-detect"


def predictor_role(name: str, **settings: Any) -> Role:
    """The role that the framework fills; settings by their names in its component (``**{"graph-optimisation": …}``)."""
    file = FRAMEWORKS / name / "component.yaml"
    component = parse_yaml(file.read_text(encoding="utf-8"), file)
    return Role(f"software/{name}==1", "", None, component, file.parent, settings=settings)
