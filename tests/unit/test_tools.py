"""Tools in the store: downloaded, built, verified, found by detecting, removed; and the rules that lead there."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from file_server import FileServer, Page, serving
from git_repository import GitRepository, make_repository
from processes import answer, start

from cmx.component import InstallRule, SoftwareDetect
from cmx.component_file import load
from cmx.detect import Detector
from cmx.errors import ComponentInvalid, HashMismatch, StoreError, Unavailable, UsageError
from cmx.host import Host
from cmx.install import (
    describe_install,
    install_hint,
    install_rule,
    install_tool,
    mark_tool_used,
    rules_for,
    tool_folders,
    tool_held,
)
from cmx.install.tools import installers
from cmx.install.tools.relocation import relocate
from cmx.settings import Settings
from cmx.store import Store

PROGRAM = b"#!/bin/sh\necho greet 1.2.3\n"
GREET = """
schema: 1
kind: software-detect
uid: a0b1c2d3e4f50617
name: greet
version: 1.0.0
description: Says hello
search: {executables: [greet]}
probe: {run: ['{path}', --version], version: '^greet (\\d+\\.\\d+\\.\\d+)'}
"""
MAKEFILE = """
VERSION = 0.0.0
all: greet
greet: greet.c
\t$(CC) -DVERSION=$(VERSION) -o $@ $<
install: greet
\tmkdir -p $(PREFIX)/bin
\tcp greet $(PREFIX)/bin/greet
"""
CMAKE = """
cmake_minimum_required(VERSION 3.13)
project(greet C)
set(VERSION 0.0.0 CACHE STRING "")
add_library(words SHARED words.c)
add_executable(greet greet.c)
target_compile_definitions(greet PRIVATE VERSION=${VERSION})
target_link_libraries(greet words)
install(TARGETS greet words)
"""
SOURCE = """
#include <stdio.h>
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
int main(void) { puts("greet " TEXT(VERSION)); return 0; }
"""


@pytest.fixture
def store(settings: Settings) -> Store:
    return Store(settings)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as running:
        yield running


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    for tool in ("git", "make", "cmake", "cc"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not on this machine")
    return make_repository(tmp_path / "repository")


def component(folder: Path, *rules: str) -> SoftwareDetect:
    """A software-detect component with these install rules."""
    folder = folder / "greet"
    folder.mkdir(exist_ok=True)
    lines = ["install:\n", *(f"  - {rule}\n" for rule in rules)] if rules else []
    (folder / "component.yaml").write_text(GREET.lstrip() + "".join(lines))
    loaded = load(folder / "component.yaml")
    assert isinstance(loaded, SoftwareDetect)
    return loaded


def served(server: FileServer, name: str, content: bytes) -> str:
    """A download rule for a file on the server."""
    server.pages[f"/{name}"] = Page(content)
    return f"{{with: download, url: '{server.url}/{name}', sha256: '{hashlib.sha256(content).hexdigest()}'}}"


def archive(*entries: tuple[str, bytes | str, int]) -> bytes:
    """A .tar.gz of files (bytes) and links (str), with their modes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content, mode in entries:
            entry = tarfile.TarInfo(name)
            entry.mode = mode
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def install(tool: SoftwareDetect, store: Store, **more: Any) -> Path:
    """Install by a component's only rule."""
    (rule,) = tool.install
    return install_tool(tool, rule, store=store, **more)


def found(tool: SoftwareDetect, settings: Settings) -> list[tuple[str, Path]]:
    """What detecting finds with the installed tools behind PATH."""
    path = os.pathsep.join(["/usr/bin", "/bin", *map(str, tool_folders(settings))])
    findings = Detector(settings, {"PATH": path, "HOME": "/"}).detect(tool).findings
    return [(each.version, each.path) for each in findings]


def test_each_installer_is_a_module() -> None:
    assert installers() == ("apt", "download", "git", "npm")


