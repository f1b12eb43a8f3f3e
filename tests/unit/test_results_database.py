"""The evaluation database: results are found again, whatever happened in between."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from result_samples import COMPARABILITY, make, timed

from cmx.errors import ComponentInvalid, StoreError, UsageError, WorkerCrashed
from cmx.results import Database, Result
from cmx.settings import Settings


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "home")


def test_asking_an_empty_home_writes_nothing(home: Settings) -> None:
    assert Database(home).list() == ()
    assert not home.home.exists()


def test_a_result_is_kept_in_the_database_and_beside_its_files(home: Settings) -> None:
    database, result = Database(home), make()
    database.add(result)
    assert database.list() == (result,)
    assert database.get(result.id).folder == home.runs / result.id
    assert json.loads((home.runs / result.id / "result.json").read_text()) == result.document()


def test_adding_a_result_again_replaces_it(home: Settings) -> None:
    database, result = Database(home), make()
    database.add(result)
    database.add(replace(result, reasons=("seen later",), valid=False))
    assert [each.reasons for each in database.list()] == [("seen later",)]


def test_the_newest_result_comes_first_and_a_limit_cuts_the_oldest(home: Settings) -> None:
    database = Database(home)
    results = [make(created=f"2026-01-0{day}T00:00:00.000Z") for day in (2, 3, 1)]
    for result in results:
        database.add(result)
    assert [each.created[9] for each in database.list()] == ["3", "2", "1"]
    assert [each.created[9] for each in database.list(limit=2)] == ["3", "2"]


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({}, 2),
        ({"workflow": "image-classification"}, 1),
        ({"workflow": "workflow/image-classification>=1,<2"}, 1),
        ({"workflow": "image-classification<1"}, 0),
        ({"model": "efficientnet-lite0"}, 1),
        ({"model": "efficientnet-lite0>=2"}, 0),
        ({"model": "efficientnet"}, 0),
        ({"framework": "onnxruntime==1.31.*"}, 1),
        ({"framework": "software/torch"}, 1),
        ({"scenario": "offline"}, 1),
        ({"action": "benchmark"}, 2),
        ({"status": "failed"}, 1),
        ({"status": "ok", "scenario": "single-stream", "framework": "onnxruntime"}, 1),
        ({"key": COMPARABILITY.key}, 1),
    ],
)
def test_results_are_filtered_by_what_they_ran(home: Settings, filters: dict[str, str], count: int) -> None:
    database = Database(home)
    database.add(make())
    other = replace(COMPARABILITY, workflow="workflow/detection==0.1.0", scenario="offline")
    pins = {"model": "model/yolo==1.0.0", "framework": "software/torch==2.13.0"}
    database.add(make(comparability=other, pins=pins, error=WorkerCrashed("gone")))
    assert len(database.list(**filters)) == count  # type: ignore[arg-type]


def test_a_status_that_cannot_be_names_the_nearest(home: Settings) -> None:
    with pytest.raises(UsageError) as error:
        Database(home).list(status="faild")
    assert "failed" in error.value.hint


def test_a_result_is_found_by_the_beginning_of_its_id(home: Settings) -> None:
    database = Database(home)
    first, second = make(id="aaaa111122223333"), make(id="aaaa222233334444")
    database.add(first)
    database.add(second)
    assert database.get("aaaa1").id == first.id
    with pytest.raises(UsageError, match=r"2 results begin with 'aaaa': aaaa(2222, aaaa1111|1111, aaaa2222)"):
        database.get("aaaa")
    with pytest.raises(UsageError, match="no result 'aaaa1119'") as error:
        database.get("aaaa1119")
    assert "aaaa1111" in error.value.hint
    with pytest.raises(UsageError, match="not a result's id"):
        database.get("../x")


def test_an_unknown_id_in_an_empty_home_says_how_to_make_a_result(home: Settings) -> None:
    with pytest.raises(UsageError) as error:
        Database(home).get("abc")
    assert error.value.hint == "cmx run benchmark makes one"


def test_the_database_is_made_again_from_the_folders(home: Settings) -> None:
    database = Database(home)
    results = {make(id=f"{n:016x}").id for n in range(5)}
    for id in sorted(results):
        database.add(make(id=id))
    home.database.unlink()
    assert {each.id for each in database.list()} == results
    assert database.rebuild() == 5
    assert database.problems == ()


def test_a_record_without_its_row_is_adopted(home: Settings) -> None:
    database, result = Database(home), make()
    database.add(make())
    (home.runs / result.id).mkdir()
    (home.runs / result.id / "result.json").write_text(json.dumps(result.document()))
    (home.runs / "running").mkdir()
    assert database.get(result.id) == result


def test_a_broken_record_is_named_and_hides_no_other(home: Settings) -> None:
    database, result = Database(home), make()
    database.add(result)
    for name, text in (("0" * 16, "{"), ("1" * 16, "{}"), ("2" * 16, json.dumps(result.document()))):
        (home.runs / name).mkdir()
        (home.runs / name / "result.json").write_text(text)
    assert database.list() == (result,)
    assert [f"{n}" * 16 in problem for n, problem in enumerate(database.problems)] == [True, True, True]


def test_a_misspelt_key_of_a_record_names_the_right_one(tmp_path: Path) -> None:
    document = make().document()
    document["statsu"] = document["status"]
    path = tmp_path / "result.json"
    path.write_text(json.dumps(document))
    with pytest.raises(ComponentInvalid, match="statsu") as error:
        Result.read(path)
    assert "status" in error.value.hint


def test_a_record_changed_after_the_run_is_noticed_by_its_key(tmp_path: Path) -> None:
    document = make().document()
    document["comparability"]["threads"] = 8
    path = tmp_path / "result.json"
    path.write_text(json.dumps(document))
    with pytest.raises(StoreError, match="key is"):
        Result.read(path)


@pytest.mark.parametrize("id", ["../../etc", "a/b", ""])
def test_a_step_whose_name_leaves_the_run_is_refused(tmp_path: Path, id: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(make(replace(timed(), id=id)).document()))
    with pytest.raises(ComponentInvalid, match="id"):
        Result.read(path)


def test_a_database_of_a_newer_cmx_is_left_alone(home: Settings) -> None:
    Database(home).add(make())
    with sqlite3.connect(home.database) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="written by a newer cmx") as error:
        Database(home).list()
    assert "upgrade cmx" in error.value.hint


def test_a_database_of_an_older_form_is_made_again(home: Settings) -> None:
    result = make()
    Database(home).add(result)
    with sqlite3.connect(home.database) as connection:
        connection.execute("DROP TABLE pin")
        connection.execute("PRAGMA user_version = 0")
    connection.close()
    assert Database(home).list(model="efficientnet-lite0") == (result,)


def test_a_file_that_is_no_database_says_what_to_do(home: Settings) -> None:
    Database(home).add(make())
    home.database.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match=r"results\.sqlite") as error:
        Database(home).list()
    assert "made anew" in error.value.hint


def test_a_home_that_cannot_be_written_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises((StoreError, OSError), match="file"):
        Database(Settings(tmp_path / "file" / "home")).add(make())


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        ("database or disk is full", "free some space"),
        ("attempt to write a readonly database", "CMX_HOME"),
        ("unable to open database file", "CMX_HOME"),
        ("database is locked", "another cmx is writing"),
        ("database disk image is malformed", "made anew"),
    ],
)
def test_each_complaint_of_sqlite_has_its_remedy(home: Settings, message: str, remedy: str) -> None:
    from cmx.results.database import _remedy

    assert remedy in _remedy(message, home.database)


def add_many(home: Path, first: int, count: int) -> None:
    """What one of several processes does."""
    for number in range(first, first + count):
        Database(Settings(home)).add(make(id=f"{number:016x}"))


def start(target: Callable[..., None], *arguments: Any) -> multiprocessing.process.BaseProcess:
    process = multiprocessing.get_context("spawn").Process(target=target, args=arguments)
    process.start()
    return process


def test_several_processes_write_at_once_and_lose_nothing(home: Settings) -> None:
    workers = [start(add_many, home.home, first, 10) for first in (0, 100, 200)]
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    with sqlite3.connect(home.database) as connection:
        assert connection.execute("SELECT count(*) FROM result").fetchone() == (30,)
    connection.close()


def add_to_a_full_disk(home: Path) -> None:
    """A file-size limit says what a full disk says, to this process only."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    with pytest.raises(StoreError, match="disk full") as error:
        Database(Settings(home)).add(make())
    assert "free some space" in error.value.hint


