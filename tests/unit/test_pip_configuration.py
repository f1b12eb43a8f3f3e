"""pip's configuration in uv's words, and what uv's failures mean."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from component_files import action, package, put_all, workflow
from wheels import configure_pip, make_index, make_wheel

import cmx
from cmx.errors import CmxError, HashMismatch, StoreError, Unavailable, Unsatisfiable
from cmx.install import Refused, available_versions, lock_packages, versions_of
from cmx.install.pip_configuration import PipConfiguration, parse, pip_configuration
from cmx.install.uv import Downloads, explain
from cmx.reporter import Reporter
from cmx.repository import Catalog, Repository
from cmx.settings import Settings

STRATEGY = ("--index-strategy", "unsafe-best-match")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "home")


def index_arguments(text: str, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    arguments = parse(text).index_arguments(environ or {})
    assert arguments[-2:] == STRATEGY
    return arguments[:-2]


def test_no_configuration_asks_for_nothing_special() -> None:
    assert index_arguments("") == ()
    assert parse("").resolution_arguments() == ()
    assert parse("").variables({}) == {}


def test_indexes_are_translated() -> None:
    text = "global.index-url='https://mirror.test/simple'\nglobal.trusted-host='mirror.test other.test'\n"
    assert index_arguments(text) == (
        *("--default-index", "https://mirror.test/simple"),
        *("--allow-insecure-host", "mirror.test", "--allow-insecure-host", "other.test"),
    )


def test_a_value_may_hold_several_entries_separated_by_spaces_or_lines() -> None:
    text = "global.extra-index-url='https://a.test/simple\\nhttps://b.test/simple https://c.test'\n"
    assert index_arguments(text)[1::2] == ("https://a.test/simple", "https://b.test/simple", "https://c.test")


def test_folders_that_do_not_exist_are_left_out(tmp_path: Path) -> None:
    text = f"global.find-links='{tmp_path} {tmp_path}/none https://w.test/'\nglobal.extra-index-url='file:///none/x'\n"
    assert index_arguments(text) == ("--find-links", str(tmp_path), "--find-links", "https://w.test/")


def test_a_folder_index_that_exists_is_used(tmp_path: Path) -> None:
    text = f"global.extra-index-url='{tmp_path.as_uri()}'"
    assert index_arguments(text) == ("--extra-index-url", tmp_path.as_uri())


def test_variables_win_over_the_install_section_and_that_over_the_global_one() -> None:
    text = ":env:.index-url='https://e.test'\nglobal.index-url='https://g.test'\ninstall.index-url='https://i.test'\n"
    assert index_arguments(text) == ("--default-index", "https://e.test")
    assert index_arguments(text.partition("\n")[2]) == ("--default-index", "https://i.test")


def test_what_concerns_other_commands_of_pip_is_ignored() -> None:
    assert index_arguments("wheel.index-url='https://x.test'\nlist.format='columns'\nnonsense\n") == ()


def test_an_index_configured_for_uv_itself_wins() -> None:
    assert index_arguments("global.index-url='https://g.test'", {"UV_DEFAULT_INDEX": "https://u.test"}) == ()


def test_no_index_and_keyring_are_translated() -> None:
    text = "install.no-index='true'\nglobal.keyring-provider='subprocess'\n"
    assert index_arguments(text) == ("--no-index", "--keyring-provider", "subprocess")
    assert index_arguments("install.no-index='0'\n") == ()


def test_constraints_and_prereleases_matter_while_versions_are_chosen(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("numpy<2\n")
    text = f"global.constraint='{tmp_path}/c.txt {tmp_path}/none.txt'\nglobal.pre='true'\n"
    assert parse(text).resolution_arguments() == ("--constraints", f"{tmp_path}/c.txt", "--prerelease", "allow")


def test_certificates_proxy_and_patience_become_variables() -> None:
    text = "global.cert='/c.pem'\n:env:.default-timeout='180'\nglobal.proxy='http://p.test:3128'\nglobal.retries='7'\n"
    assert parse(text).variables({}) == {
        "SSL_CERT_FILE": "/c.pem",
        "UV_HTTP_TIMEOUT": "180",
        "UV_HTTP_RETRIES": "7",
        "HTTPS_PROXY": "http://p.test:3128",
        "HTTP_PROXY": "http://p.test:3128",
    }


def test_variables_that_the_user_set_are_left_alone() -> None:
    text = "global.cert='/c.pem'\nglobal.proxy='http://p.test'\n"
    assert parse(text).variables({"SSL_CERT_FILE": "/mine", "https_proxy": "x", "HTTP_PROXY": "x"}) == {}


def test_pip_itself_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    configuration = tmp_path / "pip.conf"
    configuration.write_text(
        "[global]\nindex-url = https://conf.test/simple\nfind-links =\n  https://a.test\n  /none\n"
    )
    configure_pip(monkeypatch, config_file=configuration, extra_index_url="https://env.test/simple")
    assert pip_configuration().options["index-url"] == ("https://conf.test/simple",)
    assert pip_configuration().options["find-links"] == ("https://a.test", "/none")
    assert pip_configuration().options["extra-index-url"] == ("https://env.test/simple",)


def test_the_best_version_of_all_indexes_is_chosen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Settings
) -> None:
    main = make_index(tmp_path / "main", [make_wheel(tmp_path / "w", "thing", "2.0")])
    extra = make_index(tmp_path / "extra", [make_wheel(tmp_path / "w", "thing", "1.0")])
    configure_pip(monkeypatch, index_url=main, extra_index_url=f"{extra} file:///nowhere/at/all")
    assert [str(package) for package in lock_packages(["thing"], python=sys.executable, settings=settings)] == [
        "thing==2.0"
    ]


def test_a_constraint_of_pip_holds_for_uv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Settings) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(tmp_path / "w", "thing", version)
    (tmp_path / "c.txt").write_text("thing<2\n")
    configure_pip(monkeypatch, no_index=1, find_links=tmp_path / "w", constraint=tmp_path / "c.txt")
    (package,) = lock_packages(["thing"], python=sys.executable, settings=settings)
    assert package.version == "1.0"


def test_a_lock_holds_the_whole_closure_with_hashes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Settings
) -> None:
    make_wheel(tmp_path / "w", "upper", requires=["lower>=1"])
    make_wheel(tmp_path / "w", "lower")
    configure_pip(monkeypatch, no_index=1, find_links=tmp_path / "w")
    lock = lock_packages(["upper==1.0"], python=sys.executable, settings=settings)
    assert [str(package) for package in lock] == ["lower==1.0", "upper==1.0"]
    assert all(value.startswith("sha256:") for package in lock for value in package.hashes)
    assert lock_packages([], python=sys.executable, settings=settings) == ()


def test_what_cannot_be_installed_together_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Settings
) -> None:
    make_wheel(tmp_path / "w", "upper", requires=["lower>=2"])
    make_wheel(tmp_path / "w", "lower")
    configure_pip(monkeypatch, no_index=1, find_links=tmp_path / "w")
    with pytest.raises(Refused, match=r"^Because .*upper.*lower>=2.*unsatisfiable") as caught:
        lock_packages(["upper==1.0"], python=sys.executable, settings=settings)
    assert caught.value.requirements == ("upper==1.0",)
    assert caught.value.exit_code == 4


def test_offline_no_version_is_blamed_that_an_index_may_have(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Settings
) -> None:
    make_wheel(tmp_path / "w", "thing", "2.0")
    configure_pip(monkeypatch, find_links=tmp_path / "w", index_url="http://127.0.0.1:9/simple")
    with pytest.raises(Refused) as caught:
        lock_packages(["thing<2"], python=sys.executable, settings=settings, offline=True)
    assert caught.value.message == (
        "cannot be had without the network: thing<2 "
        "(of what was fetched before: only thing==2.0 is available and you require thing<2)"
    )
    assert caught.value.hint == "run it once without --offline, which forbids asking a package index"


def test_without_a_network_it_says_what_cannot_be_had(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    configure_pip(monkeypatch, index_url="http://127.0.0.1:9/simple", retries=0)
    with pytest.raises(Unavailable, match=r"choosing packages \(thing>=1\): no package index answered") as caught:
        lock_packages(["thing>=1"], python=sys.executable, settings=settings)
    assert caught.value.missing == ("thing>=1",)
    assert caught.value.exit_code == 4
    with pytest.raises(Unavailable, match="the versions of thing cannot be had"):
        available_versions("thing", settings=settings)


def test_versions_come_newest_first_and_the_answer_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Settings
) -> None:
    for version in ("1.9", "1.10", "2.0rc1"):
        make_wheel(tmp_path / "w", "thing", version)
    configure_pip(monkeypatch, no_index=1, find_links=tmp_path / "w")
    assert available_versions("thing", settings=settings) == ("1.10", "1.9")
    assert available_versions("thing", settings=settings, prereleases=True) == ("2.0rc1", "1.10", "1.9")
    make_wheel(tmp_path / "w", "thing", "3.0")
    assert available_versions("thing", settings=settings, offline=True) == ("1.10", "1.9")
    assert available_versions("thing", settings=settings, max_age=0) == ("3.0", "1.10", "1.9")


def test_several_packages_are_asked_for_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Settings
) -> None:
    make_wheel(tmp_path / "w", "thing")
    configure_pip(monkeypatch, no_index=1, find_links=tmp_path / "w")
    assert versions_of(["thing", "unknown"], settings=settings).require() == {"thing": ("1.0",), "unknown": ()}
    offline = versions_of(["thing", "other"], settings=settings, offline=True)
    assert offline.versions == {"thing": ("1.0",)}
    with pytest.raises(Unavailable, match="the versions of other"):
        offline.require()


MESSAGES = {
    "hashes": (
        """error: Failed to download `foolbox==3.3.4`
  cause: Hash mismatch for `foolbox==3.3.4`

         Expected:
           sha256:aaaa

         Computed:
           sha256:bbbb
