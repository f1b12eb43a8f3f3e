"""The other side of predictors.py: what runs in a framework's environment, on Python 3.9, without cmx's controller.

One function a framework, which loads a model as its documentation has it and returns a call from an array to an array;
and for jax and mxnet, of which no model of ours has a variant, a network of four convolutions.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
THREADS = 1
WARM_UP_SECONDS = 1.0
LEAST_CALLS = 20
SIDE = 224

Call = Callable[[Any], Any]


def main(arguments: list[str]) -> None:
    """``make FRAMEWORK FOLDER``, or ``compare SUBJECT.json SECONDS loop|predictor``, which prints a JSON object."""
    if arguments[0] == "make":
        NETWORKS[arguments[1]](Path(arguments[2]))
        return
    subject = json.loads(Path(arguments[1]).read_text(encoding="utf-8"))
    sides = {"loop": LOOPS[subject["framework"]["name"]], "predictor": through_predictor}
    order = [arguments[3], *(side for side in sides if side != arguments[3])]
    print(json.dumps(compare({side: sides[side](subject) for side in order}, subject["shape"], float(arguments[2]))))


def compare(calls: dict[str, Call], shape: list[int], seconds: float) -> dict[str, Any]:
    """Call the sides in turns with one array, for some seconds: ns and CPU ns of each call, and the answers' sums."""
    import numpy as np

    array = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    answers: dict[str, Any] = {}
    times: dict[str, list[int]] = {side: [] for side in calls}
    cpu: dict[str, list[int]] = {side: [] for side in calls}
    begin, warm = time.perf_counter(), False
    while not warm or time.perf_counter() - begin < seconds or len(times["loop"]) < LEAST_CALLS:
        for side, call in calls.items():
            used, started = time.process_time_ns(), time.perf_counter_ns()
            answers[side] = call(array)
            times[side].append(time.perf_counter_ns() - started)
            cpu[side].append(time.process_time_ns() - used)
        if not warm and time.perf_counter() - begin > WARM_UP_SECONDS:
            begin, warm = time.perf_counter(), True
            times, cpu = {side: [] for side in calls}, {side: [] for side in calls}
    totals = {side: float(np.abs(np.asarray(answer, dtype=np.float64)).sum()) for side, answer in answers.items()}
    return {"times": times, "cpu": cpu, "totals": totals}


def through_predictor(subject: dict[str, Any]) -> Call:
    """As cmx's actions load and call it."""
    sys.path.insert(0, str(ROOT))
    from cmx.worker.context import Role
    from cmx.worker.predictors import open_predictor

    of = subject["framework"]
    role = Role(of["reference"], "", None, of["component"], Path(of["folder"]), settings=of["settings"])
    predictor = open_predictor(role, Path(subject["model"]), subject["component"], threads=THREADS)
    predict, given, got = predictor.predict, predictor.inputs[0].name, predictor.outputs[0].name
    return lambda array: predict({given: array})[got]


def onnxruntime(subject: dict[str, Any]) -> Call:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = THREADS
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(subject["model"], options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda array: session.run(None, {name: array})[0]


def torch(subject: dict[str, Any]) -> Call:
    import torch

    torch.set_num_threads(THREADS)
    module = torch.export.load(subject["model"]).module()

    def call(array: Any) -> Any:
        with torch.inference_mode():
            return module(torch.from_numpy(array)).numpy()

    return call


def tensorflow(subject: dict[str, Any]) -> Call:
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    threading = tf.config.threading
    if threading.get_intra_op_parallelism_threads() != THREADS:  # it may be set once, before anything has run
        threading.set_intra_op_parallelism_threads(THREADS)
        threading.set_inter_op_parallelism_threads(1)
    model = keras.saving.load_model(subject["model"])
    spec = tf.TensorSpec(model.inputs[0].shape, tf.float32)
    traced = tf.function(lambda image: model(image, training=False)).get_concrete_function(spec)
    frozen = convert_variables_to_constants_v2(traced)
    return lambda array: frozen(tf.constant(array))[0].numpy()


def litert(subject: dict[str, Any]) -> Call:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=subject["model"], num_threads=THREADS)
    given, got = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    interpreter.allocate_tensors()  # the batch is 1 as it is

    def call(array: Any) -> Any:
        interpreter.set_tensor(given, array)
        interpreter.invoke()
        return interpreter.get_tensor(got)

    return call


