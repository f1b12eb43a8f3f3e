"""llama.cpp by way of xllamacpp: a prompt in, the text that follows it out, token by token."""

from __future__ import annotations

import importlib.metadata
import os
import secrets
import time
from pathlib import Path
from typing import Any, Callable, Mapping, Optional

import numpy as np
import xllamacpp

from cmx.worker.predictors import PredictorError, TensorInfo, check_feeds

from .gguf_header import precision

# Nothing of llama.cpp's own log, which goes to stderr, but errors.
_ERRORS_ONLY = 1


def load(model: Path, component: Mapping[str, Any], settings: Mapping[str, Any]) -> LlamaCppPredictor:
    parameters = _parameters(model, settings)
    started = time.perf_counter_ns()
    try:
        server = xllamacpp.Server(parameters)
    except RuntimeError as error:
        raise PredictorError(
            f"{model}: llama.cpp ({_version()}) cannot load it: {error}",
            "the file has to be a language model in GGUF, and to fit in memory; what llama.cpp says of it is above",
        ) from error
    described = {
        "framework": "xllamacpp",
        "version": _version(),
        "device": "cpu",
        "precision": precision(model),
        "threads": parameters.cpuparams.n_threads,
        "slots": settings["slots"],
        "context_length": settings["context_length"],
    }
    return LlamaCppPredictor(server, described, time.perf_counter_ns() - started)


class LlamaCppPredictor:
    """Greedy: the likeliest token each time, so that the same prompt has the same answer.

    ``prompt`` and ``text`` are UTF-8 of one text; ``most_tokens`` are the most that are generated. Nothing is kept
    from one prompt to the next. May be called from several threads: ``slots`` of them are served together.
    """

    inputs = (TensorInfo("prompt", "uint8", (1, "bytes")), TensorInfo("most_tokens", "int64", (1,)))
    outputs = (TensorInfo("text", "uint8", (1, "bytes")), TensorInfo("tokens", "int64", (1,)))
    concurrent = True

    def __init__(self, server: xllamacpp.Server, described: Mapping[str, Any], load_ns: int) -> None:
        self.load_ns = load_ns
        self._described = dict(described)
        self._server = server

    def predict(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self.stream(feeds, lambda: None)

    def stream(self, feeds: Mapping[str, np.ndarray], first: Callable[[], None]) -> dict[str, np.ndarray]:
        """As ``predict``; ``first`` is called when the first token is there, in the thread that asks."""
        check_feeds(self.inputs, feeds)
        heard = _Answer(first)
        request = {
            "prompt": feeds["prompt"].tobytes().decode(),
            "n_predict": int(feeds["most_tokens"][0]),
            "temperature": 0.0,
            "cache_prompt": False,
            "stream": True,
        }
        self._server.handle_completions(request, heard)
        return heard.outputs()

    def describe(self) -> dict[str, Any]:
        return dict(self._described)

    def close(self) -> None:
        del self._server


class _Answer:
    """Takes what llama.cpp says, piece by piece; nothing may be raised into it."""

    def __init__(self, first: Callable[[], None]) -> None:
        self._first: Optional[Callable[[], None]] = first
        self._pieces: list[str] = []
        self._tokens: Optional[int] = None
        self._error: Optional[str] = None

    def __call__(self, said: Mapping[str, Any]) -> bool:
        """One piece; False is "go on"."""
        if self._first is not None:
            self._first()
            self._first = None
        if "error" in said:
            self._error = str(said["error"].get("message", said["error"]))
        self._pieces += [choice["text"] for choice in said.get("choices", ())]
        self._tokens = said.get("usage", {}).get("completion_tokens", self._tokens)
        return False

    def outputs(self) -> dict[str, np.ndarray]:
        """Raises PredictorError for what llama.cpp would not answer."""
        if self._error is not None or self._tokens is None:
            raise PredictorError(
                f"llama.cpp gave no answer: {self._error or 'it ended early'}",
                "--set context-length=1024, or a shorter prompt",
            )
        text = "".join(self._pieces).encode()
        return {"text": np.frombuffer(text, np.uint8)[np.newaxis], "tokens": np.array([self._tokens])}


def _parameters(model: Path, settings: Mapping[str, Any]) -> xllamacpp.CommonParams:
    found = xllamacpp.CommonParams()
    found.model.path = str(model)
    found.n_parallel = settings["slots"]
    found.n_ctx = settings["context_length"] * settings["slots"]
    threads = settings["threads"] or os.cpu_count() or 1
    found.cpuparams.n_threads = found.cpuparams_batch.n_threads = threads
    found.n_gpu_layers = 0
    found.fit_params = False
    found.warmup = False
    found.cache_ram_mib = 0
    found.verbosity = _ERRORS_ONLY
    # llama.cpp's server also listens on loopback, where nobody is to ask it anything: a free port, and a secret key.
    found.port = 0
    found.n_threads_http = 1
    found.ui = False
    found.api_keys = [secrets.token_hex()]
    return found


def _version() -> str:
    return importlib.metadata.version("xllamacpp")
