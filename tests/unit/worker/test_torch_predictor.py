"""What is torch's own: programs of torch.export run in three ways, TorchScript, and devices that are not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frameworks import predictor_role

from cmx.worker.predictors import Predictor, PredictorError, TensorInfo, open_predictor, optimise

torch = pytest.importorskip("torch", reason="torch is not installed: its predictor cannot be tried")

BATCHES = (1, 4)
# torch warns of its own deprecations while it exports and scripts.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
COMPONENT = {
    "inputs": [{"name": "picture", "dtype": "float32", "shape": ["batch", 3, 6, 6]}],
    "outputs": [
        {"name": "scores", "dtype": "float32", "shape": ["batch", 5]},
        {"name": "twice", "dtype": "float32", "shape": ["batch", 3, 6, 6]},
    ],
}


class Small(torch.nn.Module):  # type: ignore[misc]
    """Two outputs of one input."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.filters, self.head = torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Linear(8, 5)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.head(torch.relu(self.filters(image)).mean((2, 3))), image * 2


class Several(torch.nn.Module):  # type: ignore[misc]
    """A tensor and a number, as voice activity detectors take them."""

    def forward(self, frame: torch.Tensor, rate: int) -> torch.Tensor:
        return frame.sum(1) * rate


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One network as small.pt2 and small.pt; several.pt."""
    folder, network = tmp_path_factory.mktemp("torch"), Small().eval()
    batch = {"image": {0: torch.export.Dim("batch", min=1)}}
    program = torch.export.export(network, (torch.zeros(2, 3, 6, 6),), dynamic_shapes=batch)
    torch.export.save(program, folder / "small.pt2")
    torch.jit.script(network).save(str(folder / "small.pt"))
    torch.jit.script(Several()).save(str(folder / "several.pt"))
    return folder


def images(count: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(count).standard_normal((count, 3, 6, 6)).astype(np.float32)


def expected(batch: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """In numpy, at double precision."""
    weights = {name: value.detach().numpy().astype(np.float64) for name, value in Small().named_parameters()}
    padded = np.pad(batch.astype(np.float64), [(0, 0), (0, 0), (1, 1), (1, 1)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    filtered = np.einsum("bcyxij,ocij->boyx", windows, weights["filters.weight"])
    filtered += weights["filters.bias"][:, None, None]
    return np.asarray(np.maximum(filtered, 0).mean((2, 3)) @ weights["head.weight"].T + weights["head.bias"])


def check(predictor: Predictor, input: str = "picture") -> None:
    for count in BATCHES:
        found = predictor.predict({input: images(count)})
        scores, twice = found.values()
        np.testing.assert_allclose(scores, expected(images(count)), atol=1e-5)
        np.testing.assert_array_equal(twice, images(count) * 2)


def test_a_program_runs_eagerly_under_the_names_of_its_model(files: Path) -> None:
    predictor = open_predictor(predictor_role("torch"), files / "small.pt2", COMPONENT, threads=2)
    check(predictor)
    assert predictor.inputs == (TensorInfo("picture", "float32", ("batch", 3, 6, 6)),)
    assert [each.name for each in predictor.outputs] == ["scores", "twice"]
    assert predictor.load_ns > 0
    described = predictor.describe()
    assert {key: described[key] for key in ("framework", "version", "device", "precision", "execution")} == {
        "framework": "torch",
        "version": torch.__version__,
        "device": "cpu",
        "precision": "float32",
        "execution": "eager",
    }
    assert (described["threads"], described["intra_op_threads"]) == (2, 2)
    assert optimise(predictor_role("torch"), files / "small.pt2", files / "none.pt2") is None
    assert not (files / "none.pt2").exists()


def test_a_program_names_its_own_inputs_where_the_model_says_nothing(files: Path) -> None:
    predictor = open_predictor(predictor_role("torch"), files / "small.pt2", {})
    assert predictor.inputs == (TensorInfo("image", "float32", (None, 3, 6, 6)),)
    assert [each.shape for each in predictor.outputs] == [(None, 5), (None, 3, 6, 6)]
    check(predictor, "image")


def test_torchscript_runs_as_it_is(files: Path) -> None:
    predictor = open_predictor(predictor_role("torch"), files / "small.pt", COMPONENT)
    check(predictor)
    assert predictor.describe()["execution"] == "torchscript"


def test_torchscript_may_take_several_inputs_and_plain_numbers(files: Path) -> None:
    predictor = open_predictor(predictor_role("torch"), files / "several.pt", {})
    assert [(each.name, each.dtype) for each in predictor.inputs] == [("frame", "float32"), ("rate", "int")]
    found = predictor.predict({"rate": np.array(8), "frame": np.ones((2, 3), np.float32)})
    np.testing.assert_array_equal(found["output_0"], [24, 24])


def test_an_input_that_may_not_be_written_to_is_read(files: Path) -> None:
    batch = images(1)
    batch.flags.writeable = False
    open_predictor(predictor_role("torch"), files / "small.pt2", COMPONENT).predict({"picture": batch})


@pytest.mark.slow
def test_a_program_compiled_when_it_is_loaded_gives_the_same_answers(files: Path) -> None:
    predictor = open_predictor(predictor_role("torch", execution="compile"), files / "small.pt2", COMPONENT)
    check(predictor)
    assert predictor.describe()["execution"] == "compile"


@pytest.mark.slow
def test_a_program_compiled_ahead_of_time_gives_the_same_answers(files: Path, tmp_path: Path) -> None:
    framework = predictor_role("torch", execution="export")
    done = optimise(framework, files / "small.pt2", tmp_path / "model.pt2", threads=1)
    assert done is not None
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt2"]
    predictor = open_predictor(framework, tmp_path / "model.pt2", COMPONENT, compiled=True)
    check(predictor)
    described = predictor.describe()
    assert (described["execution"], described["compiled_for_threads"], described["precision"]) == (
        "export",
        1,
        "float32",
    )


@pytest.mark.parametrize(
    ("file", "settings", "message", "hint"),
    [
        ("small.pt", {"execution": "compile"}, "small.pt is TorchScript", "--set execution=eager"),
        ("small.pt2", {"device": "cuda"}, "device cuda: torch", "or --set device=cpu"),
        ("noise.pt", {}, r"noise\.pt: torch .* cannot load it", ""),
        ("noise.pt2", {}, r"noise\.pt2: torch .* cannot load it", ""),
    ],
)
def test_what_torch_cannot_do_is_refused(
    files: Path, file: str, settings: dict[str, str], message: str, hint: str
) -> None:
    if "device" in settings and torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    for noise in ("noise.pt", "noise.pt2"):
        (files / noise).write_bytes(b"no model at all")
    with pytest.raises(PredictorError, match=message) as caught:
        open_predictor(predictor_role("torch", **settings), files / file, {})
    assert caught.value.hint.endswith(hint)


def test_a_program_of_another_number_of_outputs_is_refused(files: Path) -> None:
    component = {**COMPONENT, "outputs": COMPONENT["outputs"][:1]}
    with pytest.raises(PredictorError, match=r"the program has 2 \(linear, mul\), not 1"):
        open_predictor(predictor_role("torch"), files / "small.pt2", component)
