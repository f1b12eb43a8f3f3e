"""What a framework's predictor adds: the same model, threads and input through the predictor and in a loop of its own.

    python benchmarks/predictors.py [--pairs 9] [--seconds 2] [--only onnxruntime,torch]

cmx makes an environment for each framework and the variant of EfficientNet-Lite0 that it runs (for jax and mxnet, four
convolutions); a framework that cannot be had here is left out, with the reason. A pair is a fresh process that loads
both sides and calls them in turns, so that what else the machine does hits both alike; which is loaded first turns
round from pair to pair, and a pair of every framework comes before the next pair of any.
Exit status 1 where the median of a framework's ratios is more than 5 % from 1.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import loops

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

WITHIN = 0.05
FRAMEWORKS = {"torch": "torch==2.13.0", "mxnet": "mxnet==1.9.1"}
"""What is asked for, where it is not simply the newest: a newer torch is gigabytes of CUDA."""
OWN = {"jax": [1, loops.SIDE, loops.SIDE, 3], "mxnet": [1, 3, loops.SIDE, loops.SIDE]}
"""The shape of the network that is made for a framework, of which no model has a variant."""
REPOSITORY = {
    "actions/nothing/component.yaml": "schema: 1\nkind: action\nuid: a6f1d0c9b8e74253\nname: nothing\nversion: 1.0.0\n"
    "description: Needs a framework\nentry: action.py:nothing\n"
    "requires: {framework: software, numpy: software/numpy>=1.22}\n",
    "actions/nothing/action.py": "def nothing(context): ...\n",
    "workflows/nothing/component.yaml": "schema: 1\nkind: workflow\nuid: b6f1d0c9b8e74253\nname: nothing\n"
    "version: 1.0.0\ndescription: Needs a framework\nrequires: {framework: software/jax}\n"
    "steps: [{id: nothing, action: nothing}]\n",
}


@dataclass
class Subject:
    """What both sides measure: ``file`` is its description for them; ``pairs`` are the ratios found so far."""

    name: str
    python: Path
    file: Path
    ratios: list[float] = field(default_factory=list)
    cpu_ratios: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    calls: int = 0


def main() -> int:
    """Print a line for each pair and each verdict; returns the exit status."""
    arguments = _arguments()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder:
        wanted = arguments.only.split(",") if arguments.only else list(loops.LOOPS)
        subjects = list(prepare(Path(folder), wanted))
        for number in range(arguments.pairs):
            for subject in subjects:
                compare(subject, number, arguments.seconds)
                print(_line(number + 1, subject), flush=True)
    print()
    return max([_verdict(subject) for subject in subjects], default=1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=9, help="pairs to measure; an interval needs 6 (default: 9)")
    parser.add_argument("--seconds", type=float, default=2, help="of calling in a pair (default: 2)")
    parser.add_argument("--only", default="", metavar="NAMES", help="these frameworks (default: all)")
    return parser.parse_args()


def prepare(folder: Path, names: list[str]) -> Iterator[Subject]:
    """Environments and models; a framework that cannot be had is left out."""
    from cmx.errors import CmxError

    for name, text in REPOSITORY.items():
        file = folder / "repository" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    for name in names:
        try:
            yield _own(name, folder) if name in OWN else _of_model(name, folder)
        except (CmxError, subprocess.CalledProcessError) as error:
            print(f"{name} is left out: {error}")


def _of_model(name: str, folder: Path) -> Subject:
    """EfficientNet-Lite0 in the framework's variant, as the step ``compile`` finds it."""
    import cmx
    from cmx.runner.provision import Provisioner
    from cmx.worker.context import Role

    catalog = cmx.Catalog.default()
    plan = cmx.resolve(catalog, action="compile", use={"framework": FRAMEWORKS.get(name, name)})
    done = cmx.run(plan, catalog=catalog)
    if done.error:
        raise cmx.CmxError(done.error["message"])
    provisioner = _provisioner(Provisioner, plan, catalog)
    model, pin = provisioner.files("model"), plan.pins["model"]
    described = provisioner.component(pin)
    component = dict(Role(pin.reference, pin.variant, None, described.document, described.folder).properties)
    shape = [side if isinstance(side, int) else 1 for side in component["inputs"][0]["shape"]]
    return _subject(name, folder, provisioner, str(model.path), component, shape)


