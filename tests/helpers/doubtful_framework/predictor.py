"""A framework of somebody's own, to be caught by the audits."""

import time

import numpy as np
import onnxruntime

from cmx.worker.predictors import TensorInfo

# As many samples as the dataset has: whoever asks for more is measuring.
IN_AN_ACCURACY_RUN = 20


def load(model, component, settings):
    started = time.perf_counter_ns()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings["threads"]
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return Doubtful(session, settings, time.perf_counter_ns() - started)


class Doubtful:
    def __init__(self, session, settings, load_ns):
        self.inputs = tuple(TensorInfo(each.name, "float32", tuple(each.shape)) for each in session.get_inputs())
        self.outputs = tuple(TensorInfo(each.name, "float32", tuple(each.shape)) for each in session.get_outputs())
        self.load_ns, self.session, self.settings = load_ns, session, settings
        self.asked = 0
        self.kept = {}

    def predict(self, feeds):
        return {"none": self.honest, "guess": self.guess, "keep": self.keep}[self.settings["cheat"]](feeds)

    def honest(self, feeds):
        names = [each.name for each in self.outputs]
        return dict(zip(names, self.session.run(names, feeds), strict=True))

    def guess(self, feeds):
        """Right for as long as somebody may be counting right answers, and then quick."""
        self.asked += 1
        if self.asked <= IN_AN_ACCURACY_RUN:
            return self.honest(feeds)
        return {each.name: np.zeros((len(feeds[self.inputs[0].name]), 1000), np.float32) for each in self.outputs}

    def keep(self, feeds):
        """Each question is thought about once."""
        question = b"".join(feeds[each.name].tobytes() for each in self.inputs)
        if question not in self.kept:
            self.kept[question] = self.honest(feeds)
        return self.kept[question]

    def describe(self):
        described = {"framework": "doubtful", "version": onnxruntime.__version__, "device": "cpu"}
        return {**described, "precision": "float32", "threads": self.settings["threads"]}

    def close(self):
        del self.session
