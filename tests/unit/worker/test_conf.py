"""LoadGen's user.conf: read with LoadGen's precedence, and what LoadGen would pass by is an error with its line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cmx.worker.loadgen import LoadError, Settings, conf
from cmx.worker.loadgen.settings import NAMES

PROGRAM = """
import json, sys
import mlperf_loadgen as lg
settings = lg.TestSettings()
status = settings.FromConfig(sys.argv[1], sys.argv[2], sys.argv[3], 1)
names = [n for n in dir(settings) if not n.startswith("_") and n not in ("FromConfig", "scenario", "mode")]
print(json.dumps({"status": status, **{n: getattr(settings, n) for n in names}}))
"""
LINES = """
# every key, and each place that a key may stand in
mine.Server.target_qps = 3
*.Server.target_qps = 4
*.Server.target_latency = 200
mine.*.min_duration = 5
*.*.min_duration = 6
*.Server.min_query_count = 7
mine.*.min_query_count = 8
*.*.max_query_count = 9
*.*.max_duration = 10
*.*.target_latency_percentile = 95
*.Server.coalesce_queries = 1
*.Server.max_async_queries = 11
*.MultiStream.samples_per_query = 12
*.SingleStream.target_latency = 1.3
*.MultiStream.target_latency = 14
*.Offline.target_qps = 15.5
*.*.accuracy_log_rng_seed = 16
*.*.accuracy_log_sampling_target = 17
*.*.print_timestamps = 1
*.*.performance_issue_unique = 1
*.*.performance_issue_same = 0
*.*.performance_issue_same_index = 18
*.*.performance_sample_count_override = 0x13
*.*.accuracy_sample_count_override = 20
"""


@pytest.mark.parametrize("scenario", list(NAMES))
def test_a_user_conf_is_read_as_loadgen_reads_it(tmp_path: Path, scenario: str) -> None:
    pytest.importorskip("mlperf_loadgen")
    path = tmp_path / "user.conf"
    path.write_text(LINES)
    command = [sys.executable, "-c", PROGRAM, str(path), "mine", NAMES[scenario]]
    theirs = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    ours = conf.read(path, "mine", scenario)
    assert theirs["status"] == 0
    assert {name: pytest.approx(theirs[name]) for name in ours} == ours
    assert len(ours) >= 13


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("*.Server.target_qps=20", "'*.Server.target_qps=20' is not 'model.scenario.key = value'", "spaces around"),
        ("*.Sever.target_qps = 20", "there is no scenario 'Sever'", "did you mean 'Server'?"),
        ("target_qps = 20", "'target_qps' is no 'model.scenario.key'", "as in *.Server.target_qps = 20"),
        ("*.Server.qsl_rng_seed = 20", "LoadGen does not take qsl_rng_seed from a user.conf", "--set qsl-rng-seed="),
        ("*.Server.samples_per_query = 2", "Server has no 'samples_per_query'", ""),
        ("*.Server.min_duration = 1.5", "min_duration is '1.5'", "give a whole number"),
        ("*.*.mode = 1", "cmx has to know the mode before LoadGen reads this", "give --mode, and leave it out"),
        ("*.Server.target_latency = 1.5", "target_latency is '1.5'", "give a whole number"),
        ("*.Server.target_qps = many", "target_qps is 'many'", "give a number"),
        ("*.Server.target_qps = nan", "target_qps is 'nan'", "give a number"),
    ],
)
def test_what_loadgen_would_pass_by_is_an_error(tmp_path: Path, line: str, message: str, hint: str) -> None:
    path = tmp_path / "user.conf"
    path.write_text(f"# mine\n{line}\n")
    with pytest.raises(LoadError) as caught:
        conf.read(path, "m", "server")
    assert str(caught.value) == f"{path}:2: {message}"
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize("scenario", list(NAMES))
def test_what_is_written_is_read_back(tmp_path: Path, scenario: str) -> None:
    own = {
        "single-stream": {"single_stream_expected_latency_ns": 1_500_000},
        "multi-stream": {"multi_stream_samples_per_query": 4, "multi_stream_target_latency_percentile": 0.999},
        "server": {"server_target_qps": 12.5, "server_target_latency_ns": 200_000_000, "server_coalesce_queries": True},
        "offline": {"offline_expected_qps": 1e3 / 3},
    }[scenario]
    fields = {"min_duration_ms": 250, "min_query_count": 33, **own}
    path = tmp_path / "user.conf"
    conf.write(Settings(scenario=scenario, qsl_rng_seed=3, **fields), {"qsl_rng_seed": 3}, path)  # type: ignore[arg-type]
    assert conf.read(path, "any", scenario) == pytest.approx(fields)
    assert "# qsl_rng_seed = 3" in path.read_text()


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="cannot be read"):
        conf.read(tmp_path / "user.conf", "m", "server")
