"""Comparing results: what may be compared, what is pooled, what is said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from many_results import host, kept, result, results

from cmx.cli.main import main
from cmx.errors import UsageError
from cmx.host import Noise
from cmx.results import Database, Result
from cmx.results.compare import compare, launches
from cmx.results.selection import conditions, matching, select
from cmx.settings import Settings

SIX = [10.0, 10.1, 10.2, 10.3, 10.4, 10.5]
SLOWER = [each * 1.1 for each in SIX]


def interleaved(first: Sequence[float], second: Sequence[float], **changed: Any) -> tuple[list[Result], list[Result]]:
    """A B A B …; ``changed`` is what B has of its own."""
    pairs = [(result(a), result(b, **changed)) for a, b in zip(first, second, strict=True)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def test_a_tenth_slower_is_found_and_what_differs_is_named() -> None:
    a, b = interleaved(SIX, SLOWER, framework="onnxruntime==1.20.1", host=host(kernel="Linux 6.1"))
    (found,) = compare(a, b)
    assert found.ratio.verdict == "slower"
    assert found.ratio.estimate == pytest.approx(1.1)
    assert found.ratio.low is not None
    assert found.ratio.low > 1
    assert (found.a.median, found.measure.name) == (10.25e6, "p50")
    assert [(each.group, each.name, each.a, each.b) for each in found.differences] == [
        ("plan", "framework", "onnxruntime==1.31.1", "onnxruntime==1.20.1"),
        ("host", "kernel", "-", "Linux 6.1"),
    ]
    assert found.cautions == ()


def test_the_same_configuration_shows_no_difference_and_nothing_differs() -> None:
    a, b = interleaved(SIX, SIX[::-1])
    (found,) = compare(a, b)
    assert (found.ratio.verdict, found.differences) == ("no difference shown", ())


def test_frameworks_that_read_the_same_weights_in_their_own_forms_are_comparable() -> None:
    a, b = interleaved(SIX, SLOWER, framework="torch==2.13.0", variant="torch")
    (found,) = compare(a, b)
    assert {each.name: (each.a, each.b) for each in found.differences}["model variant"] == ("onnx", "torch")


def test_other_weights_are_refused_by_name() -> None:
    a, b = interleaved(SIX, SLOWER, weights="v" * 64)
    with pytest.raises(UsageError, match=r"did not do the same work: model: model/efficientnet-lite0"):
        compare(a, b)


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"threads": 2}, "threads"),
        ({"batch-size": 8}, "batch-size"),
        ({"batch-size": 8, "threads": 2}, "batch-size,threads"),
    ],
)
def test_what_is_not_comparable_is_refused_with_the_key_and_can_be_asked_for(
    parameters: dict[str, int], names: str
) -> None:
    a, b = interleaved(SIX, SLOWER, parameters=parameters)
    with pytest.raises(UsageError, match=f"{names.split(',')[0]}: 1 and {next(iter(parameters.values()))}") as caught:
        compare(a, b)
    assert caught.value.hint == f"--across {names} compares them all the same"
    (found,) = compare(a, b, across=names.split(","))
    assert found.measure.name == ("throughput" if "batch-size" in parameters else "p50")
    assert found.ratio.verdict == "slower"


def test_a_setting_of_the_framework_is_a_difference_and_is_not_mixed() -> None:
    a, b = interleaved(SIX, SLOWER, settings={"graph-optimisation": "disable"})
    (found,) = compare(a, b)
    assert [tuple(each) for each in found.differences] == [("setting", "graph-optimisation", "-", "disable")]
    with pytest.raises(UsageError, match="B is not one configuration: graph-optimisation is disable"):
        compare(a, [*b, result(settings={"graph-optimisation": "all"})])


def test_what_is_in_effect_is_named_where_it_is_not_what_was_set() -> None:
    a = [result(each, settings={"graph-optimisation": "all"}, predictor={"graph_optimisation": "all"}) for each in SIX]
    told = {"graph_optimisation": "disable", "device": "cpu:1"}
    b = [result(each, settings={"graph-optimisation": "disable"}, predictor=told) for each in SLOWER]
    (found,) = compare(a, b)
    assert [tuple(each) for each in found.differences] == [
        ("setting", "graph-optimisation", "all", "disable"),
        ("setting", "device (in effect)", "-", "cpu:1"),
    ]


def test_a_package_that_is_a_role_of_the_other_side_is_named_once() -> None:
    a, b = result(parameters={"engine": "native"}), result(parameters={"engine": "loadgen"})
    package = {"name": "mlcommons-loadgen", "version": "6.0.17", "hashes": []}
    for each in (a, b):
        each.plan["environments"]["main"]["packages"].append(package)
    a.plan["environments"]["main"]["packages"].append({"name": "protobuf", "version": "6", "hashes": []})
    b = replace(b, pins={**b.pins, "loadgen": "software/mlcommons-loadgen==6.0.17"})
    told = [("plan", "loadgen", "-", "mlcommons-loadgen==6.0.17"), ("setting", "engine", "native", "loadgen")]
    (found,) = compare([a], [b])
    assert [tuple(each) for each in found.differences] == [*told, ("package", "protobuf", "6", "-")]
    (turned,) = compare([b], [a])
    assert [(each.name, each.b, each.a) for each in turned.differences[:2]] == [each[1:] for each in told]


def test_times_of_accuracy_mode_are_not_compared_with_any() -> None:
    timed, scored = result(), result(mode="accuracy")
    for a, b, side in ((timed, scored, "B"), (scored, timed, "A"), (scored, result(mode="accuracy"), "A")):
        for measure in ("", "p50", "throughput"):
            with pytest.raises(UsageError, match=f"{side}: {scored.short} ran in accuracy mode, and its times are no"):
                compare([a], [b], measure=measure, across=["mode"])
    (found,) = compare([timed, scored], [result(12.0), scored, result(mode="submission", p50=13.0)])
    assert (found.a.values, found.b.values) == ((10e6,), (12e6, 13e6))


def test_what_else_accuracy_mode_measured_is_compared_with_its_own() -> None:
    timed, scored = result(), result(mode="accuracy")
    with pytest.raises(UsageError, match=r"did not do the same work: mode: submission and accuracy$") as caught:
        compare([result(mode="submission")], [scored], measure="load")
    assert caught.value.hint == "--across mode compares them all the same"
    assert compare([timed], [scored], measure="load", across=["mode"])[0].ratio.estimate == 1
    (found,) = compare([timed, scored], [result(mode="accuracy")], measure="load")
    assert (found.work["mode"], found.a.results) == ("accuracy", (scored,))


def test_a_misspelt_key_of_across_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="--across treads") as caught:
        compare([result()], [result()], across=["treads"])
    assert caught.value.hint == "did you mean 'threads'?"


def test_matrices_are_compared_point_by_point() -> None:
    a = [each for batch in (8, 1) for each in results(SIX, parameters={"batch-size": batch})]
    b = [
        each
        for batch in (8, 1, 4)
        for each in results(SLOWER, framework="torch==2.13.0", parameters={"batch-size": batch})
    ]
    assert [each.work["batch-size"] for each in compare(a, b)] == [1, 8]


def test_a_side_that_mixes_configurations_is_refused() -> None:
    mixed = [*results(SIX), result(framework="onnxruntime==1.20.1")]
    with pytest.raises(UsageError, match=r"A is not one configuration: framework is onnxruntime==1.31.1"):
        compare(mixed, results(SIX, framework="torch==2.13.0"))
    elsewhere = [*results(SIX), result(host=host(hostname="other"))]
    with pytest.raises(UsageError, match="hostname"):
        compare(results(SIX), elsewhere)


def test_how_long_a_measurement_went_on_makes_no_other_configuration() -> None:
    a = [result(each, parameters={"duration": 1 + each}) for each in SIX]
    assert compare(a, results(SLOWER))[0].ratio.verdict == "slower"


def test_too_few_launches_are_counted_and_the_estimate_is_given() -> None:
    (found,) = compare([result(10)], results(SLOWER))
    assert (found.ratio.verdict, found.ratio.low) == ("too few launches", None)
    assert "an interval needs 5 launches of each, here are 1 of A and 6 of B" in found.cautions


def test_one_side_after_the_other_is_cautioned() -> None:
    (found,) = compare(results(SIX), results(SLOWER))
    assert found.cautions[0].startswith("one was measured after the other")


def test_noise_and_other_answers_are_cautioned() -> None:
    noise = Noise(elapsed_ns=10**10, cpus=2, load=2.4)
    a, b = interleaved(SIX, SLOWER, noise=noise, accuracy=0.5, framework="torch==2.13.0")
    assert compare(a, b)[0].cautions == (
        "6 of 6 results of B were measured on a noisy machine",
        "the answers differ: top_1 0.900 and top_1 0.500",
    )


def test_a_result_against_itself_is_refused() -> None:
    same = result()
    with pytest.raises(UsageError, match="on both sides"):
        compare([same], [same])


def test_every_launch_of_a_result_counts() -> None:
    one = replace(result(), statistics={"count": 641, "percentiles": {}})  # as records of before had it
    told = [{"launch": n, "median": round(each * 1e6), "throughput": 1000 / each} for n, each in enumerate(SLOWER, 1)]
    many = replace(one, statistics={"launches": told})
    assert [each.values["median"] for each in launches([many])] == [round(each * 1e6) for each in SLOWER]
    assert [each.values["median"] for each in launches([one])] == [10_000_000]


def test_results_that_are_not_valid_are_compared_only_when_asked_for(settings: Settings) -> None:
    a, b = interleaved(SIX, SLOWER)
    b = [replace(each, valid=False, reasons=("LoadGen's verdict is INVALID: too short",)) for each in b]
    with pytest.raises(UsageError, match=r"B: .* is not valid: LoadGen's verdict is INVALID: too short"):
        compare(a, b)
    assert compare(a, b, invalid=True)[0].ratio.verdict == "slower"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["framework=torch"], [1]),
        (["framework!=torch"], [0, 2]),
        (["framework=onnxruntime>=1.20,<1.31"], [2]),
        (["batch-size=8"], [2]),
        (["batch-size<8,framework=onnxruntime"], [0]),
        (["model=efficientnet-lite0[torch]"], [1]),
        (["model=efficientnet-lite0"], [0, 1, 2]),
        (["workflow=image-classification>=1.2", "valid=true"], [0, 1, 2]),
        (["created>=2026-01-01", "created<2027"], [0, 1, 2]),
        (["cpu=Cortex-A72", "batch-size>1"], [2]),
        (["batch-size=1.0", "status=failed"], []),
        (["cpu=Cortex-A*", "cpu!=*-A53"], [0, 1, 2]),
        (["spinning=true"], [1]),
    ],
)
def test_conditions_choose_results(words: list[str], expected: list[int]) -> None:
    three = [
        result(),
        result(framework="torch==2.13.0", variant="torch", settings={"spinning": True}),
        result(framework="onnxruntime==1.20.1", parameters={"batch-size": 8}),
    ]
    assert [three.index(each) for each in matching(three, conditions(words))] == expected


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        ("created=2026-11-22", [0, 1]),
        ("created!=2026-11-22", [2]),
        ("created=2026-11", [0, 1, 2]),
        ("created=2026-*-22*", [0, 1]),
        ("created=2026-11-22T16:13", [1]),
        ("created=2026-11-22 17:13:40+01:00", [1]),
        ("created=2026-11-22T16:13:40.922Z", [1]),
        ("created>2026-11-22", [2]),
        ("created<=2026-11-22", [0, 1]),
        ("created>=2026-11-22", [0, 1, 2]),
        ("created<2026-11-22", []),
        ("created<2026-11-22T16:13", [0]),
        ("created>2025", [0, 1, 2]),
        ("created<=2026-10", []),
    ],
)
def test_a_time_stands_for_all_of_its_day_or_minute(condition: str, met: list[int]) -> None:
    times = ("2026-11-22T00:00:00.000Z", "2026-11-22T16:13:40.922Z", "2026-11-23T00:00:00.000Z")
    three = [result(created=time) for time in times]
    assert [three.index(each) for each in matching(three, conditions([condition]))] == met


@pytest.mark.parametrize(
    "condition",
    [
        *("created<yesterday", "created=now", "created>=2026-13", "created<2026-02-30", "created>3", "created<2026-*"),
        *("created=2026-11-22T24:30", "created=2026-11-22T16:13+25:00", "created<=9999-12-31", "created!=22.11.2026"),
    ],
)
@pytest.mark.parametrize("of", [[], [result()]])
def test_what_is_no_time_is_refused(condition: str, of: list[Result]) -> None:
    with pytest.raises(UsageError, match=r"created is a time, and '.*' is none") as caught:
        matching(of, conditions([condition]))
    assert caught.value.hint.startswith("write a day or a time in UTC, as in created")


def test_what_a_result_has_not_meets_no_order() -> None:
    two = [result(parameters={"max-duration": None}), result(parameters={"max-duration": 5.0})]
    assert matching(two, conditions(["max-duration<7"])) == (two[1],)


def test_hashes_are_no_numbers() -> None:
    two = [result(id="1234567890123456"), result(id="12345678901234560")]
    assert matching(two, conditions(["id=1234567890123456"])) == (two[0],)
    assert matching(two, conditions(["id!=1234567890123456.0"])) == tuple(two)


def test_a_role_is_found_by_the_name_it_was_asked_for_by() -> None:
    made = replace(result(framework="ai-edge-litert==2.3.0"), request={"use": {"framework": "litert==2.3.0"}})
    assert matching([made, result()], conditions(["framework=litert"])) == (made,)
    assert matching([made], conditions(["framework=ai-edge-litert>=2"])) == (made,)
    assert matching([made], conditions(["framework=litert>=3"])) == ()


@pytest.mark.parametrize(
    ("word", "message", "hint"),
    [
        ("framework", "'framework' is not a condition", "write KEY=VALUE, as in framework=onnxruntime"),
        ("batch-size=", "'batch-size=' is not a condition", "write KEY=VALUE, as in framework=onnxruntime"),
        ("batchsize=1", "batchsize=1: no result has 'batchsize'", "did you mean 'batch-size'?"),
        ("framework>2", "framework>2: framework has no order", "write framework=NAME>VERSION"),
        ("batch-size>=x", "batch-size>=x: batch-size is a number, and 'x' is none", "as in batch-size>=1"),
        ("cpu>3", "cpu>3: cpu is a text, and has no order", "write cpu=TEXT, where * stands for anything"),
        ("key>3", "key>3: key is a text, and has no order", "write key=TEXT, where * stands for anything"),
        ("engine<m", "engine<m: engine is a text, and has no order", "write engine=TEXT, where * stands for anything"),
        ("valid>1", "valid>1: valid is true or false, and has no order", "write valid=true or valid=false"),
    ],
)
def test_a_bad_condition_names_the_remedy(word: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        matching([result(parameters={"engine": "native"})], conditions([word]))
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_ids_and_conditions_select_from_the_database(settings: Settings) -> None:
    database = Database(settings)
    a, b = interleaved(SIX[:2], SLOWER[:2], framework="torch==2.13.0")
    kept(database, a, b)
    assert {each.id for each in select(database, "framework=torch")} == {each.id for each in b}
    assert [each.id for each in select(database, f"{a[1].id},{a[0].id}")] == [a[1].id, a[0].id]
    with pytest.raises(UsageError, match=r"no result meets framework=torch and batch-size=8"):
        select(database, "framework=torch", conditions(["batch-size=8"]))


def test_the_command_says_who_is_slower(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    kept(Database(settings), *interleaved(SIX, SLOWER, framework="torch==2.13.0"))
    assert main(["result", "compare", "framework=onnxruntime", "framework=torch"]) == 0
    out = capsys.readouterr().out
    shown = [" ".join(line.split()) for line in out.splitlines()]
    assert shown[:2] == [
        "SCENARIO A p50 ms B p50 ms B/A INTERVAL LAUNCHES VERDICT",
        "single-stream 10.25 11.28 1.100 1.069 to 1.132 6 and 6 slower",
    ]
    assert "B is slower than A: 1.100 times A's p50 (95.9% interval 1.069 to 1.132)" in shown
    assert "plan framework onnxruntime==1.31.1 torch==2.13.0" in shown
    over = "the median of their launches; of each its p50, without the queries before its steady state"
    assert f"A and B: {over}" in shown


def test_the_command_answers_json(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    kept(Database(settings), *interleaved(SIX, SIX))
    ids = [each.id for each in Database(settings).list()]
    assert (
        main(["result", "compare", ",".join(ids[::2]), ",".join(ids[1::2]), "--json", "--measure", "throughput"]) == 0
    )
    (found,) = json.loads(capsys.readouterr().out)["comparisons"]
    assert found["ratio"]["verdict"] == "no difference shown"
    assert found["unit"] == "/s"
    assert found["a"]["launches"] == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--confidence", "95"], "--confidence 95: not between 0 and 1"),
        (["--measure", "p5"], "--measure p5: no such measure"),
        (["--measure", "energy"], "has no energy"),
    ],
)
def test_the_commands_options_are_checked(
    settings: Settings, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    kept(Database(settings), *interleaved(SIX, SLOWER, framework="torch==2.13.0"))
    assert main(["result", "compare", "framework=onnxruntime", "framework=torch", *options]) == 2
    assert message in capsys.readouterr().err