def test_one_program_is_downloaded_installed_once_and_detected(
    server: FileServer, store: Store, settings: Settings, tmp_path: Path
) -> None:
    tool = component(tmp_path, served(server, "greet-linux-amd64", PROGRAM))
    assert (found(tool, settings), tool_held(tool.install[0], store=store)) == ([], False)
    folder = install(tool, store)
    assert found(tool, settings) == [("1.2.3", folder / "bin" / "greet")]
    assert install(tool, store, offline=True) == folder
    assert tool_held(tool.install[0], store=store)
    assert [(entry.kind, entry.name) for entry in store.list()] == [("tool", describe_install(tool, tool.install[0]))]
    assert len(server.requests) == 1


def test_an_archive_loses_its_outer_folder_and_keeps_links_inside(
    server: FileServer, store: Store, settings: Settings, tmp_path: Path
) -> None:
    entries = (("greet-1.2/bin/greet", "../lib/greet/greet-1", 0o777), ("greet-1.2/lib/greet/greet-1", PROGRAM, 0o755))
    tool = component(tmp_path, served(server, "greet.tar.gz", archive(*entries)))
    folder = install(tool, store)
    assert (folder / "bin" / "greet").readlink() == Path("../lib/greet/greet-1")
    assert found(tool, settings) == [("1.2.3", folder / "bin" / "greet")]
    assert store.verify().ok


@pytest.mark.parametrize("place", ["greet", "tools/greet"])
def test_programs_elsewhere_are_linked_from_bin(
    server: FileServer, store: Store, settings: Settings, tmp_path: Path, place: str
) -> None:
    content = archive((place, PROGRAM, 0o755), ("readme", b"", 0o644))
    rule = served(server, "greet.tar.gz", content)
    tool = component(tmp_path, rule if place == "greet" else rule.replace("}", ", bin: [tools]}"))
    folder = install(tool, store)
    assert found(tool, settings) == [("1.2.3", folder / "bin" / "greet")]


def test_a_tool_without_programs_is_an_error_that_says_where_they_are(
    server: FileServer, store: Store, tmp_path: Path
) -> None:
    tool = component(
        tmp_path, served(server, "greet.tar.gz", archive(("a/x/greet", PROGRAM, 0o755), ("b", b"", 0o644)))
    )
    with pytest.raises(StoreError, match="greet: there is no program in its 'bin'; programs are in a/x"):
        install(tool, store)
    assert store.list() == ()


def test_a_wrong_sha256_names_tool_expected_and_found_and_keeps_nothing(
    server: FileServer, store: Store, tmp_path: Path
) -> None:
    right = hashlib.sha256(PROGRAM).hexdigest()
    tool = component(tmp_path, served(server, "greet", PROGRAM).replace(right, "a" * 64))
    with pytest.raises(HashMismatch) as caught:
        install(tool, store)
    assert (caught.value.name, caught.value.expected, caught.value.found) == ("greet", "a" * 64, right)
    assert (store.list(), tool_folders(store.settings)) == ((), [])


@pytest.mark.parametrize("damage", ["program", "link", "more"])
def test_a_damaged_tool_is_named_and_installed_again(
    server: FileServer, store: Store, settings: Settings, tmp_path: Path, damage: str
) -> None:
    content = archive(("bin/greet", "greet-1", 0o777), ("bin/greet-1", PROGRAM, 0o755), ("lib/x", b"", 0o644))
    tool = component(tmp_path, served(server, "greet.tar.gz", content))
    folder = install(tool, store)
    if damage == "program":
        (folder / "bin" / "greet-1").chmod(0o755)
        (folder / "bin" / "greet-1").write_bytes(b"#!/bin/sh\n")
    elif damage == "link":
        (folder / "bin" / "greet").unlink()
        (folder / "bin" / "greet").symlink_to("/bin/true")
    else:
        (folder / "bin" / "greet-2").write_bytes(b"")
    assert [finding.kind for finding in store.verify().findings] == ["damaged"]
    assert install(tool, store) == folder
    assert store.verify().ok
    assert found(tool, settings)[0][0] == "1.2.3"


