"""Pictures of results: what is drawn, that it can be drawn, and that no stranger's text gets into a page."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from many_results import host, kept, result, results
from published_rows import ROW, write
from result_samples import checked, make, timed, with_latencies

from cmx.cli.main import main
from cmx.errors import UsageError
from cmx.results import Database, chart_points, charts, mlperf
from cmx.results.beside import beside
from cmx.results.drawing import Page, draw
from cmx.settings import Settings

needs_drawing = pytest.mark.skipif(find_spec("vl_convert") is None, reason="vl-convert is not installed here")
BATCHES = ({"batch-size": 1}, {"batch-size": 8})


def several() -> list[Any]:
    return [
        each
        for framework in ("onnxruntime==1.31.1", "torch==2.13.0")
        for parameters in BATCHES
        for each in results([10.0, 10.1, 10.2, 10.3, 10.4, 10.5], framework=framework, parameters=parameters)
    ]


def layer_values(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [row for layer in spec["layer"] for row in layer["data"]["values"]]


def test_names_tell_configurations_apart_and_say_nothing_twice() -> None:
    groups, shared = chart_points.groups(several())
    assert [(group.label, group.series, len(group.results)) for group in groups] == [
        ("onnxruntime, batch 1", "onnxruntime", 6),
        ("onnxruntime, batch 8", "onnxruntime", 6),
        ("torch, batch 1", "torch", 6),
        ("torch, batch 8", "torch", 6),
    ]
    assert shared == "Cortex-A72 · efficientnet-lite0[onnx] 1.0.0 · single-stream · 1 thread"


def test_two_versions_of_one_framework_are_named_with_them() -> None:
    groups, _ = chart_points.groups([result(), result(framework="onnxruntime==1.20.1")])
    assert [group.label for group in groups] == ["onnxruntime 1.31.1", "onnxruntime 1.20.1"]


def test_machines_are_told_apart() -> None:
    groups, shared = chart_points.groups([result(host=host(hostname="one")), result(host=host(hostname="two"))])
    assert [group.label for group in groups] == ["on one", "on two"]
    assert "Cortex-A72" in shared


def test_throughput_has_a_point_for_each_batch_size_with_its_launches() -> None:
    groups, shared = chart_points.groups(several())
    points = chart_points.rates(groups)
    assert [(each.label, each.batch, each.launches) for each in points] == [
        ("onnxruntime", 1, 6),
        ("onnxruntime", 8, 6),
        ("torch", 1, 6),
        ("torch", 8, 6),
    ]
    low, high = points[0].low, points[0].high
    assert low is not None and high is not None
    assert low < points[0].middle < high
    spec = charts.throughput(points, [shared])
    assert "94 %" in spec["title"]["subtitle"][1]
    assert spec["layer"][0]["encoding"]["y"]["title"] == "throughput, samples/s"


def test_throughputs_of_different_scenarios_are_different_series() -> None:
    offline = result(parameters={"scenario": "offline", "batch-size": 8})
    points = chart_points.rates(chart_points.groups([result(), offline])[0])
    assert [(each.label.rpartition(", ")[2], each.batch) for each in points] == [("offline", 8), ("single-stream", 1)]


def test_a_history_has_no_latency_of_what_sends_one_query() -> None:
    offline = make(timed(scenario="offline", latency=None), checked())
    assert not chart_points.has_median(offline)
    with pytest.raises(UsageError, match="none of these results has latencies of queries"):
        chart_points.histories(chart_points.groups([offline])[0])


def colours_of(spec: Mapping[str, Any]) -> dict[str, str]:
    scale = next(e["color"]["scale"] for layer in spec["layer"] if "color" in (e := layer["encoding"]))
    return dict(zip(scale["domain"], scale["range"], strict=True))


def test_a_framework_has_the_same_hue_in_every_chart_and_no_two_series_the_same_colour() -> None:
    names = ("torch==2.13.0", "onnxruntime==1.31.1", "jax==0.10.2")
    many = [result(10 * n, framework=name, parameters={"threads": n}) for name in names for n in range(1, 6)]
    colours = chart_points.slots([result(5, parameters={"scenario": "offline"}), *many])
    for chosen in (many, many[:8], many[4:]):
        groups, _ = chart_points.groups(chosen, colours)
        own = chart_points.measured(chosen, colours)
        drawn = colours_of(charts.throughput(chart_points.rates(groups), []))
        assert len(set(drawn.values())) == len(drawn) == len(chosen)
        assert drawn == {
            each.label.rpartition(" (")[0]: colour
            for each, colour in zip(
                chart_points.histories(groups),
                colours_of(charts.history(chart_points.histories(groups), "ms", [])).values(),
                strict=True,
            )
        }
        hues = {group.framework: group.slot.hue for group in groups}
        frontier = colours_of(charts.frontier(own.points, [], own.cost, own.gain, []))
        assert frontier == {name: charts.COLOURS[hue] for name, hue in hues.items()}


def test_of_one_framework_each_configuration_has_a_hue_and_then_a_tone() -> None:
    found = chart_points.slots([result(n, parameters={"threads": n}) for n in range(1, 20)])
    assert len(set(found.values())) == 19
    assert {slot.hue for slot in found.values()} == set(range(chart_points.HUES)) == set(range(len(charts.COLOURS)))


def test_one_launch_has_no_interval_and_says_so() -> None:
    groups, _ = chart_points.groups([result()])
    spec = charts.throughput(chart_points.rates(groups), [])
    assert spec["title"]["subtitle"] == ["one launch each: no interval"]
    assert all(layer["mark"]["type"] != "rule" for layer in spec["layer"])


def test_the_distribution_has_a_curve_for_each_launch_and_one_for_all(tmp_path: Path) -> None:
    runs = [with_latencies(tmp_path / name, [n * 1_000_000 for n in range(1, 1001)]) for name in "ab"]
    (group,), _ = chart_points.groups(runs)
    (curve,) = chart_points.curves([group])
    assert curve.label == "all results (2 launches, 2,000 queries)"
    assert (len(curve.curves), len(curve.pooled)) == (2, 200)
    assert curve.pooled[0] == (1.0, 1 / 2000)
    assert curve.pooled[-1] == (1000.0, 1.0)
    spec = charts.latency([curve], ["here"])
    assert spec["layer"][0]["encoding"]["x"]["title"] == "latency of a query, ms (by factors)"


def test_results_without_raw_latencies_have_no_distribution() -> None:
    with pytest.raises(UsageError, match="none of these results has raw latencies"):
        chart_points.curves(chart_points.groups([result()])[0])


def test_a_history_shows_its_step() -> None:
    many = results([10.0, 10.1, 10.2, 10.1] * 3 + [12.0, 12.1, 12.2, 12.1] * 3)
    (told,) = chart_points.histories(chart_points.groups(many)[0])
    assert [round(change, 3) for _, _, change in told.steps] == [0.198]
    spec = charts.history([told], "median, ms", [])
    assert "1 step found" in spec["title"]["subtitle"][0]
    assert "+19.8%" in [row.get("text") for row in layer_values(spec)]


def test_official_points_are_of_ones_own_scenario_and_nearest_benchmark(tmp_path: Path) -> None:
    rows = mlperf.read(
        write(
            tmp_path / "rows.csv",
            ROW,
            {**ROW, "result": "400", "scenario": "Offline", "unit": "Samples/s"},
            {**ROW, "benchmark": "bert-99"},
            {**ROW, "accuracy": "None"},
        )
    )
    found = beside(rows, [result()])
    assert [(each.middle, each.gain, each.own) for each in found.points] == [(2.5, 71.2, False)]
    assert (found.cost, found.gain) == ("latency (p90), ms", "ImageNet top-1, %")
    offline = beside(rows, [result(parameters={"scenario": "offline"})])
    assert [each.middle for each in offline.points] == [2.5]
    assert offline.cost == "time per sample, ms"


def test_names_of_points_do_not_lie_on_each_other() -> None:
    points = [chart_points.Point(f"point {n}", "cmx", 1, 10 + n / 500, 10, 11, 6, gain=70) for n in range(8)]
    spec = charts.frontier(points, [0], "ms", "%", [])
    written = {
        row["name"] for layer in spec["layer"] if layer["mark"]["type"] == "text" for row in layer["data"]["values"]
    }
    assert 1 <= len(written) <= 2


@needs_drawing
@pytest.mark.parametrize("kind", ["frontier", "throughput", "history", "report"])
def test_every_chart_is_drawn_in_every_form(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    kept(Database(settings), several())
    starts = {"png": b"\x89PNG\r\n", "svg": b"<svg", "html": b"<!doctype html>"}
    for form in ("html",) if kind == "report" else starts:
        path = tmp_path / f"chart.{form}"
        assert main(["result", "plot", kind, "--output", str(path)]) == 0
        assert path.read_bytes().startswith(starts[form])
    out = capsys.readouterr().out
    assert f"24 results → {tmp_path}/chart." in out
    if kind == "report":
        assert "not drawn: latency: none of these results has raw latencies" in out


@needs_drawing
def test_the_frontier_is_answered_in_json_too(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(Database(settings), [result(10, accuracy=0.9), result(20, accuracy=0.95, framework="torch==2.13.0")])
    kept(Database(settings), [result(30, accuracy=0.8, framework="jax==0.10.2")])
    assert main(["result", "plot", "--output", str(tmp_path / "a.svg"), "--json"]) == 0
    (chart,) = json.loads(capsys.readouterr().out)["charts"]
    assert [(each["label"], each["middle"], each["gain"]) for each in chart["frontier"]] == [
        ("onnxruntime", 10, 90),
        ("torch", 20, 95),
    ]


@needs_drawing
def test_a_frontier_is_of_one_scenario_and_says_what_it_leaves_out(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(Database(settings), results([10.0, 11.0]), results([5.0], parameters={"scenario": "offline"}))
    assert main(["result", "plot", "--output", str(tmp_path / "a.svg")]) == 0
    out = capsys.readouterr().out
    assert "not drawn in frontier: 1 result of another scenario, or without this measure of accuracy\n" in out
    assert f"\n2 of 3 results → {tmp_path}/a.svg" in out


@needs_drawing
@pytest.mark.parametrize("kind", ["frontier", "throughput", "history", "report"])
def test_accuracy_mode_is_in_no_chart_and_it_is_said(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    kept(Database(settings), results([10.0, 11.0]), results([5.0], mode="accuracy"))
    path = tmp_path / "a.html"
    assert main(["result", "plot", kind, "--output", str(path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["results"], {each["results"] for each in document["charts"]}) == (2, {2})
    assert main(["result", "plot", kind, "--output", str(path)]) == 0
    assert "not drawn: 1 result in accuracy mode, whose times are no measurement\n" in capsys.readouterr().out


@needs_drawing
def test_results_of_accuracy_mode_only_draw_nothing(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(Database(settings), results([10.0, 11.0], mode="accuracy"))
    assert main(["result", "plot", "--output", str(tmp_path / "a.svg")]) == 2
    said = "error: nothing can be drawn: 2 results in accuracy mode, whose times are no measurement\n"
    assert capsys.readouterr().err.startswith(said)


class _Page(HTMLParser):
    """What a browser would make of a page: its elements, and every address in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.addresses: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "action", "data")]


