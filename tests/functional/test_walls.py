"""What a stranger's code can do behind the walls that this machine has: a real worker tries."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from cmx.errors import Unavailable, WorkerCrashed
from cmx.runner import isolation as walls
from cmx.runner.isolation import BUBBLEWRAP, NOTHING, UNSHARE, Isolation, isolation, require_walls
from cmx.runner.process import Limits, Worker, code_of

_CODE = '''
import os
import socket
from pathlib import Path

from cmx.worker import Context, Outcome


def attempt(context: Context, *, secret: str, elsewhere: str, port: int, crash: bool) -> Outcome:
    """Try what a stranger might try, and tell what went through."""
    if crash:
        os.abort()
    def through(what):
        try:
            what()
        except OSError as error:
            return type(error).__name__
        return "done"
    return Outcome(metrics={
        "read": through(lambda: Path(secret).read_text()),
        "write": through(lambda: Path(elsewhere).write_text("was here")),
        "system": through(lambda: os.close(os.open("/usr/bin/env", os.O_WRONLY))),
        "connect": through(lambda: socket.create_connection(("127.0.0.1", port), timeout=5).close()),
        "own": through(lambda: (context.output / "mine").write_text("x")),
        "home": through(lambda: (Path.home() / "mine").write_text("x")),
        "temporary": through(lambda: Path(os.environ["TMPDIR"], "mine").write_text("x")),
    })
'''


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))


@pytest.fixture
def listening() -> Any:
    """A server of this machine's, such as a database that trusts whoever is here."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def attempts(tmp_path: Path, port: int, behind: Isolation | None, *, crash: bool = False) -> dict[str, str]:
    """What came of each attempt."""
    code, secret = tmp_path / "component", tmp_path / "secret"
    code.mkdir()
    (code / "action.py").write_text(_CODE, encoding="utf-8")
    secret.write_text("a private key", encoding="utf-8")
    job = {
        "schema": 1,
        "document": "job",
        "action": {"reference": "action/attempt==1.0.0", "entry": f"{code / 'action.py'}:attempt"},
        "parameters": {"secret": str(secret), "elsewhere": str(tmp_path / "there"), "port": port, "crash": crash},
        "roles": {},
        "products": {},
        "workflow": None,
        "target": "",
        "host": "",
        "seed": 0,
        "output": str(tmp_path / "run"),
        "progress": True,
        "memory_limit": None,
    }
    behind = behind.showing(code) if behind else None
    with Worker(Path(sys.executable), code_of(job, frameworks=False), tmp_path / "run", behind) as worker:
        outcome = worker.carry_out(job, Limits(60), lambda event: None)
    assert outcome["status"] == "ok", outcome
    assert (tmp_path / "run" / "mine").is_file()
    found: dict[str, str] = outcome["metrics"]
    return found


def had(how: str, tmp_path: Path) -> Isolation:
    """The walls of a kind, if this machine has them."""
    best = isolation(tmp_path)
    if how == BUBBLEWRAP and best.how != BUBBLEWRAP:
        pytest.skip(best.why)
    if best.how == NOTHING:
        pytest.skip(best.why)
    return best._replace(how=how)


def test_without_walls_everything_goes_through(tmp_path: Path, listening: int) -> None:
    found = attempts(tmp_path, listening, None)
    assert (found["read"], found["write"], found["connect"]) == ("done", "done", "done")


def test_behind_bubblewrap_nothing_of_the_user_is_seen_or_changed(tmp_path: Path, listening: int) -> None:
    found = attempts(tmp_path, listening, had(BUBBLEWRAP, tmp_path))
    assert (found["read"], found["connect"]) == ("FileNotFoundError", "ConnectionRefusedError")
    assert found["system"] == "OSError"  # read-only file system
    assert not (tmp_path / "there").exists()
    assert (found["own"], found["home"], found["temporary"]) == ("done", "done", "done")


def test_a_crash_behind_bubblewrap_is_told_by_its_signal(tmp_path: Path, listening: int) -> None:
    with pytest.raises(WorkerCrashed, match="SIGABRT"):
        attempts(tmp_path, listening, had(BUBBLEWRAP, tmp_path), crash=True)


def test_unshare_cuts_the_network_off_and_says_that_it_does_no_more(tmp_path: Path, listening: int) -> None:
    behind = had(UNSHARE, tmp_path)
    found = attempts(tmp_path, listening, behind)
    assert (found["connect"], found["read"]) == ("OSError", "done")
    assert "your files can be read and written" in str(behind)


def test_the_network_is_there_for_a_solution_that_may_have_it(tmp_path: Path, listening: int) -> None:
    found = attempts(tmp_path, listening, had(BUBBLEWRAP, tmp_path)._replace(network=True))
    assert (found["connect"], found["read"]) == ("done", "FileNotFoundError")


def test_where_there_are_no_walls_that_is_said_and_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    walls._best.cache_clear()
    found = isolation(tmp_path)
    assert str(found) == "none (bubblewrap is not installed: apt-get install bubblewrap)"
    with pytest.raises(Unavailable) as caught:
        require_walls(found)
    assert caught.value.hint == "apt-get install bubblewrap; or --no-isolation runs it with all that you may do"
    assert require_walls(found._replace(network=True)).network
