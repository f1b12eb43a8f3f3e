"""Results for other programs and for the terminal."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from result_samples import MODEL, checked, make, timed, with_latencies

from cmx.cli.main import main
from cmx.errors import StoreError, UsageError, WorkerCrashed
from cmx.host import Description, Field
from cmx.results.export import as_text, export, to_csv, to_json
from cmx.results.table import LISTING, listing, measurement, milliseconds
from cmx.schema import validate
from cmx.settings import Settings


def test_the_json_export_is_a_list_of_documents_that_keep_the_schema() -> None:
    results = [make(), make(timed())]
    documents = json.loads(to_json(results))
    assert documents == [result.document() for result in results]
    for document in documents:
        validate(document, "result", source="export")


def test_the_csv_export_has_one_row_each_with_units_in_the_names(tmp_path: Path) -> None:
    good = with_latencies(tmp_path, range(1, 101))
    failed = make(steps=(), noise=None, error=WorkerCrashed("gone"))
    first, second = csv.DictReader(io.StringIO(to_csv([good, failed])))
    assert (first["latency_p50_ns"], first["throughput_per_s"], first["accuracy_top_1"]) == ("50", "66.8", "0.9")
    assert (first["latency_p90_bound_ns"], first["latency_p99_bound_ns"]) == ("97", "")
    assert (first["valid"], first["model"], first["host_cpu_model"]) == ("true", MODEL, "Cortex-A72")
    assert first["host_governor"] == ""
    assert (second["status"], second["valid"], second["latency_p50_ns"]) == ("failed", "false", "")
    assert second["reasons"] == "the run failed: gone"


def test_a_csv_of_nothing_is_its_header() -> None:
    assert to_csv([]).startswith("id,created,action,workflow")


@given(st.sampled_from(["=", "+", "-", "@", "\t", "\r"]), st.text(max_size=20))
def test_no_text_of_a_csv_is_a_formula(start: str, rest: str) -> None:
    host = Description({"cpu_model": Field(start + rest, "/proc/cpuinfo")})
    text = to_csv([make(host=host)])
    row = next(csv.DictReader(io.StringIO(text, newline="")))
    assert row["host_cpu_model"] == "'" + (start + rest).replace("\r\n", "\n").replace("\r", "\n")


def test_a_negative_number_of_a_csv_stays_a_number() -> None:
    row = next(csv.DictReader(io.StringIO(to_csv([make(timed(throughput=-1.5), checked())]))))
    assert row["throughput_per_s"] == "-1.5"


def test_an_export_goes_to_a_file_by_its_ending(tmp_path: Path) -> None:
    results = [make()]
    for name in ("results.csv", "results.JSON"):
        export(results, tmp_path / name)
        assert (tmp_path / name).read_text() == as_text(results, name[-4:].strip(".").lower())
    with pytest.raises(UsageError, match="xml"):
        export(results, tmp_path / "results.xml")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.JSON", "results.csv"]


def test_an_export_that_cannot_be_written_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file"):
        export([make()], tmp_path / "file" / "results.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("command", ["export", "plot"])
@pytest.mark.parametrize("name", ["kept", "kept.csv", "kept.png"])
def test_a_folder_is_no_file_to_write(
    capsys: pytest.CaptureFixture[str], settings: Settings, tmp_path: Path, command: str, name: str
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    assert main(["result", command, "--output", f"{folder}/"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"error: {folder} is a folder, and a file is to be written"
    assert said[1].startswith(f"hint: name the file, as in {folder}/")
    assert [path.name for path in tmp_path.rglob("*") if path.name.startswith((".", "results", "chart"))] == []


@pytest.mark.parametrize("form", [(), ("--format", "csv")])
def test_a_file_without_an_ending_says_no_form(
    capsys: pytest.CaptureFixture[str], settings: Settings, tmp_path: Path, form: tuple[str, ...]
) -> None:
    path = tmp_path / "results"
    assert main(["result", "export", "--output", str(path), *form]) == 2
    said = f"error: {path}: no ending says the form: csv, json, parquet\nhint: as in {path}.csv\n"
    assert capsys.readouterr().err == said


def test_accuracy_mode_shows_what_it_scored_and_no_times() -> None:
    result = make(timed(mode="accuracy", verdict="", accuracy={"top_1": 0.9}), checked())
    headings, row = measurement(result)
    assert headings == ("SCENARIO", "MODE", "QUERIES", "SAMPLES", "TOP-1", "TOP-5")
    assert row[:2] == ("single-stream", "accuracy")
    assert listing([result])[0][7:] == ("-", "-", "top_1 0.900", "valid")
    (cells,) = csv.DictReader(io.StringIO(to_csv([result])))
    assert (cells["mode"], cells["queries"]) == ("accuracy", "641")
    assert not any(value for name, value in cells.items() if name.startswith(("latency", "throughput", "interval")))


def test_the_measurement_table_has_units_and_every_accuracy() -> None:
    headings, row = measurement(make())
    assert dict(zip(headings, row, strict=True)) == {
        "SCENARIO": "single-stream",
        "QUERIES": "641",
        "SAMPLES": "641",
        "P50 ms": "2.00",
        "P90 ms": "3.00",
        "P99 ms": "4.00",
        "THROUGHPUT": "66.8 /s",
        "TOP-1": "0.900",
        "TOP-5": "0.950",
        "LOADGEN": "VALID",
    }


def test_a_listing_says_valid_invalid_or_failed() -> None:
    rows = listing([make(), make(timed()), make(error=WorkerCrashed("gone"))])
    assert [row[-1] for row in rows] == ["valid", "invalid", "failed"]
    assert all(len(row) == len(LISTING) for row in rows)


@pytest.mark.parametrize(
    ("ns", "text"), [(None, "-"), (14_900_000, "14.90"), (100_000, "0.10"), (12_340, "0.0123"), (45, "4.5e-05")]
)
def test_times_are_shown_in_milliseconds(ns: int | None, text: str) -> None:
    assert milliseconds(ns) == text


def test_parquet_has_typed_columns_and_nulls(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed here")
    results = [with_latencies(tmp_path / "run", range(1, 101)), make(error=WorkerCrashed("gone"))]
    export(results, tmp_path / "results.parquet")
    table = parquet.read_table(tmp_path / "results.parquet")
    first, second = table.to_pylist()
    assert first["id"] == results[0].id
    assert (first["valid"], first["batch_size"], first["throughput_per_s"], first["reasons"]) == (True, 1, 66.8, [])
    assert second["reasons"] == ["the run failed: gone"]
    kinds = {name: str(table.schema.field(name).type) for name in ("valid", "batch_size", "throughput_per_s", "id")}
    assert kinds == {"valid": "bool", "batch_size": "int64", "throughput_per_s": "double", "id": "string"}
    assert "list<" in str(table.schema.field("reasons").type)
    export([], tmp_path / "none.parquet")
    assert parquet.read_table(tmp_path / "none.parquet").num_rows == 0


def test_parquet_without_pyarrow_names_the_command_and_is_no_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match="Parquet needs pyarrow") as caught:
        export([make()], tmp_path / "results.parquet")
    assert caught.value.hint == "python -m pip install 'cmx-bench[parquet]'"
    with pytest.raises(UsageError, match="parquet is no text"):
        as_text([make()], "parquet")
