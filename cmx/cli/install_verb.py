"""Install what a reference names: into the store, never system-wide, and verified.

cmx install software/onnxruntime==1.20.1     an environment of its own, with everything it needs
cmx install software/cmake                   a tool, where its component has a way that needs no root
cmx install model/efficientnet-lite0         its files
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from cmx.cli.answer import Answer
from cmx.cli.console import Console
from cmx.cli.parser import Parser
from cmx.component import Component, Dataset, Model, SoftwareDetect
from cmx.errors import Unavailable, UsageError
from cmx.host import Host, check_target
from cmx.reference import Reference
from cmx.reporter import Reporter
from cmx.repository import Catalog
from cmx.store import Store


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the options."""
    parser.add_argument("reference", help="software/NAME, model/NAME or dataset/NAME, with an optional range")
    parser.add_argument("--target", default="", metavar="OS-ARCH", help="what a compiler must be for")
    parser.add_argument("--offline", action="store_true", help="only what is in the store already")


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """What was installed, and where it lies."""
    reference = Reference.parse(arguments.reference, kind="software")
    catalog, console = Catalog.default(), Console()
    start = time.perf_counter_ns()
    console.begin("install", str(reference))
    try:
        installed = _install(catalog, reference, arguments, console)
    finally:
        console.close()
    console.end("install", str(reference), (time.perf_counter_ns() - start) / 1e9)
    return Answer({"installed": installed}, "\n".join(f"{each['what']}   {each['path']}" for each in installed))


def _install(
    catalog: Catalog, reference: Reference, arguments: argparse.Namespace, reporter: Reporter
) -> list[dict[str, str]]:
    if reference.kind == "software":
        component = catalog.software(reference.name)
        if component.python_package:
            return [_package(catalog, component, reference, arguments.offline, reporter)]
        return [_tool(catalog, component, arguments, reporter)]
    if reference.kind in ("model", "dataset"):
        return list(_files(catalog, catalog.find(reference), arguments.offline, reporter))
    raise UsageError(f"{reference}: only software, models and datasets are installed", hint="cmx run does the rest")


def _package(
    catalog: Catalog, component: SoftwareDetect, reference: Reference, offline: bool, reporter: Reporter
) -> dict[str, str]:
    from cmx.install import build_environment, lock_packages

    name = component.distribution(Host.detect().platform)
    wanted = [f"{name}{reference.specifier}"]
    settings = catalog.settings
    packages = lock_packages(wanted, python=sys.executable, settings=settings, offline=offline, reporter=reporter)
    built = build_environment(sys.executable, packages, settings=settings, offline=offline, reporter=reporter)
    version = next(package for package in packages if package.name == name.lower())
    return {"what": f"software/{version}", "path": str(built.folder)}


def _tool(
    catalog: Catalog, component: SoftwareDetect, arguments: argparse.Namespace, reporter: Reporter
) -> dict[str, str]:
    from cmx.install.rules import install_hint, install_rule
    from cmx.install.tools import install_tool

    host = Host.detect()
    target = check_target(arguments.target) if arguments.target else ""
    rule = install_rule(component, host, target)
    if rule is None:
        hint = install_hint(component, host, target) or f"{component.file} has no rule for {host.platform}"
        raise Unavailable(f"cmx cannot install {component.name} here by itself", missing=(component.name,), hint=hint)
    folder = install_tool(
        component, rule, store=Store(catalog.settings), target=target, offline=arguments.offline, reporter=reporter
    )
    return {"what": f"software/{component.name}", "path": str(folder)}


def _files(catalog: Catalog, component: Component, offline: bool, reporter: Reporter) -> Iterator[dict[str, str]]:
    from cmx.install import fetch

    for what, source in _sources(component):
        fetched = fetch(
            source, store=Store(catalog.settings), folder=component.folder, offline=offline, reporter=reporter
        )
        yield {"what": what, "path": str(fetched.path)}


def _sources(component: Component) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(component, Dataset) and component.source:
        yield component.reference, component.source
    if isinstance(component, Model):
        for variant in component.variants.values():
            if variant.source:
                yield f"{component.reference} [{variant.name}]", variant.source