def openvino(subject: dict[str, Any]) -> Call:
    import openvino

    configuration = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": THREADS,
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
    }
    model = Path(subject["model"])
    file = next(model.glob("*.xml")) if model.is_dir() else model
    request = openvino.Core().compile_model(str(file), "CPU", configuration).create_infer_request()
    return lambda array: request.infer([array], share_inputs=True)[0]


def jax(subject: dict[str, Any]) -> Call:
    os.environ["NPROC"] = str(THREADS)
    import jax
    import numpy as np
    from jax import export

    program = export.deserialize(bytearray(Path(subject["model"]).read_bytes()))
    call = jax.jit(program.call)
    return lambda array: np.asarray(call(array))


def mxnet(subject: dict[str, Any]) -> Call:
    os.environ["OMP_NUM_THREADS"] = str(THREADS)
    import mxnet as mx

    folder = Path(subject["model"])
    symbol, arguments, auxiliary = mx.model.load_checkpoint(str(folder / "network"), 0)
    # Symbol's own executor: Module, which the tutorials use, takes longer for a network as small as this.
    executor = symbol.simple_bind(mx.cpu(), grad_req="null", image=tuple(subject["shape"]))
    executor.copy_params_from(arguments, auxiliary)
    return lambda array: executor.forward(is_train=False, image=array)[0].asnumpy()


LOOPS = {
    "onnxruntime": onnxruntime,
    "torch": torch,
    "tensorflow": tensorflow,
    "ai-edge-litert": litert,
    "openvino": openvino,
    "jax": jax,
    "mxnet": mxnet,
}
# Channels in and out of four convolutions of 3 × 3 with a stride of 2.
CHANNELS = ((3, 32), (32, 64), (64, 128), (128, 256))


def jax_network(folder: Path) -> None:
    """network.jax: a program of jax.export, its weights inside."""
    import jax
    import numpy as np
    from jax import export

    random = np.random.default_rng(0)
    kernels = [random.standard_normal((3, 3, a, b)).astype(np.float32) / (3 * a**0.5) for a, b in CHANNELS]

    def network(image: Any) -> Any:
        for kernel in kernels:
            layout = ("NHWC", "HWIO", "NHWC")
            image = jax.nn.relu(jax.lax.conv_general_dilated(image, kernel, (2, 2), "SAME", dimension_numbers=layout))
        return image.mean((1, 2))

    shape = jax.ShapeDtypeStruct((1, SIDE, SIDE, 3), np.float32)
    (folder / "network.jax").write_bytes(export.export(jax.jit(network))(shape).serialize())


def mxnet_network(folder: Path) -> None:
    """network-symbol.json and network-0000.params."""
    import mxnet as mx

    tensor, parameters = mx.sym.Variable("image"), {}
    for number, (a, b) in enumerate(CHANNELS):
        options = {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1), "num_filter": b, "no_bias": True}
        tensor = mx.sym.Activation(mx.sym.Convolution(tensor, name=f"c{number}", **options), act_type="relu")
        parameters[f"c{number}_weight"] = mx.nd.random.normal(0, 1 / (3 * a**0.5), (b, a, 3, 3))
    symbol = mx.sym.Pooling(tensor, global_pool=True, pool_type="avg", kernel=(1, 1), name="scores")
    mx.model.save_checkpoint(str(folder / "network"), 0, symbol, parameters, {})


NETWORKS = {"jax": jax_network, "mxnet": mxnet_network}

if __name__ == "__main__":
    main(sys.argv[1:])