def test_an_unused_tool_is_removed_by_garbage_collection(
    server: FileServer, store: Store, settings: Settings, tmp_path: Path
) -> None:
    tool = component(tmp_path, served(server, "greet", PROGRAM))
    install(tool, store)
    assert [entry.kind for entry in store.gc(set(), older_than=-1).entries] == ["tool"]
    assert (found(tool, settings), store.list()) == ([], ())


def test_a_tool_that_is_used_is_kept(server: FileServer, store: Store, tmp_path: Path) -> None:
    tool = component(tmp_path, served(server, "greet", PROGRAM))
    program = install(tool, store) / "bin" / "greet"
    os.utime(program.parents[2] / "manifest.json", (0, 0))
    mark_tool_used(store.settings, Path("/usr/bin/gcc"))
    assert len(store.gc(set(), older_than=3600, dry_run=True).entries) == 1
    mark_tool_used(store.settings, program)
    assert store.gc(set(), older_than=3600, dry_run=True).entries == ()


def test_of_several_processes_one_installs(server: FileServer, store: Store, tmp_path: Path) -> None:
    tool = component(tmp_path, served(server, "greet", PROGRAM))
    program = """
import sys
from pathlib import Path
from cmx.component_file import load
from cmx.install import install_tool
from cmx.settings import Settings
from cmx.store import Store
tool = load(Path(sys.argv[2]))
print(install_tool(tool, tool.install[0], store=Store(Settings(Path(sys.argv[1])))))
"""
    running = [start(program, store.settings.home, tool.file) for _ in range(4)]
    assert len({answer(process) for process in running}) == 1
    assert len(server.requests) == 1


def test_a_commit_is_built_with_make(
    repository: GitRepository, store: Store, settings: Settings, tmp_path: Path
) -> None:
    commit = repository.commit({"src/Makefile": MAKEFILE, "src/greet.c": SOURCE})
    rule = f"{{with: git, url: '{repository.url}', commit: '{commit}', build: make, folder: src, "
    tool = component(tmp_path, rule + "options: {VERSION: 2.0.1}}")
    assert describe_install(tool, tool.install[0]) == f"greet: build {repository.url} at {commit[:12]} with make"
    folder = install(tool, store)
    assert found(tool, settings) == [("2.0.1", folder / "bin" / "greet")]
    shutil.rmtree(repository.folder)
    assert install(tool, store, offline=True) == folder


def test_a_commit_is_built_with_cmake_and_finds_its_libraries(
    repository: GitRepository, store: Store, settings: Settings, tmp_path: Path
) -> None:
    words = "const char *words(void) { return 0; }"
    commit = repository.commit({"CMakeLists.txt": CMAKE, "greet.c": SOURCE, "words.c": words})
    rule = f"{{with: git, url: '{repository.url}', commit: '{commit}', build: cmake, options: {{VERSION: 2.0.2}}}}"
    tool = component(tmp_path, rule)
    assert found(tool, settings) == []
    folder = install(tool, store)
    assert found(tool, settings) == [("2.0.2", folder / "bin" / "greet")]
    assert store.verify().ok


def test_other_options_make_another_tool(repository: GitRepository, store: Store, tmp_path: Path) -> None:
    commit = repository.commit({"Makefile": MAKEFILE, "greet.c": SOURCE})
    rule = f"with: git, url: '{repository.url}', commit: '{commit}', build: make"
    tool = component(tmp_path, f"{{{rule}, options: {{VERSION: 1.0.0}}}}", f"{{{rule}, options: {{VERSION: 2.0.0}}}}")
    for each in tool.install:
        install_tool(tool, each, store=store)
    assert len(tool_folders(store.settings)) == 2


