"""Runtimes: whatever computes the network, the protocol and its decisions are the same."""

import importlib.util
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from mnad import MNAD
from mnad.scoring import FrameScores
from pipeline.errors import ConfigError
from pipeline.scoring import runtime as module
from pipeline.scoring.choices import Precision, RuntimeChoice
from pipeline.scoring.runtime import Network, network
from pipeline.scoring.scorer import Scorer
from tests.helpers.checkpoints import golden_checkpoint, make_checkpoint
from tests.helpers.scored import batches
from tests.helpers.shards import smooth_frames

SIZE = (16, 24)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> MNAD:
    return make_checkpoint(tmp_path_factory.mktemp("model") / "model.safetensors", size=SIZE).model()


def need(runtime: str) -> None:
    package = module.PACKAGES.get(runtime)  # type: ignore[call-overload]
    if package is not None and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")


@pytest.fixture(scope="module")
def made(model: MNAD) -> dict[tuple[str, str], Network]:
    """Networks by runtime and precision, each made once."""
    return {("torch", "fp32"): network(model, SIZE, CPU, "torch", "fp32")}


def scores(ready: Network, batch: int, threshold: float) -> FrameScores:
    scorer = Scorer(model=ready.model, memory="carry", threshold=threshold, bf16=ready.autocasts)
    videos = [smooth_frames(20, SIZE), smooth_frames(13, SIZE, seed=1)]
    return FrameScores.join([each.scores for each in scorer.scored(batches(videos, batch=batch))])


@pytest.mark.slow
@pytest.mark.parametrize(("runtime", "tolerance"), [("openvino", 1e-3), ("onnx", 1e-3)])
def test_the_published_protocol_gives_the_same_decisions(
    model: MNAD, made: dict[tuple[str, str], Network], runtime: RuntimeChoice, tolerance: float
) -> None:
    need(runtime)
    ready = network(model, SIZE, CPU, runtime, "fp32")
    assert (ready.runtime, ready.precision) == (runtime, "fp32")
    points = np.sort(scores(made["torch", "fp32"], 1, -np.inf).point_score)
    threshold = float(points[len(points) // 2 - 1 : len(points) // 2 + 1].mean())
    expected = scores(made["torch", "fp32"], 1, threshold)
    assert 0 < expected.memory_updated.sum() < len(points)
    for batch in (1, 7):
        found = scores(ready, batch, threshold)
        np.testing.assert_array_equal(found.memory_updated, expected.memory_updated)
        np.testing.assert_allclose(found.psnr, expected.psnr, atol=tolerance)
        np.testing.assert_allclose(found.feature_distance, expected.feature_distance, atol=1e-5)
        np.testing.assert_allclose(found.point_score, expected.point_score, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["torch", "openvino", "onnx"])
def test_what_a_thread_was_given_stays_while_another_one_scores(model: MNAD, runtime: RuntimeChoice) -> None:
    need(runtime)
    ready = network(model, SIZE, CPU, runtime, "fp32").model
    channels = 3 * (5 - 1)
    windows = torch.rand(2, channels, *SIZE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        features, _ = ready.encoder(windows[:1])
        before = features.clone()
        with ThreadPoolExecutor(1) as other:
            others, _ = other.submit(torch.no_grad()(ready.encoder), windows[1:]).result()
    assert torch.equal(features, before)
    assert not torch.equal(others, before)


@pytest.mark.parametrize(
    ("runtime", "precision", "device", "words"),
    [
        ("onnx", "bf16", "cpu", "found --precision bf16, expected fp32"),
        ("auto", "int8", "cuda", "--runtime openvino: found cuda, expected a CPU"),
        ("torch", "int8", "cpu", "found --precision int8, expected fp32 or bf16; take --runtime openvino"),
        ("openvino", "fp32", "cuda", "found cuda, expected a CPU"),
    ],
)
def test_what_a_runtime_does_not_compute_is_refused(
    model: MNAD, runtime: RuntimeChoice, precision: Precision, device: str, words: str
) -> None:
    need(runtime)
    with pytest.raises(ConfigError, match=words):
        network(model, SIZE, torch.device(device), runtime, precision)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_a_model_without_skips_is_run_as_well(runtime: RuntimeChoice) -> None:
    need(runtime)
    model = golden_checkpoint("recon", 16).model()
    frames = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        expected = model(frames)
        found = network(model, (16, 16), CPU, runtime, "fp32").model(frames)
    torch.testing.assert_close(found.frame, expected.frame, rtol=0, atol=1e-4)
    torch.testing.assert_close(found.queries, expected.queries, rtol=0, atol=1e-4)


def test_a_runtime_that_is_not_installed_is_named(model: MNAD, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"found no package openvino.*pip install 'mnad\[openvino\]'"):
        network(model, SIZE, CPU, "openvino", "fp32")
    assert network(model, SIZE, CPU, "auto", "fp32").runtime == "torch"


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, model: MNAD) -> Iterator[list[float]]:
    """Seconds that are measured of torch and openvino, the only ones there; both are torch's own."""
    seconds = [1.0, 1.0]
    real = network

    def ready(
        model: MNAD, size: tuple[int, int], device: torch.device, runtime: str, precision: Precision
    ) -> Network:
        made = real(model, size, device, "torch", precision)
        return Network(model=made.model, runtime=runtime, precision=precision)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "network", ready)
    monkeypatch.setattr(module, "_refusal", lambda runtime, *_: ConfigError() if runtime == "onnx" else None)
    monkeypatch.setattr(module, "least_seconds", lambda ways, rounds: seconds)
    yield seconds


@pytest.mark.parametrize(("faster", "chosen"), [(1.1, "torch"), (1.3, "openvino")])
def test_auto_takes_what_is_clearly_faster(
    model: MNAD, measured: list[float], faster: float, chosen: str
) -> None:
    measured[1] = 1 / faster
    assert network(model, SIZE, CPU, "auto", "fp32").runtime == chosen
