"""LoadGen's configuration files: ``MODEL.SCENARIO.KEY = NUMBER``, times in ms, percentiles in percent.

LoadGen passes by what it does not know, and so loses what was misspelt; here that is an error with its line.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cmx.worker.loadgen.seam import LoadError
from cmx.worker.loadgen.settings import NAMES, Settings

_ALL: dict[str, tuple[str, float]] = {
    "min_duration": ("min_duration_ms", 1),
    "max_duration": ("max_duration_ms", 1),
    "min_query_count": ("min_query_count", 1),
    "max_query_count": ("max_query_count", 1),
    "accuracy_log_rng_seed": ("accuracy_log_rng_seed", 1),
    "accuracy_log_sampling_target": ("accuracy_log_sampling_target", 1),
    "print_timestamps": ("print_timestamps", 1),
    "performance_issue_unique": ("performance_issue_unique", 1),
    "performance_issue_same": ("performance_issue_same", 1),
    "performance_issue_same_index": ("performance_issue_same_index", 1),
    "performance_sample_count_override": ("performance_sample_count_override", 1),
    "accuracy_sample_count_override": ("accuracy_sample_count_override", 1),
}
_OWN: dict[str, dict[str, tuple[str, float]]] = {
    "single-stream": {
        "target_latency_percentile": ("single_stream_target_latency_percentile", 0.01),
        "target_latency": ("single_stream_expected_latency_ns", 1e6),
    },
    "multi-stream": {
        "target_latency_percentile": ("multi_stream_target_latency_percentile", 0.01),
        "target_latency": ("multi_stream_expected_latency_ns", 1e6),
        "samples_per_query": ("multi_stream_samples_per_query", 1),
    },
    "server": {
        "target_latency_percentile": ("server_target_latency_percentile", 0.01),
        "target_latency": ("server_target_latency_ns", 1e6),
        "target_qps": ("server_target_qps", 1),
        "coalesce_queries": ("server_coalesce_queries", 1),
        "max_async_queries": ("server_max_async_queries", 1),
    },
    "offline": {"target_qps": ("offline_expected_qps", 1)},
}
_IGNORED = {
    *("qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed", "sample_concatenate_permutation"),
    *("accuracy_log_probability", "use_token_latencies", "ttft_latency", "tpot_latency", "infer_token_latencies"),
    *("token_latency_scaling_factor", "test05_qsl_rng_seed", "test05_sample_index_rng_seed"),
    "test05_schedule_rng_seed",
}
"""What LoadGen takes from mlperf.conf and from nowhere else."""
_FRACTIONAL = ("target_qps", "target_latency_percentile")
_FRACTIONAL_LATENCY = ("SingleStream", "MultiStream")
"""Where target_latency may have a fraction of a ms: in Server LoadGen would cut it off."""
_OWN_KEYS = {key for own in _OWN.values() for key in own}


class _Line(NamedTuple):
    number: int
    model: str
    scenario: str
    key: str
    value: float


def read(path: Path, model: str, scenario: str) -> dict[str, Any]:
    """The fields of Settings that a user.conf sets for a model in a scenario.

    The most particular line wins: ``model.scenario.key``, ``*.scenario.key``, ``model.*.key``, ``*.*.key``. Raises
    LoadError with the line for what LoadGen would pass by or refuse.
    """
    lines = {f"{line.model}.{line.scenario}.{line.key}": line.value for line in _lines(path)}
    found: dict[str, Any] = {}
    for key, (field, factor) in {**_ALL, **_OWN[scenario]}.items():
        places = (f"{model}.{NAMES[scenario]}", f"*.{NAMES[scenario]}", f"{model}.*", "*.*")
        values = [lines[f"{place}.{key}"] for place in places if f"{place}.{key}" in lines]
        if values:
            found[field] = _typed(field, values[0] * factor)
    return found


def write(settings: Settings, effective: Mapping[str, Any], path: Path) -> None:
    """A user.conf that has LoadGen do what it did: the settings that it takes from one, for any model.

    ``effective`` is a Report's ``settings``. Seeds, and what else LoadGen takes from mlperf.conf only, are comments.
    """
    scenario = settings.scenario
    lines = [f"# what LoadGen did in this run: {NAMES[scenario]}, {settings.mode}; times in ms"]
    for key, (field, factor) in {**_ALL, **_OWN[scenario]}.items():
        value = _in_effect(field, settings, effective)
        if value is not None and not (field == "max_query_count" and scenario == "offline"):
            number = float(value) / factor
            number = number if _may_be_fractional(NAMES[scenario], key) else math.floor(number)
            lines.append(f"*.{NAMES[scenario]}.{key} = {_number(number)}")
    lines += [f"# {name} = {effective[name]}" for name in effective if name.endswith("_rng_seed")]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _in_effect(field: str, settings: Settings, effective: Mapping[str, Any]) -> Any:
    """What held in the run; None for what was left as LoadGen has it."""
    given = settings.given().get(field)
    if given is not None or not settings.configured:
        return given
    name = field
    for prefix in ("single_stream_", "multi_stream_", "server_", "offline_"):
        name = name.replace(prefix, "")
    return effective.get(name.replace("expected_", "target_"))


def _lines(path: Path) -> Iterator[_Line]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LoadError(f"{path}: cannot be read: {error}", "give a user.conf as LoadGen has it") from error
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if words:
            yield _line(path, number, words)


def _line(path: Path, number: int, words: list[str]) -> _Line:
    where = f"{path}:{number}"
    if len(words) != 3 or words[1] != "=":
        raise LoadError(f"{where}: {' '.join(words)!r} is not 'model.scenario.key = value'", "spaces around the '='")
    model, scenario, key = _parts(where, words[0])
    try:
        value = float(int(words[2], 0)) if words[2].lower().startswith(("0x", "-0x")) else float(words[2])
    except ValueError:
        value = math.nan
    fractional = _may_be_fractional(scenario, key)
    if not math.isfinite(value) or value < 0 or (not fractional and value != int(value)):
        whole = "a number" if fractional else "a whole number"
        raise LoadError(f"{where}: {key} is {words[2]!r}", f"give {whole}; times are in ms, percentiles in percent")
    return _Line(number, model, scenario, key, value)


def _may_be_fractional(scenario: str, key: str) -> bool:
    return key in _FRACTIONAL or (key == "target_latency" and scenario in _FRACTIONAL_LATENCY)


def _parts(where: str, name: str) -> tuple[str, str, str]:
    parts = name.rsplit(".", 2)
    if len(parts) != 3:
        raise LoadError(f"{where}: {name!r} is no 'model.scenario.key'", "as in *.Server.target_qps = 20")
    model, scenario, key = parts
    if scenario not in (*NAMES.values(), "*"):
        raise LoadError(f"{where}: there is no scenario {scenario!r}", _nearest(scenario, [*NAMES.values(), "*"]))
    if key == "mode":
        raise LoadError(f"{where}: cmx has to know the mode before LoadGen reads this", "give --mode, and leave it out")
    if key in _IGNORED:
        raise LoadError(
            f"{where}: LoadGen does not take {key} from a user.conf", f"--set {key.replace('_', '-')}=VALUE"
        )
    own = {known for each, known in ((s, k) for s in NAMES for k in _OWN[s]) if scenario in (NAMES[each], "*")}
    if key not in _ALL and key not in own:
        what = f"{scenario} has no" if key in _OWN_KEYS else "LoadGen knows no"
        raise LoadError(f"{where}: {what} {key!r}", _nearest(key, [*_ALL, *sorted(own)]))
    return model, scenario, key


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else "there is: " + ", ".join(known)


def _typed(field: str, value: float) -> Any:
    """As Settings has it: LoadGen takes any number but 0 for true."""
    kind = str(Settings.__dataclass_fields__[field].type)
    if "bool" in kind:
        return bool(value)
    return round(value) if "int" in kind else round(value, 12)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.12g}"
