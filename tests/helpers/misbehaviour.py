"""A user's own action that goes wrong in the way that it is asked to."""

from __future__ import annotations

from pathlib import Path

from command_line import CommandLine, write_files

_ACTION = """
schema: 1
kind: action
uid: a1a1a1a1a1a1a1a1
name: misbehave
version: 1.0.0
description: Does what no action should
entry: action.py:misbehave
runs-in: worker
requires: {numpy: software/numpy>=1.24}
parameters:
  how: {type: string, default: well, description: what to do}
"""

_WORKFLOW = """
schema: 1
kind: workflow
uid: b1a1a1a1a1a1a1a1
name: misbehaving
version: 1.0.0
description: One step that goes wrong
requires: {}
steps:
  - {id: misbehave, action: misbehave}
"""

_CODE = '''
import ctypes
import os
import sys
import time

from cmx.worker import ActionError, Context, Outcome


def misbehave(context: Context, *, how: str = "well") -> Outcome:
    """Go wrong."""
    for number in range(100):
        print(f"line {number}")
    if how == "abort":
        os.abort()
    if how == "segfault":
        ctypes.string_at(0)
    if how == "exit":
        sys.exit(0)
    if how == "leave":
        os._exit(0)
    if how == "hang":
        time.sleep(1000)
    if how == "type":
        return {"metrics": {}}
    if how == "raise":
        raise ValueError("nothing adds up")
    if how == "tell":
        raise ActionError("the moon is full", "wait a week")
    if how == "memory":
        bytearray(10**10)
    if how == "outside":
        return Outcome(files=["../../../escaped"])
    if how == "nan":
        return Outcome("went well", {"value": float("nan")})
    return Outcome("went well")
'''


def misbehaving(cmx: CommandLine) -> Path:
    """The user's own repository with an action that goes wrong in the way that it is asked to."""
    files = {"misbehave/component.yaml": _ACTION, "misbehave/action.py": _CODE}
    return write_files(cmx.home / "repository", {**files, "misbehaving/component.yaml": _WORKFLOW})
