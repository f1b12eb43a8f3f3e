"""TensorFlow on the CPU: Keras 3 files (.keras) and SavedModel folders."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, List, Mapping, NamedTuple, Sequence, Tuple

import numpy as np

from cmx.worker.predictors import PredictorError, TensorInfo, check_feeds, choose

# Keras writes its configuration into the user's home when it is imported, and reads a backend from there.
_KERAS_HOME = tempfile.TemporaryDirectory(prefix="keras-")
os.environ.update(KERAS_HOME=_KERAS_HOME.name, KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="1")

import tensorflow as tf  # noqa: E402
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2  # noqa: E402

_NARROW = ("qint8", "int8", "bfloat16", "float16")

Call = Callable[[Sequence[np.ndarray]], List[np.ndarray]]


class _Network(NamedTuple):
    """A function of tensors, in the order of ``inputs``, that answers with a list in the order of ``outputs``."""

    forward: Callable[..., Any]
    inputs: Tuple[tf.TensorSpec, ...]
    outputs: Tuple[str, ...]


class _Compiled(NamedTuple):
    """What is called, what it takes and gives, and what is worth knowing of it."""

    call: Call
    inputs: Tuple[TensorInfo, ...]
    outputs: Tuple[TensorInfo, ...]
    facts: Mapping[str, Any]


class TensorFlowPredictor:
    """One graph; a dimension that varies does so without tracing again."""

    def __init__(self, compiled: _Compiled, settings: Mapping[str, Any], load_ns: int) -> None:
        self.inputs, self.outputs = compiled.inputs, compiled.outputs
        self.load_ns = load_ns
        self._call = compiled.call
        self._description = {**_describe(settings), **compiled.facts}

    def predict(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        check_feeds(self.inputs, feeds)
        answers = self._call([feeds[each.name] for each in self.inputs])
        return {each.name: answer for each, answer in zip(self.outputs, answers)}

    def describe(self) -> dict[str, Any]:
        return dict(self._description)

    def close(self) -> None:
        del self._call


def load(model: Path, component: Mapping[str, Any], settings: Mapping[str, Any]) -> TensorFlowPredictor:
    _set_threads(settings["threads"], settings["inter_op_threads"])
    started = time.perf_counter_ns()
    try:
        compiled = _saved_model(model, settings) if model.is_dir() else _compile(_keras(model), settings)
    except (PredictorError, MemoryError):
        raise
    except Exception as error:  # TensorFlow's and Keras' errors share no base class
        raise PredictorError(f"{model}: TensorFlow {tf.__version__} cannot load it: {error}") from error
    return TensorFlowPredictor(compiled, settings, time.perf_counter_ns() - started)


def _set_threads(intra: int, inter: int) -> None:
    """TensorFlow has one pool of threads for the whole process, made when it is first used."""
    threading = tf.config.threading
    found = (threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads())
    if found == (intra, inter):
        return
    try:
        threading.set_intra_op_parallelism_threads(intra)
        threading.set_inter_op_parallelism_threads(inter)
    except RuntimeError:
        raise PredictorError(
            f"threads {intra} and inter-op-threads {inter} were asked for, and TensorFlow runs with {found[0]} and "
            f"{found[1]} in this process already, which it cannot change"
        ) from None


def _keras(model: Path) -> _Network:
    """A network of Keras, which must be a graph of layers: one that is a class of its own has no named inputs."""
    import keras

    network = keras.saving.load_model(str(model), compile=False)
    if not getattr(network, "inputs", None):
        raise PredictorError(f"{model}: the network has no named inputs; save a functional or a sequential model")
    chain = isinstance(network, keras.Sequential)
    given = network.inputs[0] if chain else network.input
    names = [tensor.name for tensor in network.inputs]

    def forward(*tensors: Any) -> List[Any]:
        named = dict(zip(names, tensors))
        answer = network(keras.tree.map_structure(lambda each: named[each.name], given), training=False)
        return list(answer.values()) if isinstance(answer, dict) else keras.tree.flatten(answer)

    specs = tuple(tf.TensorSpec(tensor.shape, tensor.dtype, tensor.name) for tensor in network.inputs)
    return _Network(forward, specs, (network.layers[-1].name,) if chain else _output_names(network))


def _output_names(network: Any) -> Tuple[str, ...]:
    """The keys of a dictionary of outputs, else the names of the layers that give them."""
    return tuple(network.output if isinstance(network.output, dict) else network.output_names)


def _saved_model(model: Path, settings: Mapping[str, Any]) -> _Compiled:
    """As TensorFlow 2 loads it. What was saved with objects that it no longer knows is run as TensorFlow 1 would."""
    try:
        loaded = tf.saved_model.load(str(model))
    except (AttributeError, KeyError, TypeError):
        return _session(model, settings)
    name = choose("signature", settings["signature"], list(loaded.signatures))
    signature = loaded.signatures[name]
    specs = dict(signature.structured_input_signature[1])
    names, answers = tuple(specs), tuple(signature.structured_outputs)

    def forward(*tensors: Any, keep: Any = loaded) -> List[Any]:  # the variables live as long as what was loaded
        answer = signature(**dict(zip(names, tensors)))
        return [answer[each] for each in answers]

    return _compile(_Network(forward, tuple(specs[each] for each in names), answers), settings)


def _compile(network: _Network, settings: Mapping[str, Any]) -> _Compiled:
    """One graph with the weights as constants, which lets TensorFlow fold batch norms and fuse what follows."""
    function = tf.function(network.forward, autograph=False).get_concrete_function(*network.inputs)
    tensors = function.outputs
    if settings["freeze"]:
        function = convert_variables_to_constants_v2(function)
    facts = {"loader": "function", "precision": _precision(function.graph), "freeze": settings["freeze"]}
    run = function
    if settings["jit_compile"]:
        run = tf.function(
            lambda *each: function(*each), autograph=False, jit_compile=True, input_signature=network.inputs
        )

    def call(arrays: Sequence[np.ndarray]) -> List[np.ndarray]:
        answers = run(*[tf.constant(array) for array in arrays])
        return [answer.numpy() for answer in answers]

    inputs = tuple(_tensor_info(each.name, each) for each in network.inputs)
    outputs = tuple(_tensor_info(name, each) for name, each in zip(network.outputs, tensors))
    return _Compiled(call, inputs, outputs, {**facts, "jit_compile": settings["jit_compile"]})


def _session(model: Path, settings: Mapping[str, Any]) -> _Compiled:
    """A session of TensorFlow 1, in which weights stay variables and nothing is compiled."""
    graph = tf.Graph()
    configuration = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=settings["threads"], inter_op_parallelism_threads=settings["inter_op_threads"]
    )
    session = tf.compat.v1.Session(graph=graph, config=configuration)
    with graph.as_default():
        saved = tf.compat.v1.saved_model.load(session, [tf.saved_model.SERVING], str(model))
    known = saved.signature_def
    signature = known[choose("signature", settings["signature"], list(known))]
    inputs = {name: graph.get_tensor_by_name(each.name) for name, each in signature.inputs.items()}
    outputs = {name: graph.get_tensor_by_name(each.name) for name, each in signature.outputs.items()}
    run = session.make_callable(list(outputs.values()), feed_list=list(inputs.values()))
    return _Compiled(
        lambda arrays: list(run(*arrays)),
        tuple(_tensor_info(name, each) for name, each in inputs.items()),
        tuple(_tensor_info(name, each) for name, each in outputs.items()),
        {"loader": "session", "precision": _precision(graph), "freeze": False, "jit_compile": False},
    )


def _precision(graph: Any) -> str:
    """The narrowest numbers that anything in a graph answers with."""
    found = {tensor.dtype.name for operation in graph.get_operations() for tensor in operation.outputs}
    return next((name.lstrip("q") for name in _NARROW if name in found), "float32")


def _describe(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "framework": "tensorflow",
        "version": tf.__version__,
        "device": "cpu",
        "threads": settings["threads"],
        "inter_op_threads": settings["inter_op_threads"],
    }


def _tensor_info(name: str, tensor: Any) -> TensorInfo:
    shape = tensor.shape
    sizes = () if shape.rank is None else tuple(None if size is None else int(size) for size in shape)
    return TensorInfo(name, tensor.dtype.as_numpy_dtype().dtype.name, sizes)
