"""Memory, and what this process may use of the machine: affinity and control groups (both versions)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

from cmx.host.tree import Missing, Tree

NO_LIMIT = "no limit"
# Version 1 writes "no limit" as the largest multiple of a page below 2^63.
_V1_UNLIMITED = 1 << 60


def memory(tree: Tree) -> tuple[int, str]:
    """Bytes of memory, and the source. Raises Missing."""
    return _meminfo(tree, "MemTotal"), "/proc/meminfo (MemTotal)"


def memory_available(tree: Tree) -> tuple[int, str]:
    """Bytes that a new program could use without swapping, and the source. Raises Missing."""
    return _meminfo(tree, "MemAvailable"), "/proc/meminfo (MemAvailable)"


def _meminfo(tree: Tree, key: str) -> int:
    for line in tree.read("/proc/meminfo").splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0]) * 1024
    raise Missing(f"/proc/meminfo has no {key}")


def affinity(tree: Tree) -> tuple[str, str]:
    """The CPUs this process may run on, as in "0-3,8", and the source. Raises Missing."""
    for line in tree.read("/proc/self/status").splitlines():
        name, _, value = line.partition(":")
        if name == "Cpus_allowed_list":
            return value.strip(), "/proc/self/status (Cpus_allowed_list)"
    raise Missing("/proc/self/status has no Cpus_allowed_list")


def cpu_limit(tree: Tree) -> tuple[float | str, str]:
    """The CPUs' worth of time that control groups allow, or "no limit", and the source. Raises Missing."""
    return _tightest(tree, "cpu", _cpu_quota)


def memory_limit(tree: Tree) -> tuple[float | str, str]:
    """The bytes of memory that control groups allow, or "no limit", and the source. Raises Missing."""
    return _tightest(tree, "memory", _memory_quota)


class _Mount(NamedTuple):
    """A mounted hierarchy: where, which of its folders lies there, and the controllers ("" for version 2)."""

    point: str
    root: str
    controllers: frozenset[str]


def _tightest(
    tree: Tree, controller: str, quota: Callable[[Tree, str], tuple[float, str] | None]
) -> tuple[float | str, str]:
    """The least quota of this process's group and of the groups above it."""
    folders = list(_folders(tree, controller))
    if not folders:
        raise Missing(f"no control group for {controller} in /proc/self/cgroup and /proc/self/mountinfo")
    found = [limit for limit in (quota(tree, folder) for folder in folders) if limit is not None]
    return min(found) if found else (NO_LIMIT, folders[-1])


def _folders(tree: Tree, controller: str) -> Iterator[str]:
    """The folders of this process's groups, innermost first."""
    mounts = list(_mounts(tree))
    for line in tree.read("/proc/self/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        for mount in mounts:
            version_2 = not names and not mount.controllers
            if version_2 or (controller in names.split(",") and controller in mount.controllers):
                yield from _upwards(tree, mount, path)


def _upwards(tree: Tree, mount: _Mount, path: str) -> Iterator[str]:
    # In a container the mount may show only a part of the hierarchy, or be of another name space altogether.
    inside = PurePosixPath(path)
    relative = inside.relative_to(mount.root) if inside.is_relative_to(mount.root) else PurePosixPath()
    folder = PurePosixPath(mount.point) / str(relative).lstrip("/")
    while True:
        if tree.exists(str(folder)):
            yield str(folder)
        if str(folder) == mount.point or folder == folder.parent:
            return
        folder = folder.parent


def _mounts(tree: Tree) -> Iterator[_Mount]:
    """The hierarchies of control groups in /proc/self/mountinfo (format: proc_pid_mountinfo(5))."""
    for line in tree.read("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            _, _, _, root, point = left.split(" ")[:5]
            yield _Mount(point, root, frozenset(options.split(",")) if kind == "cgroup" else frozenset())


def _cpu_quota(tree: Tree, folder: str) -> tuple[float, str] | None:
    if tree.exists(f"{folder}/cpu.max"):
        quota, period = tree.read(f"{folder}/cpu.max").split()
        return None if quota == "max" else (int(quota) / int(period), f"{folder}/cpu.max")
    if tree.exists(f"{folder}/cpu.cfs_quota_us"):
        quota_us = tree.number(f"{folder}/cpu.cfs_quota_us")
        period_us = tree.number(f"{folder}/cpu.cfs_period_us")
        return (quota_us / period_us, f"{folder}/cpu.cfs_quota_us") if quota_us > 0 else None
    return None


def _memory_quota(tree: Tree, folder: str) -> tuple[float, str] | None:
    for name in ("memory.max", "memory.limit_in_bytes"):
        if tree.exists(f"{folder}/{name}"):
            text = tree.read(f"{folder}/{name}")
            limit = _V1_UNLIMITED if text == "max" else int(text)
            return (limit, f"{folder}/{name}") if limit < _V1_UNLIMITED else None
    return None
