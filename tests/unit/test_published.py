"""Others' results: read with their source, kept once, never taken for one's own."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from many_results import kept, results
from published_rows import ROW, table, write

from cmx.cli.main import main
from cmx.errors import StoreError, UsageError
from cmx.results import Database, mlperf
from cmx.results.published import PublishedDatabase
from cmx.settings import Settings, builtin_repository

OFFICIAL = builtin_repository() / "components/datasets/mlperf-inference-results/mlperf-inference-results.csv.gz"


def test_a_row_says_what_was_measured_and_nothing_that_is_not_there(tmp_path: Path) -> None:
    (row,) = mlperf.read(write(tmp_path / "rows.csv", ROW))
    assert (row.source, row.scenario, row.value, row.unit, row.accuracy) == ("mlperf", "single-stream", 2.5, "ms", 71.2)
    assert (row.accelerator, row.accelerators, row.power) == ("", "(8,4)", None)
    assert mlperf.STATISTICS[row.scenario] == "p90"


def test_a_file_may_be_gzipped_whatever_its_name_and_begin_with_a_mark(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(gzip.compress(("\ufeff" + table(ROW)).encode()))
    assert len(mlperf.read(tmp_path / "rows")) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"result": "fast"}, "rows.csv:3: column 'result': 'fast' is no number of 0 or more"),
        ({"result": "-1"}, "rows.csv:3: column 'result': '-1' is no number"),
        ({"result": "nan"}, "rows.csv:3: column 'result': 'nan' is no number"),
        ({"result": "0"}, "rows.csv:3: column 'result': 0 is no result"),
        ({"accuracy": "good"}, "rows.csv:3: column 'accuracy': 'good' is no number"),
        ({"unit": "s"}, "rows.csv:3: column 'unit': 's' is not known"),
        ({"scenario": "singlestream"}, "rows.csv:3: column 'scenario': 'singlestream' is not known"),
    ],
)
def test_a_cell_that_cannot_be_names_file_line_and_column(tmp_path: Path, change: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        mlperf.read(write(tmp_path / "rows.csv", ROW, {**ROW, **change}))
    assert caught.value.message.removeprefix(f"{tmp_path}/").startswith(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "rows.csv:1: there is no column 'version'; the heading is ''"),
        (b"a,b\n1,2\n", "rows.csv:1: there is no column 'version'; the heading is 'a, b'"),
        (table(ROW).encode() + b"v4.0,open\n", "rows.csv:3: 2 columns, the heading has 23"),
        (table(ROW).encode() + b'"never closed\n', "rows.csv:3: unexpected end of data"),
        (table(ROW).encode() + b"\xff\xfe\n", "rows.csv:3: not UTF-8: byte 0xff"),
        (b'"' + b"x" * 200_000 + b'"\n', "rows.csv:1: field larger than field limit"),
    ],
)
def test_what_is_no_such_table_is_an_error_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "rows.csv").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        mlperf.read(tmp_path / "rows.csv")
    assert caught.value.message.removeprefix(f"{tmp_path}/").startswith(message)


@pytest.mark.parametrize("content", [gzip.compress(b"x" * 1000, mtime=0)[:20], b"\x1f\x8bnot gzip at all"])
def test_a_damaged_archive_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rows.csv.gz").write_bytes(content)
    with pytest.raises(StoreError, match=r"rows\.csv\.gz: cannot be read"):
        mlperf.read(tmp_path / "rows.csv.gz")


def test_the_official_results_come_with_cmx_and_are_kept_once(
    settings: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["result", "import", "mlperf-inference-results"]) == 0
    assert "29,246 MLPerf Inference results (MLCommons), 29,246 of them new" in capsys.readouterr().out
    copy = tmp_path / "copy.csv"
    copy.write_bytes(gzip.decompress(OFFICIAL.read_bytes()) + table(ROW).encode().partition(b"\n")[2])
    for path, added in ((OFFICIAL, 0), (copy, 1), (copy, 0)):
        assert main(["result", "import", str(path), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["added"] == added
    (source,) = PublishedDatabase(settings).sources()
    assert (source.rows, len(source.files)) == (29_247, 2)
    assert "measured by their submitters and not by cmx" in source.origin.citation
    _, found = PublishedDatabase(settings).select("mlperf,system=*raspberry pi 4*,scenario=single-stream,accuracy>=80")
    assert {row.model for row in found} == {"efficientnet-fp32-lite4", "efficientnet-lite4-non-quantized"}
    assert [row.value for row in found] == sorted(row.value for row in found)


def test_others_results_are_no_results_of_ones_own(settings: Settings, tmp_path: Path) -> None:
    assert main(["result", "import", str(write(tmp_path / "rows.csv", ROW))]) == 0
    assert Database(settings).list() == ()
    assert Database(settings).rebuild() == 0
    assert len(PublishedDatabase(settings).select("mlperf")[1]) == 1


def test_asking_writes_nothing(settings: Settings) -> None:
    assert PublishedDatabase(settings).sources() == ()
    with pytest.raises(UsageError, match="no results of 'mlperf' were imported") as caught:
        PublishedDatabase(settings).select("mlperf")
    assert caught.value.hint == "cmx result import mlperf-inference-results"
    assert not settings.home.exists()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("mlperf,colour=red", "colour=red: published results have no 'colour'"),
        ("mlperf,accuracy>=good", "accuracy>=good: 'good' is no number"),
        ("mlperf,scenario", "'scenario' is not a condition"),
        ("mlperf,system=Pi*,benchmark=bert-99", "no published result meets"),
        ("mlpref", "no results of 'mlpref' were imported"),
    ],
)
def test_a_selection_that_cannot_be_is_explained(settings: Settings, tmp_path: Path, word: str, message: str) -> None:
    main(["result", "import", str(write(tmp_path / "rows.csv", ROW))])
    with pytest.raises(UsageError) as caught:
        PublishedDatabase(settings).select(word)
    assert caught.value.message.startswith(message)
    assert caught.value.hint


def test_brackets_in_a_name_stand_for_themselves(settings: Settings, tmp_path: Path) -> None:
    main(["result", "import", str(write(tmp_path / "rows.csv", ROW))])
    assert len(PublishedDatabase(settings).select("mlperf,system=pi [4]*")[1]) == 1
    with pytest.raises(UsageError):
        PublishedDatabase(settings).select("mlperf,system=Pi [5]*")


def test_a_listing_names_the_source_of_each_and_obeys_no_ones_text(
    settings: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kept(Database(settings), results([10.0]))
    hostile = {**ROW, "submitter": "\x1b[2J\x1b]0;owned\x07", "system_name": "two\nlines"}
    main(["result", "import", str(write(tmp_path / "rows.csv", hostile))])
    capsys.readouterr()
    assert main(["result", "list", "--with", "mlperf"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert [line.split("  ")[0] for line in out.splitlines()[:3]] == ["SOURCE", "here", "mlperf v4.0 open"]
    assert "10.00 ms p50" in out
    assert "2.5 ms p90" in out
    assert out.splitlines()[-1] == mlperf.ORIGIN.citation


def test_a_comparison_shows_others_only_beside_and_only_when_asked(
    settings: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kept(Database(settings), results([10.0] * 5), results([11.0] * 5, framework="torch==2.13.0"))
    main(["result", "import", str(write(tmp_path / "rows.csv", ROW))])
    capsys.readouterr()
    sides = ["framework=onnxruntime", "framework=torch"]
    assert main(["result", "compare", *sides]) == 0
    assert "Krai" not in capsys.readouterr().out
    assert main(["result", "compare", *sides, "--beside", "mlperf,scenario=single-stream"]) == 0
    verdict, _, context = capsys.readouterr().out.partition("beside these, and not compared with them")
    assert "B is slower than A" in verdict
    assert "Krai" not in verdict
    assert "Krai" in context


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("nowhere.csv", "nowhere.csv: there is no such file"),
        ("nonsense", "nonsense: neither a file nor a dataset"),
        ("imagenet-photos", "dataset/imagenet-photos==1.0.0 holds no published results"),
    ],
)
def test_what_cannot_be_imported_is_explained(capsys: pytest.CaptureFixture[str], what: str, message: str) -> None:
    assert main(["result", "import", what]) == 2
    assert message in capsys.readouterr().err