@pytest.mark.skipif(os.name == "nt", reason="resource limits")
def test_a_full_disk_is_said_and_leaves_nothing_half_written(home: Settings) -> None:
    database, result = Database(home), make()
    database.add(result)
    writer = start(add_to_a_full_disk, home.home)
    writer.join(60)
    assert writer.exitcode == 0
    assert database.list() == (result,)
    assert [path.name for path in home.runs.rglob("*") if path.is_file()] == ["result.json"]


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_killed_writer_leaves_a_database_that_works(home: Settings) -> None:
    worker = start(add_many, home.home, 0, 100_000)
    while not (home.runs / f"{20:016x}" / "result.json").exists():
        assert worker.is_alive()
        worker.join(0.01)
    assert worker.pid
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    database = Database(home)
    kept = {each.id for each in database.list()}
    assert {f"{number:016x}" for number in range(21)} <= kept
    assert kept == {path.parent.name for path in home.runs.glob("*/result.json")}
    assert database.problems == ()
    database.add(make())


def test_a_run_that_left_no_record_is_abandoned_once_its_process_is_gone(home: Settings) -> None:
    database = Database(home)
    with database.under_way("0123456789abcdef"):
        (database.folder("0123456789abcdef") / "benchmark").mkdir()
        assert database.abandoned() == ()
    assert database.abandoned() == (database.folder("0123456789abcdef"),)


def test_a_recorded_run_is_not_abandoned(home: Settings) -> None:
    database, result = Database(home), make()
    database.add(result)
    assert database.abandoned() == ()


def test_what_a_matrix_run_will_go_on_with_is_not_abandoned(tmp_path: Path) -> None:
    database = Database(Settings(tmp_path))
    database.keep_unfinished("a" * 16)
    mark = database.folder("a" * 16) / "unfinished"
    assert database.abandoned() == ()
    os.utime(mark, (0, 0))
    assert database.abandoned() == (mark.parent,)
