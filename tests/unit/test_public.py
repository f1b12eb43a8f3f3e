"""What ``import cmx`` gives, what it costs, and what it leaves alone."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cmx

PACKAGE = Path(cmx.__file__).parent
ROOT = PACKAGE.parent
HEAVY = {
    "git", "jsonschema", "numpy", "onnx", "onnxruntime", "opentelemetry", "packaging", "PIL", "pysat", "referencing",
    "requests", "rich", "tensorflow", "torch", "yaml",
}  # fmt: skip
WORKER_SIDE = [PACKAGE / "worker", *(ROOT / name for name in ("actions", "components"))]


def imported_by(program: str, home: Path) -> set[str]:
    """The modules that a fresh interpreter holds after a program."""
    code = f"import sys, json, io\n{program}\nprint(json.dumps(sorted(sys.modules)), file=sys.__stderr__)"
    environment = {**os.environ, "CMX_HOME": str(home)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


def sources(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def test_public_names_are_sorted_and_each_can_be_imported() -> None:
    assert cmx.__all__ == sorted(cmx.__all__)
    assert all(getattr(cmx, name).__module__.startswith("cmx.") for name in cmx.__all__)
    assert set(dir(cmx)) == {*cmx.__all__, "__version__"}


def test_public_names_are_those_that_are_promised() -> None:
    assert cmx.__all__ == ["Catalog", "Host", "Plan", "Request", "Result", "Solution", "access", "resolve", "run"]


def test_a_public_name_has_a_docstring() -> None:
    assert [name for name in cmx.__all__ if not (getattr(cmx, name).__doc__ or "").strip()] == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'cmx' has no attribute 'nonsense'"):
        _ = cmx.nonsense


@pytest.mark.parametrize(
    "program",
    [
        "import cmx",
        "from cmx.cli.main import main; sys.stdout = io.StringIO(); assert main(['--help']) == 0",
        "from cmx.cli.main import main; sys.stdout = io.StringIO(); assert main(['--version']) == 0",
        "import cmx.errors, cmx.settings, cmx.files, cmx.reference, cmx.schema, cmx.component, cmx.repository",
        "from cmx.cli.main import main; sys.stderr = io.StringIO(); assert main(['lsit']) == 2",
    ],
    ids=["import", "help", "version", "lower layers", "misspelt verb"],
)
def test_nothing_heavy_is_imported_before_it_is_needed(program: str, tmp_path: Path) -> None:
    found = {name.partition(".")[0] for name in imported_by(program, tmp_path / "home")}
    assert found & HEAVY == set()
    assert not (tmp_path / "home").exists()


def test_listing_from_the_index_imports_no_reader_of_yaml_and_no_schema(tmp_path: Path) -> None:
    program = "from cmx.cli.main import main; sys.stdout = io.StringIO(); assert main(['list']) == 0"
    imported_by(program, tmp_path / "home")
    found = {name.partition(".")[0] for name in imported_by(program, tmp_path / "home")}
    assert found & (HEAVY - {"packaging"}) == set()


def test_importing_every_module_of_the_controller_writes_nothing(tmp_path: Path) -> None:
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sources(PACKAGE)
        if "worker" not in path.parts and path.name not in ("__main__.py", "__init__.py")
    ]
    assert len(names) > 50
    home = tmp_path / "home"
    program = "\n".join(f"import {name}" for name in names if "_builtin" not in name)
    environment = f"import os; os.environ['HOME'] = {str(tmp_path)!r}; os.chdir({str(tmp_path)!r})\n"
    found = imported_by(f"sys.path.insert(0, {str(ROOT)!r})\n{environment}{program}", home)
    assert set(names) <= found
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", sources(*WORKER_SIDE), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_worker_loads_is_python_3_9(path: Path) -> None:
    tree = ast.parse(path.read_bytes(), feature_version=(3, 9))
    futures = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    assert futures or not tree.body


def test_no_module_is_named_utils() -> None:
    assert [path for path in sources(PACKAGE, *WORKER_SIDE[1:]) if path.stem in ("util", "utils", "helpers")] == []


def test_no_file_calls_eval_or_a_shell() -> None:
    calls = [
        (path.name, node.lineno)
        for path in sources(PACKAGE, *WORKER_SIDE[1:])
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"))
            or ast.unparse(node.func) == "os.system"
            or any(keyword.arg == "shell" for keyword in node.keywords)
        )
    ]
    assert calls == []
