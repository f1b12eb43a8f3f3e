"""A matrix run: every point prepared first, then launches in turns, so that what drifts hits all points alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cmx.errors import CmxError, ComponentError, Interrupted, ResolutionError, UsageError
from cmx.reporter import Reporter
from cmx.repository import Catalog
from cmx.resolver.plan import Plan, Request
from cmx.results import Database, Result, Step
from cmx.runner.options import LEAST_LAUNCHES, Options, Sampling
from cmx.runner.run import check, record
from cmx.runner.session import Point, Session, open_session
from cmx.runner.state import Run
from cmx.runner.steps import enough, finish, launch, launches, prepare, seconds
from cmx.settings import Settings


class Done(NamedTuple):
    """What came of a point: a result, or why there is none."""

    point: Mapping[str, str]
    result: Result | None
    error: Mapping[str, Any] | None


class MatrixRun(NamedTuple):
    """What came of all points, and where it is written which results belong together."""

    session: Path
    points: tuple[Done, ...]


def run_matrix(
    asked: Sequence[tuple[Mapping[str, str], Request]],
    resolve: Callable[[Request], Plan],
    *,
    catalog: Catalog,
    settings: Settings,
    options: Options,
    reporter: Reporter,
    fresh: bool = False,
) -> MatrixRun:
    """Carry out a request for each point, the launches in turns; what fails is recorded and passed by.

    Where ``options`` do not say how often to measure, each point has as many launches as an interval needs.
    What an earlier, interrupted call with the same arguments did is not done again, unless ``fresh``. Raises
    Interrupted (what was done is kept), and what resolving raises where that fails for every point.
    """
    if options.sampling == Sampling():  # points are there to be compared, and without an interval none can be
        options = options._replace(sampling=Sampling(LEAST_LAUNCHES))
    options.sampling.check()
    how = [options.sampling._asdict(), options.anonymous, options.memory_limit, options.time_limit]
    with open_session(settings, asked, how, fresh=fresh) as session:
        matrix = _Matrix(session, catalog, settings, options, reporter)
        try:
            matrix.carry_out(resolve)
        except (KeyboardInterrupt, Interrupted):
            raise Interrupted(
                f"interrupted: {matrix.launched} launches are kept",
                hint="the same command goes on from there; --fresh starts over",
            ) from None
        database = Database(settings)
        done = (Done(p.values, database.get(p.result) if p.result else None, p.error) for p in session.points)
        return MatrixRun(session.path, tuple(done))


class _Matrix:
    """A matrix under way."""

    def __init__(
        self, session: Session, catalog: Catalog, settings: Settings, options: Options, reporter: Reporter
    ) -> None:
        self._session = session
        self._catalog, self._settings, self._options, self._reporter = catalog, settings, options, reporter
        self._database = Database(settings)
        self._runs: dict[str, Run] = {}

    @property
    def launched(self) -> int:
        """Launches that were made, by earlier commands too."""
        return sum(len(_measured(point)) for point in self._session.points)

    def carry_out(self, resolve: Callable[[Request], Plan]) -> None:
        if self._session.resumed:
            self._reporter.note(f"going on with an interrupted matrix: {self.launched} launches are there")
        failures = [failure for point in self._left() if (failure := self._resolve(point, resolve))]
        if failures and not self._left():
            raise failures[0]
        for point in self._left():
            self._prepare(point)
        while waiting := [point for point in self._left() if not self._enough(point)]:
            for point in waiting:
                self._launch(point)
        for point in self._left():
            self._attempt(point, finish)
            self._record(point)

    def _left(self) -> list[Point]:
        return [point for point in self._session.points if not point.settled]

    def _resolve(self, point: Point, resolve: Callable[[Request], Plan]) -> CmxError | None:
        """Choose what a point needs; one for which that cannot be is passed by, and the reason returned."""
        failure = None
        if point.plan is None:
            try:
                point.plan = resolve(point.request)
            except (ResolutionError, UsageError, ComponentError) as error:
                self._reporter.note(f"{point.name}: passed by: {error.message}")
                point.fail(failure := error)
            self._session.save()
        return failure

    def _prepare(self, point: Point) -> None:
        if point.plan is None:
            return
        run = Run(point.plan, self._catalog, self._settings, self._options, self._reporter, id=point.run)
        run.matrix = {"session": self._session.id, "point": dict(point.values)}
        run.steps = [step for step in point.steps if _is_there(step, run.folder)]
        point.steps = run.steps
        check(run)
        self._database.keep_unfinished(run.id)
        self._runs[point.run] = run
        self._attempt(point, prepare)

    def _launch(self, point: Point) -> None:
        run = self._runs[point.run]
        number, planned = self.launched + 1, self._planned()
        left = f", {_time(self._seconds_left())} left" if number > 1 else ""
        run.label = f"launch {number} of {planned}{left}: {point.name}: "
        self._attempt(point, launch)

    def _attempt(self, point: Point, what: Callable[[Run], None]) -> None:
        """Do something of a run; where it fails, the run is recorded as failed and its point passed by."""
        run = self._runs[point.run]
        try:
            what(run)
        except Interrupted:
            raise
        except CmxError as error:
            self._reporter.note(f"{point.name}: passed by: {error.message}")
            run.error = error
            self._record(point)
        self._session.save()

    def _enough(self, point: Point) -> bool:
        return bool(enough(self._runs[point.run]))

    def _record(self, point: Point) -> None:
        if point.settled:
            return
        run = self._runs[point.run]
        run.sampling = run.options.sampling.document(len(launches(run)), enough(run))
        self._database.add(record(run))
        point.result = run.id
        self._session.save()

    def _planned(self) -> str:
        """How many launches there will be: a number, or "at least" one where a rule will say."""
        sampling = self._options.sampling
        ruled = sampling.precision or sampling.time_budget
        each = (LEAST_LAUNCHES if sampling.precision else 1) if ruled else sampling.most
        count = sum(len(_measured(p)) if p.settled else max(each, len(_measured(p))) for p in self._session.points)
        return f"{'at least ' if ruled else ''}{max(count, self.launched + 1)}"

    def _seconds_left(self) -> float:
        """By what each point's launches took so far, and the mean of all where a point has none yet."""
        sampling = self._options.sampling
        count = LEAST_LAUNCHES if sampling.precision or sampling.time_budget else sampling.most
        taken = {p.run: [seconds(step) for step in _measured(p)] for p in self._left()}
        every = [each for times in taken.values() for each in times]
        mean = sum(every) / max(len(every), 1)
        return sum(
            max(count - len(times), 0) * (sum(times) / len(times) if times else mean) for times in taken.values()
        )


def _measured(point: Point) -> list[Step]:
    measuring = {step.id for step in point.plan.steps if step.measures} if point.plan else set()
    return [step for step in point.steps if step.id in measuring]


def _is_there(step: Step, folder: Path) -> bool:
    """Whether a step went well and what it left is still on disk; a cached one is looked up in the store again."""
    return step.status == "ok" and not step.cached and (folder / step.folder / "outcome.json").is_file()


def _time(left: float) -> str:
    return f"{left / 60:.0f} min" if left >= 90 else f"{left:.0f} s"