""",
        HashMismatch,
        "foolbox==3.3.4: sha256 is bbbb, expected aaaa",
    ),
    "hashes, older uv": (
        """  × Failed to download `foolbox==3.3.4`
  ╰─▶ Hash mismatch for `foolbox==3.3.4`

      Expected:
        sha256:aaaa
        sha256:cccc

      Computed:
        sha256:bbbb
""",
        HashMismatch,
        "foolbox==3.3.4: sha256 is bbbb, expected aaaa, cccc",
    ),
    "no solution": (
        """error: No solution found when resolving dependencies
  cause: Because there is no version of numpy==99 and you require numpy==99, we can conclude that your
         requirements are unsatisfiable.

hint: something
""",
        Refused,
        "Because there is no version of numpy==99 and you require numpy==99, we can conclude that your "
        "requirements are unsatisfiable.",
    ),
    "no solution, older uv": (
        """  × No solution found when resolving dependencies:
  ╰─▶ Because there is no version of numpy==99, we can conclude that your
      requirements are unsatisfiable.
""",
        Refused,
        "Because there is no version of numpy==99, we can conclude that your requirements are unsatisfiable.",
    ),
    "offline": (
        """error: No solution found when resolving dependencies
  cause: Because numpy was not found in the cache and you require numpy, we can conclude this.