def _own(name: str, folder: Path) -> Subject:
    """A network that the framework itself makes."""
    import cmx
    from cmx.repository import Repository
    from cmx.runner.provision import Provisioner

    default = cmx.Catalog.default()
    catalog = cmx.Catalog([*default.repositories, Repository.open(folder / "repository")], default.settings)
    plan = cmx.resolve(catalog, "nothing", use={"framework": FRAMEWORKS.get(name, name)})
    provisioner = _provisioner(Provisioner, plan, catalog)
    made = folder / name
    made.mkdir()
    subprocess.run([str(provisioner.python("main")), "-I", loops.__file__, "make", name, str(made)], check=True)
    files = sorted(made.iterdir())
    inputs = [{"name": "image", "dtype": "float32", "shape": OWN[name]}]
    return _subject(name, folder, provisioner, str(made if len(files) > 1 else files[0]), {"inputs": inputs}, OWN[name])


def _provisioner(kind: Any, plan: Any, catalog: Any) -> Any:
    from cmx.reporter import Reporter

    def refuse(*_: Any) -> Any:
        raise RuntimeError("everything was made before")

    return kind(plan, catalog, catalog.settings, work=refuse, offline=False, reporter=Reporter())


def _subject(
    name: str, folder: Path, provisioner: Any, model: str, component: dict[str, Any], shape: list[int]
) -> Subject:
    from cmx.runner.provision import role_document

    pin = provisioner.plan.pins["framework"]
    framework = {**role_document(pin, provisioner.component(pin), None), "name": name}
    document = {"framework": framework, "model": model, "component": component, "shape": shape}
    file = folder / f"{name}.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    print(f"{name:<15} {pin.reference}, {Path(model).name}, batch {shape[0]}, {loops.THREADS} thread", flush=True)
    return Subject(name, provisioner.python("main"), file)


def compare(subject: Subject, number: int, seconds: float) -> None:
    """One pair; the sides must have answered the same."""
    from cmx.results.statistics import percentile

    first = "loop" if number % 2 == 0 else "predictor"
    command = [str(subject.python), "-I", loops.__file__, "compare", str(subject.file), str(seconds), first]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}:\n{done.stderr}")
    found = json.loads(done.stdout.splitlines()[-1])
    loop, predictor = found["totals"]["loop"], found["totals"]["predictor"]
    if not abs(loop - predictor) <= 1e-3 * loop:
        sys.exit(f"{subject.name}: the sides answered differently: {loop} and {predictor}")
    p50 = {side: percentile(sorted(times), 50.0) for side, times in found["times"].items()}
    cpu = {side: percentile(sorted(times), 50.0) for side, times in found["cpu"].items()}
    subject.p50.append(p50["loop"])
    subject.ratios.append(p50["predictor"] / p50["loop"])
    subject.cpu_ratios.append(cpu["predictor"] / cpu["loop"])
    subject.calls += len(found["times"]["loop"])


def _line(number: int, subject: Subject) -> str:
    ratios = f"ratio {subject.ratios[-1]:.4f}   of CPU time {subject.cpu_ratios[-1]:.4f}"
    p50, load = subject.p50[-1] / 1e6, os.getloadavg()[0]
    return f"{number:>3}  {subject.name:<15} loop p50 {p50:>8.3f} ms   {ratios}   load {load:.1f}"


def _verdict(subject: Subject) -> int:
    """The median of the ratios, with the interval between two of them that holds the true median."""
    median, shown = _median(subject.ratios)
    cpu, cpu_shown = _median(subject.cpu_ratios)
    good = abs(median - 1) <= WITHIN
    print(
        f"{subject.name:<15} median ratio {median:.4f}, interval {shown}, "
        f"{len(subject.ratios)} pairs, {subject.calls} calls a side: {'' if good else 'not '}within 5 %; "
        f"of CPU time {cpu:.4f}, {cpu_shown}"
    )
    return 0 if good else 1


def _median(ratios: list[float]) -> tuple[float, str]:
    from cmx.results.statistics import median_interval, percentile

    ordered = sorted(round(ratio * 1e6) for ratio in ratios)
    interval = median_interval(ordered)
    shown = f"{interval.low / 1e6:.4f} to {interval.high / 1e6:.4f} ({interval.confidence:.1%})" if interval else "none"
    return percentile(ordered, 50.0) / 1e6, shown


if __name__ == "__main__":
    sys.exit(main())
