"""This machine as the planner sees it: what detecting finds, what the store holds, what indexes offer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from cmx.component import Component, Dataset, Model, SoftwareDetect
from cmx.detect import Detector
from cmx.host import Host
from cmx.reporter import Reporter
from cmx.resolver.candidate import Source
from cmx.resolver.locking import Refusal
from cmx.resolver.world import Found, Offer, Place
from cmx.settings import Settings
from cmx.store import Environment, Package, Store


class LocalMachine:
    """Implements ``cmx.resolver.locking.Machine`` for the machine that cmx runs on.

    With ``anew`` package indexes are asked again what they offer, whatever they said before. ``has_asked`` is whether
    that was needed.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        host: Host | None = None,
        offline: bool = False,
        reporter: Reporter | None = None,
        anew: bool = False,
    ) -> None:
        self.has_asked = False
        self._anew = anew
        self._settings = settings
        self._store = Store(settings)
        self._detector = Detector(settings)
        self._host = host or Host.detect()
        self._offline = offline
        self._reporter = reporter or Reporter()

    def places(self) -> Sequence[Place]:
        """Interpreters, the one that runs cmx first, then stored environments, the smallest first."""
        return self._places

    @cached_property
    def _places(self) -> list[Place]:
        detector = self._detector
        found = [
            Place(str(each.path), each.version, Source.DETECTED, detector.installed(each), str(each.path))
            for each in detector.interpreters()
        ]
        environments = sorted(self._store.environments.find(), key=lambda each: (len(each.packages), each.digest))
        return found + [_stored(each) for each in environments]

    def tools(self, component: SoftwareDetect, path: str = "") -> Sequence[Found]:
        """Detected tools, best first; with ``path``, that one and no other. Raises UsageError or ResolutionError."""
        found = self._detector.detect(component, explicit=Path(path) if path else None)
        return [Found(each.version, str(each.path), each.target) for each in found.findings]

    def offer(self, component: SoftwareDetect, target: str = "") -> Offer | None:
        """What a rule of the component could install, if it says which version. Raises Unavailable."""
        from cmx.install import install_rule, offered_version

        rule = install_rule(component, self._host, target if component.is_for_a_target else "")
        version = offered_version(component, rule, store=self._store, reporter=self._reporter) if rule else ""
        return Offer(version, rule.with_) if rule and version else None

    def advice(self, component: SoftwareDetect) -> str:
        """What a person would type to install it; "" if no rule says so."""
        from cmx.install import install_hint

        return install_hint(component, self._host)

    def data(self, component: Component, variant: str = "") -> Sequence[str]:
        """Where data lies, best first."""
        if not isinstance(component, Dataset | Model):
            return []
        return [str(each.path) for each in self._detector.data(component, variant).findings]

    def versions(self, packages: Sequence[str], platform: str = "") -> Mapping[str, Sequence[str]]:
        """What package indexes offer. Raises Unavailable, naming every package that could not be asked for."""
        from cmx.install import versions_of

        self.has_asked = True
        found = versions_of(
            packages, settings=self._settings, platform=platform, offline=self._offline, anew=self._anew
        )
        return found.require()

    def held(self, source: Mapping[str, object]) -> bool:
        """Whether a source's files seem to be in the store."""
        from cmx.install import held

        return held(source, store=self._store)

    def lock(self, requirements: Sequence[str], python: str, platform: str = "") -> Sequence[Package]:
        """The closure, with hashes. Raises Refusal or Unavailable."""
        from cmx.install import Refused, lock_packages

        try:
            return lock_packages(
                requirements,
                python=python,
                settings=self._settings,
                platform=platform or None,
                offline=self._offline,
                reporter=self._reporter,
            )
        except Refused as refused:
            raise Refusal(refused.message) from refused

    def host(self) -> Mapping[str, Any]:
        """The host's document."""
        return self._host.document()

    @property
    def platform(self) -> str:
        """The host as a target: os-arch."""
        return self._host.platform


def _stored(environment: Environment) -> Place:
    python = str(environment.python)
    return Place(
        f"environment {environment.digest[:8]}",
        environment.interpreter.version,
        Source.STORED,
        environment.packages,
        python,
        environment.digest,
        tuple(environment.lock),
    )
