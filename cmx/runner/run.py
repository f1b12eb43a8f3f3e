"""From a plan to a result: prepare, measure in fresh launches, check, record."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from cmx.errors import Interrupted, RunError, UsageError
from cmx.host import Host, Noise, describe
from cmx.reference import Reference
from cmx.reporter import Reporter
from cmx.repository import Catalog
from cmx.resolver.draft import EMULATOR
from cmx.resolver.parameters import require_all
from cmx.resolver.plan import Plan
from cmx.results import Comparability, Database, Result
from cmx.results.judgement import ACCURACY
from cmx.results.result import FILE
from cmx.runner.options import Options
from cmx.runner.process import uninterrupted
from cmx.runner.state import Run
from cmx.runner.steps import finish, launches, measure, prepare, start_ahead
from cmx.settings import Settings


def run_plan(
    plan: Plan,
    *,
    catalog: Catalog,
    settings: Settings,
    options: Options | None = None,
    reporter: Reporter | None = None,
) -> Result:
    """Carry out a plan on this machine and record what came of it.

    A step that fails ends the run, which is recorded all the same: the result's status and error say so. Raises what
    provisioning raises (nothing was measured then, and nothing is recorded), and Interrupted.
    """
    run = Run(plan, catalog, settings, options or Options(), reporter or Reporter())
    check(run)
    database = Database(settings)
    try:
        with database.under_way(run.id), run.ahead:
            try:
                start_ahead(run)
                prepare(run)
                measure(run)
                finish(run)
            except RunError as error:
                run.error = error
            result = record(run)
            database.add(result)
            return result
    except (KeyboardInterrupt, Interrupted):
        raise Interrupted("interrupted", hint="nothing of this run was recorded") from None
    finally:
        if not (run.folder / FILE).exists():
            with uninterrupted():
                shutil.rmtree(run.folder, ignore_errors=True)


def check(run: Run) -> None:
    """Raise UsageError for a plan that cannot be carried out here, whatever happens."""
    run.options.sampling.check()
    _refuse_foreign(run.plan)
    for step in run.plan.steps:
        require_all(run.catalog.action(Reference.parse(step.action)), step.parameters)


def _refuse_foreign(plan: Plan) -> None:
    """Raise UsageError for a plan whose steps would have to run on another platform than this one."""
    here, there = Host.detect().platform, f"{plan.host['os']}-{plan.host['architecture']}"
    programs = any(EMULATOR in step.roles for step in plan.steps)
    wanted = there if programs or not plan.request.target else plan.request.target
    if wanted != here:
        raise UsageError(f"the plan is for {wanted}, and this is {here}", hint="resolve again here, without --target")


def record(run: Run) -> Result:
    """What came of a run that has ended, well or not."""
    order = {step.id: number for number, step in enumerate(run.plan.steps)}
    plan, noises = run.plan, [step.noise for step in launches(run) if step.noise]
    result = Result.assemble(
        id=run.id,
        request=plan.request.document(),
        plan=plan.document(),
        pins={role: pin.reference for role, pin in plan.pins.items()},
        comparability=_comparability(run),
        host=describe(Host.detect(), anonymous=run.options.anonymous),
        noise=Noise.worst(noises) if noises else None,
        steps=sorted(run.steps, key=lambda step: (order[step.id], step.launch)),
        folder=run.folder,
        error=run.error,
        sampling=run.sampling,
        matrix=run.matrix,
    )
    if not run.options.anonymous:
        return result
    return result.anonymous(run.settings.home, Path(sys.prefix), Path(sys.base_prefix))


def _comparability(run: Run) -> Comparability:
    plan = run.plan
    step = run.measuring or plan.steps[-1]
    used = {role for each in plan.steps for role in each.roles.values()} & {"model", "dataset"}
    hashes = {} if run.error else {role: files.digest for role in used if (files := run.provisioner.files(role))}
    return Comparability(
        action=plan.request.action or "all",
        workflow=plan.workflow,
        hashes=hashes,
        scenario=str(step.parameters.get("scenario") or ""),
        batch_size=int(step.parameters.get("batch-size") or 0),
        threads=int(step.parameters.get("threads") or 0),
        precision=_precision(run),
        arguments=str(step.parameters.get("arguments") or ""),
        target=plan.request.target,
        mode=ACCURACY if step.parameters.get("mode") == ACCURACY else "",
        load=next((str(each["load"]) for each in (done.metrics for done in launches(run)) if each.get("load")), ""),
    )


def _precision(run: Run) -> str:
    """The numbers' format that the predictor says it computes in; "" where nobody says."""
    predictors = (step.metrics.get("predictor") or {} for step in launches(run))
    return next((str(each["precision"]) for each in predictors if each.get("precision")), "")