def test_a_build_that_fails_says_its_last_words_and_leaves_nothing(
    repository: GitRepository, store: Store, tmp_path: Path
) -> None:
    commit = repository.commit({"Makefile": "all:\n\t@echo no such thing >&2; exit 3\n"})
    tool = component(tmp_path, f"{{with: git, url: '{repository.url}', commit: '{commit}', build: make}}")
    with pytest.raises(Unavailable, match=r"building greet \(make\) failed: .*no such thing"):
        install(tool, store)
    assert store.list() == ()
    assert not list((store.folder / ".building").glob("*/"))


def test_a_build_knows_nothing_of_the_users_environment(
    repository: GitRepository, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "secret")
    monkeypatch.setenv("MAKEFLAGS", "VERSION=6.6.6")
    install_it = "\tmkdir -p $(PREFIX)/bin\n\tcp seen $(PREFIX)/bin/greet\n\tchmod +x $(PREFIX)/bin/greet\n"
    commit = repository.commit({"Makefile": f"all:\n\tenv > seen\ninstall:\n{install_it}"})
    tool = component(tmp_path, f"{{with: git, url: '{repository.url}', commit: '{commit}', build: make}}")
    seen = (install(tool, store) / "bin" / "greet").read_text()
    assert "secret" not in seen
    assert "6.6.6" not in seen
    assert str(Path.home()) not in [line.partition("=")[2] for line in seen.splitlines() if line.startswith("HOME=")]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"options": {"PREFIX": "/usr"}}, r"options\.PREFIX: is set by cmx"),
        ({"options": {"CC": "$(shell id)"}}, r"options\.CC: has unsafe signs"),
        ({"options": {"CC": "a;b"}}, r"options\.CC: has unsafe signs"),
        ({"targets": ["--eval=x"]}, "targets: has unsafe signs"),
        ({"url": "ext::sh -c id"}, "url: 'ext::sh -c id' is not https"),
        ({"commit": "main"}, "commit: is not 40 hex digits"),
    ],
)
def test_a_build_rule_has_no_place_for_commands(more: dict[str, Any], field: str, store: Store, tmp_path: Path) -> None:
    recipe = {"url": "https://example.org/greet.git", "commit": "0" * 40, "build": "make", **more}
    with pytest.raises(ComponentInvalid, match=rf"component\.yaml: install\.{field}"):
        install_tool(component(tmp_path), InstallRule(with_="git", recipe=recipe), store=store)


def test_a_folder_outside_the_repository_is_refused(repository: GitRepository, store: Store, tmp_path: Path) -> None:
    (repository.folder / "up").symlink_to("..")
    commit = repository.commit({"Makefile": MAKEFILE})
    rule = {"url": repository.url, "commit": commit, "build": "make", "folder": "up"}
    with pytest.raises(StoreError, match="it has no folder 'up'"):
        install_tool(component(tmp_path), InstallRule(with_="git", recipe=rule), store=store)


def test_without_the_tool_that_builds_it_says_so(
    repository: GitRepository, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = repository.commit({"CMakeLists.txt": CMAKE})
    git = shutil.which("git")
    assert git is not None
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "git").symlink_to(git)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    tool = component(tmp_path, f"{{with: git, url: '{repository.url}', commit: '{commit}', build: cmake}}")
    with pytest.raises(Unavailable, match="building greet: cmake is not on this machine") as caught:
        install(tool, store)
    assert caught.value.hint == "cmx install cmake"


def test_a_rule_that_is_only_a_hint_installs_nothing(store: Store, tmp_path: Path) -> None:
    tool = component(tmp_path, "{hint: brew install greet}")
    with pytest.raises(UsageError, match="the rule is only a hint") as caught:
        install(tool, store)
    assert caught.value.hint == "brew install greet"


