"""The tools that a plan pins: looked for or installed, and asked for their version before they are used."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cmx.component import InstallRule, SoftwareDetect
from cmx.detect import Detector, Finding
from cmx.errors import ComponentInvalid, Unavailable, UsageError
from cmx.host import Host, target_of
from cmx.install import OnSystem, describe_install, install_hint, install_rule, install_tool, tool_held
from cmx.reporter import Reporter
from cmx.resolver.plan import Pin, Plan
from cmx.settings import Settings
from cmx.store import Store

_BUILDS = ("git",)
"""Installers that run what they fetch."""


@dataclass(frozen=True)
class Tools:
    """The tools of one plan on this machine."""

    plan: Plan
    settings: Settings
    offline: bool
    reporter: Reporter

    def find(self, pin: Pin, component: SoftwareDetect) -> Finding:
        """The tool behind a pin, asked now for its version, and installed first where the plan says so.

        Raises ComponentInvalid when it is not the one that the plan was made with, Unavailable when it is not here.
        """
        if pin.source == "installable":
            return self._installed(pin, component)
        if not pin.how:  # a lock for anybody's machine
            return self._looked_for(pin, component)
        found = Detector(self.settings).detect(component, explicit=Path(pin.how)).findings[0]
        if found.version != pin.version:
            raise ComponentInvalid(
                f"{pin.how} is {pin.name} {found.version}, and the plan was made with {pin.version}",
                hint="it was replaced since: resolve again",
            )
        return found

    def obtain(self, pin: Pin, component: SoftwareDetect) -> None:
        """Install the tool behind a pin where the plan says so, without running anything: no build, no question.

        One that the system has is looked for when it is used.
        """
        if pin.source == "installable" and self._rule(pin, component).with_ not in _BUILDS:
            with suppress(OnSystem):
                self._install(pin, component)

    def _looked_for(self, pin: Pin, component: SoftwareDetect) -> Finding:
        """The tool of exactly the plan's version and target, wherever this machine has it."""
        target = self._target(component)
        findings = Detector(self.settings).detect(component).findings
        wanted = target or Host.detect().platform
        fitting = [each for each in findings if not each.target or target_of(each.target) == wanted]
        for found in fitting:
            if found.version == pin.version or (pin.source == "installable" and _is_of(found, pin)):
                return found
        here = ", ".join(dict.fromkeys(each.version for each in fitting)) or "none"
        raise Unavailable(
            f"the plan was made with {pin.name} {pin.version}, and here is {here}",
            missing=(pin.reference,),
            hint=install_hint(component, Host.detect(), target) or f"cmx detect {pin.name}",
        )

    def _installed(self, pin: Pin, component: SoftwareDetect) -> Finding:
        """The tool that a rule of the component puts into the store, or that the system has already."""
        target = self._target(component)
        if not tool_held(self._rule(pin, component), store=Store(self.settings)):
            with suppress(Unavailable):
                return self._looked_for(pin, component)
        folder = self._install(pin, component)
        wanted = target or Host.detect().platform
        for found in Detector(self.settings).detect(component).findings:
            own = found.path.is_relative_to(folder) and (not found.target or target_of(found.target) == wanted)
            if own and _is_of(found, pin):
                return found
        raise ComponentInvalid(
            f"{describe_install(component, self._rule(pin, component))} left no {pin.name} {pin.version} that works",
            hint=f"cmx detect {pin.name} says why; or {install_hint(component, Host.detect(), target)}",
        )

    def _install(self, pin: Pin, component: SoftwareDetect) -> Path:
        rule, start = self._rule(pin, component), time.perf_counter_ns()
        what = describe_install(component, rule)
        self.reporter.begin("provision", what)
        folder = install_tool(
            component,
            rule,
            store=Store(self.settings),
            target=self._target(component),
            offline=self.offline,
            reporter=self.reporter,
        )
        self.reporter.end("provision", what, (time.perf_counter_ns() - start) / 1e9)
        return folder

    def _rule(self, pin: Pin, component: SoftwareDetect) -> InstallRule:
        rule = install_rule(component, Host.detect(), self._target(component))
        if rule is None:
            raise UsageError(f"no rule of {component.file} installs {pin.name} here", hint="resolve again here")
        return rule

    def _target(self, component: SoftwareDetect) -> str:
        return self.plan.request.target if component.is_for_a_target else ""


def _is_of(found: Finding, pin: Pin) -> bool:
    """Whether a tool is of a pin's version, which a package may state less exactly than the program in it: Debian's
    qemu 7.2 prints 7.2.22."""
    return f"{found.version}.".startswith(f"{pin.version}.")
