"""What solving costs, on the problem shapes of our design notes, beside peers where they are importable.

    python benchmarks/resolver.py [--repeat 9] [--limit 30]

Each solver meets each shape in a process of its own. "cold" is the first call there (it imports what it needs),
"warm" the median of the others; both are the whole call, from the catalog to the answer or its explanation. The
floor is ``python -c pass``. Peers: resolvelib and py-rattler, which does not know variants (they become names of
versions) and explains in words of its own.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cmx.resolver.candidate import Candidate
from cmx.resolver.provider import Provider
from cmx.resolver.requirement import Requirement


@dataclass
class Catalog(Provider):
    """Candidates by name, best first, with what each needs."""

    needs: dict[str, dict[Candidate, list[Requirement]]] = field(default_factory=dict)

    def add(self, candidate: Candidate, needs: Iterable[Requirement]) -> None:
        self.needs.setdefault(candidate.name, {})[candidate] = list(needs)

    def candidates(self, name: str) -> Sequence[Candidate]:
        return list(self.needs.get(name, ()))

    def requirements(self, candidate: Candidate) -> Sequence[Requirement]:
        return self.needs[candidate.name][candidate]


Problem = tuple[Catalog, list[Requirement]]


def layered(names: int, versions: int, variants: int, *, capped: bool = False) -> Problem:
    """Each candidate needs three of the next seven names, in a version not much older than its own."""
    chance, catalog = random.Random(1), Catalog()
    for index in range(names):
        later = [f"software/n{other}" for other in range(index + 1, min(names, index + 8))]
        for minor in range(versions, 0, -1):
            for variant in range(variants):
                needs = []
                for name in chance.sample(later, min(3, len(later))):
                    least = chance.randint(1, max(1, minor - 2))
                    cap = f",<=1.{least + chance.randint(4, 9)}" if capped else ""
                    needs.append(Requirement(name, f">=1.{least}{cap}"))
                form = f"v{variant}" if variants > 1 else ""
                catalog.add(Candidate(f"software/n{index}", f"1.{minor}", form), needs)
    return catalog, [Requirement("software/n0")]


def planted(names: int, versions: int) -> Problem:
    """Everything is asked for, every candidate needs narrow ranges of three others: next to one choice fits."""
    chance, catalog = random.Random(2), Catalog()
    secret = [chance.randint(2, versions - 1) for _ in range(names)]
    for index in range(names):
        for minor in range(versions, 0, -1):
            needs = []
            for other in chance.sample([n for n in range(names) if n != index], 3):
                middle = secret[other] if minor == secret[index] else chance.randint(1, versions)
                needs.append(Requirement(f"software/n{other}", f">=1.{middle - 1},<=1.{middle + 1}"))
            catalog.add(Candidate(f"software/n{index}", f"1.{minor}"), needs)
    return catalog, [Requirement(f"software/n{index}") for index in range(names)]


def unsatisfiable(names: int, versions: int, variants: int) -> Problem:
    """Layered, but every version of one name in the middle needs a library newer than the one there is."""
    catalog, request = layered(names, versions, variants)
    catalog.add(Candidate("software/cudnn", "6"), [])
    for needs in catalog.needs[f"software/n{names // 2}"].values():
        needs.append(Requirement("software/cudnn", ">=18"))
    for needs in catalog.needs["software/n0"].values():
        needs.append(Requirement(f"software/n{names // 2}", ">=1.3"))
    return catalog, [*request, Requirement(f"software/n{names - 1}", ">=1.2")]


SHAPES: dict[str, Callable[[], Problem]] = {
    "40 x 20 x 3": lambda: layered(40, 20, 3),
    "200 x 20, capped": lambda: layered(200, 20, 1, capped=True),
    "40 x 20, one planted": lambda: planted(40, 20),
    "40 x 20 x 3, impossible": lambda: unsatisfiable(40, 20, 3),
}


def with_cmx(problem: Problem) -> bool:
    from cmx.errors import Unsatisfiable
    from cmx.resolver.solver import solve

    try:
        return bool(solve(*problem))
    except Unsatisfiable as refusal:
        return not refusal.facts


def with_search(problem: Problem) -> bool:
    """cmx without python-sat."""
    from cmx.errors import Unsatisfiable
    from cmx.resolver.fallback import Search
    from cmx.resolver.solver import solve

    try:
        return bool(solve(*problem, start=Search))
    except Unsatisfiable as refusal:
        return not refusal.facts


def with_resolvelib(problem: Problem) -> bool:
    import resolvelib  # type: ignore[import-not-found, unused-ignore]

    catalog, request = problem

    class Adapter(resolvelib.AbstractProvider):  # type: ignore[misc, type-arg, name-defined, unused-ignore]
        def identify(self, requirement_or_candidate: Any) -> str:
            return str(requirement_or_candidate.name)

        def get_preference(self, identifier: str, *args: Any, **named: Any) -> str:
            return identifier

        def find_matches(self, identifier: str, requirements: Any, incompatibilities: Any) -> list[Candidate]:
            wanted, bad = list(requirements[identifier]), list(incompatibilities[identifier])
            everyone = catalog.candidates(identifier)
            return [c for c in everyone if c not in bad and all(requirement.holds(c) for requirement in wanted)]

        def is_satisfied_by(self, requirement: Requirement, candidate: Candidate) -> bool:
            return requirement.holds(candidate)

        def get_dependencies(self, candidate: Candidate) -> Sequence[Requirement]:
            return catalog.requirements(candidate)

    try:
        return bool(resolvelib.Resolver(Adapter(), resolvelib.BaseReporter()).resolve(request, max_rounds=10**9))
    except resolvelib.ResolutionImpossible:
        return False


def with_rattler(problem: Problem) -> bool:
    import asyncio
    import tempfile

    import rattler  # type: ignore[import-not-found, unused-ignore]
    from rattler.exceptions import SolverError  # type: ignore[import-not-found, unused-ignore]

    catalog, request = problem

    def spec(requirement: Requirement) -> str:
        return f"{requirement.name.rpartition('/')[2]} {requirement.specifier}".strip()

    packages: dict[str, Any] = {}
    for group in catalog.needs.values():
        for number, (candidate, needs) in enumerate(group.items()):
            name, build = candidate.name.rpartition("/")[2], f"{candidate.variant or 'b'}_{number}"
            packages[f"{name}-{candidate.version}-{build}.tar.bz2"] = {
                "name": name, "version": candidate.version, "build": build, "build_number": 0, "subdir": "noarch",
                "depends": [spec(need) for need in needs], "md5": "0" * 32, "sha256": "0" * 64, "size": 1,
                "timestamp": 1_000_000_000_000,
            }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "repodata.json"
        file.write_text(json.dumps({"info": {"subdir": "noarch"}, "packages": packages, "packages.conda": {}}))
        data = rattler.SparseRepoData(rattler.Channel("file:///bench"), "noarch", str(file))
        try:
            specs = [rattler.MatchSpec(spec(requirement)) for requirement in request]
            return bool(asyncio.run(rattler.solve_with_sparse_repodata(specs, [data])))
        except SolverError:
            return False


SOLVERS: dict[str, tuple[str, Callable[[Problem], bool]]] = {
    "cmx": ("pysat", with_cmx),
    "cmx, pure Python": ("cmx", with_search),
    "resolvelib": ("resolvelib", with_resolvelib),
    "py-rattler": ("rattler", with_rattler),
}


def measure(solver: str, shape: str, repeat: int) -> None:
    """In the child process: print the answer and the times of ``repeat`` calls, in ns."""
    times = []
    answer = False
    for _ in range(repeat):
        problem = SHAPES[shape]()
        begin = time.perf_counter_ns()
        answer = SOLVERS[solver][1](problem)
        times.append(time.perf_counter_ns() - begin)
    print(json.dumps({"answer": answer, "times": times}))


def in_child(solver: str, shape: str, repeat: int, limit: float) -> str:
    """One line of the table."""
    command = [sys.executable, __file__, "--child", solver, shape, "--repeat", str(repeat)]
    try:
        # The limit is for one call; a solver that cannot make one in it is not waited for longer.
        ran = subprocess.run(command, capture_output=True, text=True, timeout=limit * repeat, check=False)
    except subprocess.TimeoutExpired:
        return f"over {limit:.0f} s"
    if ran.returncode:
        return "failed: " + ran.stderr.strip().splitlines()[-1]
    report = json.loads(ran.stdout)
    cold, *warm = [ns / 1e6 for ns in report["times"]]
    typical = statistics.median(warm) if warm else cold
    answer = "solved" if report["answer"] else "impossible"
    return f"{answer:10}  cold {cold:8.1f} ms   warm {typical:8.1f} ms   {typical / floor_ms():6.1f} x floor"


_floor: list[float] = []


def floor_ms() -> float:
    """The median wall time of ``python -c pass``, measured once."""
    if not _floor:
        times = []
        for _ in range(9):
            begin = time.perf_counter_ns()
            subprocess.run([sys.executable, "-c", "pass"], check=True)
            times.append((time.perf_counter_ns() - begin) / 1e6)
        _floor.append(statistics.median(times))
    return _floor[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=9, help="calls of each solver on each shape")
    parser.add_argument("--limit", type=float, default=30.0, help="seconds that one call may take")
    parser.add_argument("--child", nargs=2, metavar=("SOLVER", "SHAPE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        measure(given.child[0], given.child[1], given.repeat)
        return
    print(f"floor: python -c pass {floor_ms():.1f} ms")
    for shape in SHAPES:
        print(shape)
        for solver, (module, _) in SOLVERS.items():
            if importlib.util.find_spec(module) is None:
                print(f"  {solver:18} not importable here")
                continue
            one = in_child(solver, shape, 1, given.limit)
            # What takes seconds is not repeated.
            quick = one.startswith(("solved", "impossible")) and float(one.split()[2]) < 5_000
            print(f"  {solver:18} {in_child(solver, shape, given.repeat, given.limit) if quick else one}", flush=True)


if __name__ == "__main__":
    main()
