"""Where everything lies in a tree: ``open/SUBMITTER/results/SYSTEM/MODEL/SCENARIO``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cmx.mlperf import logs

MAPPING = "model_mapping.json"


@dataclass(frozen=True)
class Place:
    """One result's place: the folder of a scenario."""

    tree: Path
    division: str
    submitter: str
    system: str
    model: str
    scenario: str

    @property
    def owner(self) -> Path:
        """The submitter's folder."""
        return self.tree / self.division / self.submitter

    @property
    def folder(self) -> Path:
        """The scenario's folder."""
        return self.owner / "results" / self.system / self.model / self.scenario

    @property
    def performance(self) -> Path:
        """The folder of the performance run."""
        return self.folder / "performance" / "run_1"

    @property
    def accuracy(self) -> Path:
        """The folder of the accuracy run."""
        return self.folder / "accuracy"

    @property
    def description(self) -> Path:
        """The file that describes the system."""
        return self.owner / "systems" / f"{self.system}.json"

    @property
    def source(self) -> Path:
        """The folder of the submitter's code."""
        return self.owner / "src"

    @property
    def summary(self) -> Path:
        """LoadGen's summary of the performance run."""
        return self.performance / logs.SUMMARY


def places(tree: Path) -> Iterator[Place]:
    """The results of a tree, sorted: every folder that is four deep in a division."""
    for division in folders(tree):
        for submitter in folders(division):
            for system in folders(submitter / "results"):
                for model in folders(system):
                    for scenario in folders(model):
                        yield Place(tree, division.name, submitter.name, system.name, model.name, scenario.name)


def folders(parent: Path) -> list[Path]:
    """The folders in a folder, sorted, hidden ones left out; none where it is not there."""
    return sorted(path for path in parent.glob("*") if path.is_dir() and not path.name.startswith("."))
