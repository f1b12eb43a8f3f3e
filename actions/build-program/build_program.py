"""Compile a workflow's C sources."""

from __future__ import annotations

import json

from cmx.worker import ActionError, Context, Outcome
from cmx.worker.native import Build, compile_program


def build_program(
    context: Context,
    *,
    sources: str,
    flags: str = "-O2",
    defines: str = "",
    standard: str = "c11",
    openmp: bool = False,
    static: bool = False,
    libraries: str = "",
) -> Outcome:
    """Leave the program, and beside it how it was made. Raises ActionError with the compiler's first errors."""
    if context.workflow is None:
        raise ActionError("there is no workflow, so no folder with sources", "cmx run benchmark WORKFLOW")
    compiler, program = context.role("compiler"), context.output / "program"
    build = Build(sources, flags, defines, standard, openmp, static, libraries)
    facts = compile_program(build, context.workflow.folder, compiler, context.target, program)
    (context.output / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    return Outcome(
        f"{compiler.name} {compiler.version} {' '.join(build.arguments()[1:])} → {facts['machine'] or 'program'}",
        facts,
        products={"program": program.name, "facts": "facts.json"},
    )
