"""Getting what is missing: Python packages, environments and the files of models and datasets."""

from cmx.install.environment import build_environment, find_interpreter
from cmx.install.lock import lock_packages
from cmx.install.sources import Fetched, describe_source, fetch, held, stored
from cmx.install.target import fetch_packages
from cmx.install.uv import Refused
from cmx.install.versions import Availability, available_versions, versions_of
from cmx.store import Environment, Package

__all__ = [
    "Availability",
    "Environment",
    "Fetched",
    "Package",
    "Refused",
    "available_versions",
    "build_environment",
    "describe_source",
    "fetch",
    "fetch_packages",
    "find_interpreter",
    "held",
    "lock_packages",
    "stored",
    "versions_of",
]
