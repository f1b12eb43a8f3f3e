"""Which of a component's install rules holds on a machine, and what a person would type there instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cmx.component import InstallRule, SoftwareDetect

if TYPE_CHECKING:
    from cmx.host import Host

# What is made from what, so that a rule for debian holds on Ubuntu; the nearest relative first.
_MADE_FROM: Mapping[str, tuple[str, ...]] = {
    "ubuntu": ("debian",),
    "linuxmint": ("ubuntu", "debian"),
    "pop": ("ubuntu", "debian"),
    "elementary": ("ubuntu", "debian"),
    "raspbian": ("debian",),
    "kali": ("debian",),
    "rhel": ("fedora",),
    "centos": ("rhel", "fedora"),
    "rocky": ("rhel", "fedora"),
    "almalinux": ("rhel", "fedora"),
    "ol": ("rhel", "fedora"),
    "amzn": ("fedora",),
    "manjaro": ("arch",),
    "endeavouros": ("arch",),
    "sles": ("suse",),
    "opensuse-leap": ("suse",),
    "opensuse-tumbleweed": ("suse",),
}
_COMMANDS: Mapping[str, str] = {
    "apt": "apt-get install",
    "apk": "apk add",
    "brew": "brew install",
    "choco": "choco install",
    "dnf": "dnf install",
    "npm": "npm install --global",
    "pacman": "pacman -S",
    "pip": "python3 -m pip install",
    "winget": "winget install",
    "zypper": "zypper install",
}


def systems(host: Host) -> tuple[str, ...]:
    """What a rule's ``on`` may say of a machine, the most exact first: ubuntu, debian, linux."""
    distribution = host.distribution.split(" ")[0] if host.os == "linux" else ""
    return tuple(name for name in (distribution, *_MADE_FROM.get(distribution, ()), host.os) if name)


def rules_for(component: SoftwareDetect, host: Host, target: str = "") -> tuple[InstallRule, ...]:
    """The rules that hold on a machine for a target (the machine itself, if none), the most exact first."""
    names = (*systems(host), "")
    foreign = target not in ("", host.platform)
    wanted = (target,) if foreign else ("", host.platform)
    found = [rule for rule in component.install if rule.on in names and rule.target in wanted]
    return tuple(sorted(found, key=lambda rule: (names.index(rule.on), not rule.target)))


def install_rule(component: SoftwareDetect, host: Host, target: str = "") -> InstallRule | None:
    """The rule by which cmx itself can install a tool here, or None."""
    from cmx.install.tools import installers

    return next((rule for rule in rules_for(component, host, target) if rule.with_ in installers()), None)


def install_hint(component: SoftwareDetect, host: Host, target: str = "") -> str:
    """What a person would type to have this software, for the whole machine where it can be; "" if nobody knows.

    It is for reading: cmx never runs it. Whether it needs root, the system's administrator knows.
    """
    return next((_command(component, rule) for rule in rules_for(component, host, target)), "")


def _command(component: SoftwareDetect, rule: InstallRule) -> str:
    if rule.hint:
        return rule.hint
    if rule.with_ in _COMMANDS:
        return " ".join((_COMMANDS[rule.with_], rule.package, *rule.recipe.get("also", ())))
    return f"cmx install {component.name}"