hint: Packages were unavailable because the network was disabled.
""",
        Unavailable,
        "cannot be had: testing (numpy): without the network",
    ),
    "network": (
        """Using CPython 3.11.7
error: Request failed after 3 retries in 9.2s
  cause: Failed to fetch: http://127.0.0.1:9/simple/foolbox/
  cause: error sending request for url (http://127.0.0.1:9/simple/foolbox/)
  cause: client error (Connect)
  cause: tcp connect error
  cause: Permission denied (os error 13)
""",
        Unavailable,
        "cannot be had: testing (numpy): no package index answered: Request failed after 3 retries in 9.2s · "
        "Failed to fetch: http://127.0.0.1:9/simple/foolbox/ · Permission denied (os error 13)",
    ),
    "read-only": (
        "error: failed to create directory `/x/cache`: Read-only file system (os error 30)\n",
        StoreError,
        "no access: testing in /x (failed to create directory `/x/cache`: Read-only file system (os error 30))",
    ),
    "unknown": ("error: something new\n", StoreError, "testing: uv failed: something new"),
    "silent": ("", StoreError, "testing: uv failed: it said nothing"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_what_uv_says_becomes_an_error_of_ours(name: str) -> None:
    text, kind, message = MESSAGES[name]
    error = explain(text.splitlines(), doing="testing", wanted=["numpy"], folder=Path("/x"))
    assert (type(error), str(error)) == (kind, message)
    assert isinstance(error, CmxError)
    assert error.hint


def test_a_full_disk_met_by_uv_is_a_full_disk() -> None:
    error = explain(
        ["error: failed to write", "  cause: No space left on device (os error 28)"],
        doing="installing packages",
        wanted=[],
        folder=Path("/"),
    )
    assert isinstance(error, StoreError)
    assert str(error).startswith("disk full: installing packages in / (")


def test_downloads_are_reported_as_they_come() -> None:
    told: list[tuple[str, float, float | None]] = []

    class Listening(Reporter):
        def progress(self, what: str, done: float, total: float | None = None) -> None:
            told.append((what, done, total))

    downloads = Downloads(Listening())
    for line in ("Resolved 2 packages", "Downloading big (1.5MiB)", "Downloading small (1.0KiB)", " Downloaded small"):
        downloads.hear(line + "\n")
    assert told == [
        ("downloading big", 0, 1572864),
        ("downloading small", 0, 1573888),
        ("downloading small", 1024, 1573888),
    ]


def test_an_empty_configuration_is_its_own_default() -> None:
    assert PipConfiguration() == parse("")


def test_a_version_that_was_released_since_is_found_when_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Settings
) -> None:
    root = put_all(
        tmp_path / "zoo",
        package("thing"),
        action("measure", "{framework: software}"),
        workflow("flow", "{framework: software/thing>=1}", "[{id: measure, action: measure}]"),
    )
    catalog = Catalog([Repository.open(root)], settings)
    make_wheel(tmp_path / "w", "thing", "1.9")
    configure_pip(monkeypatch, no_index=1, find_links=tmp_path / "w")

    def chosen(**request: Any) -> str:
        for answer in (settings.cache / "versions").glob("*.json"):
            os.utime(answer, (time.time() - 100, time.time() - 100))
        return cmx.resolve(catalog, "flow", **request).pins["framework"].version

    assert chosen() == "1.9"
    make_wheel(tmp_path / "w", "thing", "2.0")
    assert chosen() == "1.9", "an answer does for an hour"
    assert chosen(use={"framework": "software/thing==2.0"}) == "2.0"
    make_wheel(tmp_path / "w", "thing", "3.0")
    assert chosen(prefer="newest") == "3.0"
    with pytest.raises(Unsatisfiable, match=r"1\.9.*3\.0"):
        chosen(use={"framework": "software/thing==4.0"})
