"""Documentation that is made from the code is what the code makes, and examples are components that load."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

import cmx
from cmx.component_file import load
from cmx.reference import COMPONENT_KINDS

DOCS = Path(cmx.__file__).parents[1] / "docs"
COMPONENTS = DOCS / "components.md"
EXAMPLES = re.findall(r"```yaml\n(# [^\n]*component\.yaml\n.*?)```", COMPONENTS.read_text(encoding="utf-8"), re.DOTALL)


def test_the_command_line_page_is_what_the_parsers_say() -> None:
    spec = importlib.util.spec_from_file_location("generate_cli", DOCS / "generate_cli.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = module.text()
    assert (DOCS / "cli.md").read_text(encoding="utf-8") == made, "python docs/generate_cli.py > docs/cli.md"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.splitlines()[0][2:])
def test_each_example_of_a_component_loads(tmp_path: Path, example: str) -> None:
    file = tmp_path / example.splitlines()[0].removeprefix("# ")
    file.parent.mkdir(parents=True)
    file.write_text(example, encoding="utf-8")
    assert load(file).name == file.parent.name


def test_there_is_an_example_of_each_kind() -> None:
    assert {yaml.safe_load(example)["kind"] for example in EXAMPLES} == set(COMPONENT_KINDS)


@pytest.mark.parametrize("kind", COMPONENT_KINDS)
def test_every_key_of_a_kind_is_explained(kind: str) -> None:
    from cmx.schema import schema

    text = COMPONENTS.read_text(encoding="utf-8")
    keys = {*schema(kind)["properties"], *schema("common")["properties"]}
    assert [key for key in sorted(keys) if f"`{key}`" not in text] == []


def test_every_parameter_of_a_benchmark_is_explained() -> None:
    text = (DOCS / "loadgen.md").read_text(encoding="utf-8")
    parameters = load(DOCS.parent / "actions" / "benchmark" / "component.yaml").parameters  # type: ignore[union-attr]
    elsewhere = {"performance-sample-count", "warm-up"}
    shortened = {"test05-sample-index-rng-seed", "test05-schedule-rng-seed"}
    assert [name for name in sorted({*parameters} - elsewhere - shortened) if f"--{name}" not in text] == []


def test_the_page_on_components_is_short() -> None:
    assert len(COMPONENTS.read_text(encoding="utf-8").splitlines()) < 240