def test_a_rule_for_another_target_is_refused(store: Store, tmp_path: Path) -> None:
    tool = component(tmp_path, "{target: linux-armhf, with: apt, package: greet}")
    with pytest.raises(UsageError, match="the rule is for linux-armhf, not for linux-aarch64"):
        install(tool, store, target="linux-aarch64")


RULES = (
    "{on: debian, target: linux-aarch64, with: apt, package: g++-aarch64-linux-gnu, also: [gcc-aarch64-linux-gnu]}",
    "{on: debian, with: apt, package: gcc-12}",
    "{on: ubuntu, with: apt, package: gcc-13}",
    "{on: fedora, with: dnf, package: gcc-c++}",
    "{on: macos, hint: brew install gcc}",
    "{with: download, url: 'https://example.org/gcc.tar.gz', sha256: '" + "a" * 64 + "'}",
)


@pytest.mark.parametrize(
    ("system", "distribution", "target", "hint", "with_"),
    [
        ("linux", "debian 12", "", "apt-get install gcc-12", "apt"),
        ("linux", "ubuntu 24.04", "", "apt-get install gcc-13", "apt"),
        ("linux", "ubuntu 24.04", "linux-x86_64", "apt-get install gcc-13", "apt"),
        (
            "linux",
            "ubuntu 24.04",
            "linux-aarch64",
            "apt-get install g++-aarch64-linux-gnu gcc-aarch64-linux-gnu",
            "apt",
        ),
        ("linux", "rocky 9.4", "", "dnf install gcc-c++", "download"),
        ("macos", "macos 14.5", "", "brew install gcc", "download"),
        ("linux", "alpine 3.20", "", "cmx install greet", "download"),
        ("linux", "debian 12", "linux-riscv64", "", ""),
    ],
)
def test_the_rule_of_the_nearest_system_holds(
    system: str, distribution: str, target: str, hint: str, with_: str, tmp_path: Path
) -> None:
    tool = component(tmp_path, *RULES)
    host = Host(os=system, architecture="x86_64", distribution=distribution)
    rule = install_rule(tool, host, target)
    assert (install_hint(tool, host, target), rule.with_ if rule else "") == (hint, with_)


def test_a_machine_without_rules_has_no_hint(tmp_path: Path) -> None:
    tool = component(tmp_path, RULES[0])
    host = Host(os="windows", architecture="x86_64", distribution="windows 11")
    assert (rules_for(tool, host), install_hint(tool, host), install_rule(tool, host)) == ((), "", None)


def test_programs_that_bring_libraries_are_told_where_these_are(tmp_path: Path) -> None:
    folder, root = tmp_path / "a folder", tmp_path / "a folder" / "root"
    for name, content in (
        ("usr/bin/greet", '#!/bin/sh\necho "$LD_LIBRARY_PATH" "$@"\n'),
        ("usr/lib/x86_64-linux-gnu/libwords.so.1", ""),
        (
            "usr/lib/x86_64-linux-gnu/libwords.so",
            "/* GNU ld script */\nGROUP ( /usr/lib/x86_64-linux-gnu/libwords.so.1 ",
        ),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    (root / "usr/bin/greet").chmod(0o755)
    (root / "usr/bin/out").symlink_to("/etc/alternatives/out")
    (root / "usr/bin/hello").symlink_to("/usr/bin/greet")
    os.mkfifo(root / "usr/pipe")
    relocate(folder, root, origin="greet=1.2.3")
    moved = folder.rename(tmp_path / "moved")
    command = [str(moved / "bin" / "hello"), "a  b", "$c"]
    said = subprocess.run(command, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True).stdout
    assert said == f"{moved}/root/usr/lib/x86_64-linux-gnu a  b $c\n"
    script = (moved / "root/usr/lib/x86_64-linux-gnu/libwords.so").read_text()
    assert script == "/* GNU ld script */\nGROUP ( libwords.so.1 "
    assert sorted(path.name for path in (moved / "bin").iterdir()) == ["greet", "hello"]
    assert not (moved / "root/usr/pipe").exists()
