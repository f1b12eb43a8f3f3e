import time

import onnxruntime

from cmx.worker.predictors import TensorInfo


def load(model, component, settings):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings["threads"]
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return Paced(session, component, settings)


class Paced:
    load_ns = 0

    def __init__(self, session, component, settings):
        self.inputs, self.outputs = (
            tuple(TensorInfo(each["name"], each["dtype"], tuple(each["shape"])) for each in component[key])
            for key in ("inputs", "outputs")
        )
        self.session, self.settings = session, settings
        self.slowdown = settings["slowdown"] if settings["copy"] == 3 else 0

    def predict(self, feeds):
        started = time.perf_counter()
        answers = self.session.run(None, dict(feeds))
        took = max(time.perf_counter() - started, self.settings["pace"])
        until = started + took * (1 + self.slowdown)
        while (left := until - time.perf_counter()) > 0:
            time.sleep(left if left > 0.001 else 0)
        return {each.name: array for each, array in zip(self.outputs, answers)}  # noqa: B905  (Python 3.9)

    def describe(self):
        return {
            "framework": "paced",
            "version": onnxruntime.__version__,
            "device": "cpu",
            "precision": "float32",
            "threads": self.settings["threads"],
            "slowdown": self.slowdown,
        }

    def close(self):
        del self.session
