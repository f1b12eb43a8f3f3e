"""Steps of a workflow with native programs, each carried out by a real worker, without resolver and store."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import cmx

ROOT = Path(cmx.__file__).parents[1]
WORKER = ROOT / "cmx/worker/__main__.py"
TRIPLES = {"aarch64": "aarch64-linux-gnu", "armhf": "arm-linux-gnueabihf", "riscv64": "riscv64-linux-gnu"}
EMULATORS = {"aarch64": "qemu-aarch64", "armhf": "qemu-arm", "riscv64": "qemu-riscv64"}

Document = dict[str, Any]


def tool(name: str, executable: str, target: str = "") -> Document | None:
    """The role document of a tool on PATH; None where it is not there."""
    path = shutil.which(executable)
    return {"reference": f"software/{name}==1.0", "path": path, "target": target} if path else None


def cross_tools(architecture: str) -> dict[str, Document] | None:
    """A compiler and an emulator for another architecture; None where one of them is not installed."""
    triple = TRIPLES[architecture]
    found = {
        "compiler": tool("gcc", f"{triple}-gcc", triple),
        "emulator": tool("qemu-user", EMULATORS[architecture], architecture),
    }
    return {role: document for role, document in found.items() if document} if all(found.values()) else None


@dataclass
class Steps:
    """The steps of the workflow in ``workflow``; their outputs lie in ``folder``, by their ids."""

    workflow: Path
    folder: Path
    roles: Mapping[str, Document]
    target: str = ""
    products: dict[str, dict[str, str]] = field(default_factory=dict)

    def run(self, step: str, **parameters: Any) -> Document:
        """The outcome of a step; ``parameters`` go before those of the workflow, and these before the action's."""
        document = yaml.safe_load((self.workflow / "component.yaml").read_text(encoding="utf-8"))
        (planned,) = [each for each in document["steps"] if each["id"] == step]
        action = ROOT / "actions" / planned["action"]
        declared = yaml.safe_load((action / "component.yaml").read_text(encoding="utf-8"))
        given = {name: value["default"] for name, value in declared.get("parameters", {}).items() if "default" in value}
        given.update(planned.get("with", {}))
        output = self.folder / step
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir(parents=True)
        job = {
            "schema": 1,
            "document": "job",
            "action": {"reference": f"action/{declared['name']}==1.0.0", "entry": f"{action}/{declared['entry']}"},
            "parameters": {name.replace("-", "_"): value for name, value in given.items()} | parameters,
            "roles": {role: self.roles[role] for role in declared["requires"] if role in self.roles},
            "products": {need: self.products[need] for need in planned.get("needs", ())},
            "output": str(output),
            "workflow": {"reference": "workflow/it==1.0.0", "component": document, "folder": str(self.workflow)},
            "target": self.target,
        }
        (output / "job.json").write_text(json.dumps(job), encoding="utf-8")
        outcome = self._work(output)
        self.products[step] = {name: str(output / path) for name, path in outcome["products"].items()}
        return outcome

    def _work(self, output: Path) -> Document:
        command = [sys.executable, "-I", str(WORKER), str(output / "job.json")]
        environment = {"PATH": os.environ["PATH"]}
        with subprocess.Popen(
            command,
            cwd=output,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as worker:
            assert worker.stdout is not None
            said = worker.stdout.read().decode(errors="replace")
            worker.wait(timeout=600)
        file = output / "outcome.json"
        assert file.is_file(), said
        outcome: Document = json.loads(file.read_text(encoding="utf-8"))
        return outcome