@needs_drawing
def test_a_page_obeys_no_stranger_and_needs_no_network(settings: Settings, tmp_path: Path) -> None:
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(1)>&amp;'\""
    row = {**ROW, **dict.fromkeys(("model", "system_name", "submitter", "framework"), hostile)}
    main(["result", "import", str(write(tmp_path / "rows.csv", row, {**row, "result": "3", "accuracy": "75"}))])
    path = tmp_path / "page.html"
    assert main(["result", "plot", "--with", "mlperf", "--output", str(path)]) == 0
    text = path.read_text(encoding="utf-8")
    assert "alert(1)" in text
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    page = _Page(text)
    assert page.elements.count("script") == 3
    assert page.addresses == []
    assert "default-src &#x27;none&#x27;" in text
    assert mlperf.ORIGIN.citation in text
    (spec,) = re.findall(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)
    assert hostile in {value["name"] for value in layer_values(json.loads(spec))}


@needs_drawing
def test_a_picture_escapes_and_cites_too(settings: Settings, tmp_path: Path) -> None:
    main(["result", "import", str(write(tmp_path / "rows.csv", {**ROW, "model": "<b>&\x07"}))])
    path = tmp_path / "chart.svg"
    assert main(["result", "plot", "--with", "mlperf", "--output", str(path)]) == 0
    text = path.read_text(encoding="utf-8")
    assert "&lt;b&gt;&amp;�" in text
    assert "measured by their submitters" in text


def test_without_vl_convert_the_message_names_the_command(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    kept(Database(settings), several())
    assert main(["result", "plot", "--output", str(tmp_path / "a.png")]) == 2
    err = capsys.readouterr().err
    assert "drawing needs vl-convert, which is not installed here" in err
    assert "pip install 'cmx-bench[plot]'" in err
    assert list(tmp_path.glob("*.png")) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "a.pdf"], "a.pdf: cannot draw as 'pdf': the forms are html, png, svg"),
        (["latency", "--with", "mlperf"], "--with: not in a chart of latency"),
        (["--with", "mlperf"], "no results of 'mlperf' were imported"),
        (["pie"], "invalid choice: 'pie'"),
        ([], "no valid result matches"),
    ],
)
def test_what_cannot_be_drawn_is_explained(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "vl_convert", sys)  # these are refused before anything is drawn
    assert main(["result", "plot", *arguments]) == 2
    assert message in capsys.readouterr().err


@needs_drawing
def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    from cmx.errors import StoreError

    (tmp_path / "file").touch()
    points = chart_points.rates(chart_points.groups([result()])[0])
    with pytest.raises(StoreError, match="file"):
        draw([charts.throughput(points, [])], tmp_path / "file" / "a.svg", Page("x"))


def test_results_are_found_by_another_name_of_their_framework(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(Database(settings), [result(), result(framework="ai-edge-litert==2.3.0")])
    assert main(["result", "list", "--framework", "litert", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["results"]
    assert found["pins"]["framework"] == "software/ai-edge-litert==2.3.0"
