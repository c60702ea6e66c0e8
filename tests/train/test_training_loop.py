from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch
from small_run import MODEL, RUN
from torch import Tensor

from streamseg.datasets import VOID, VocLayout
from streamseg.errors import DataError, ModelError, TrainingError
from streamseg.model.network import Network
from streamseg.model.weights import load_checkpoint, save_checkpoint
from streamseg.train.config import TrainConfig
from streamseg.train.loop import Trainer
from streamseg.train.metrics import StepMetrics
from streamseg.train.run_folder import CHECKPOINT, CONFIG, METRICS

# Python 3.12 and later warn of every fork that a data loader makes after torch started threads
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


class StopHere(Exception):
    """Ends a run from within ``on_step``."""


def ignore(metrics: StepMetrics) -> None:
    """No progress bar."""


def stop_after(step: int, log: list[StepMetrics], error: type[BaseException]) -> Any:
    def on_step(metrics: StepMetrics) -> None:
        log.append(metrics)
        if metrics.step == step:
            raise error

    return on_step


def strict_lines(folder: Path) -> list[dict[str, Any]]:
    """metrics.jsonl, read as any JSON parser would: Python alone knows NaN."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    lines = (folder / METRICS).read_text(encoding="utf-8").splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


@pytest.fixture(scope="module")
def start() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return Network(MODEL).state_dict()


@dataclass(frozen=True)
class Finished:
    folder: Path
    metrics: list[StepMetrics]


@pytest.fixture(scope="module")
def finished(
    voc: VocLayout, start: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory
) -> Finished:
    """A whole run, uninterrupted."""
    folder = tmp_path_factory.mktemp("run") / "made" / "by the trainer"
    metrics: list[StepMetrics] = []
    Trainer([voc], folder, MODEL, RUN, start_from=start).run(metrics.append)
    return Finished(folder, metrics)


def test_a_short_run_learns(voc: VocLayout, start: dict[str, Tensor], tmp_path: Path) -> None:
    # long enough for the classifier: its loss rises while the first pixels become good seeds
    log: list[StepMetrics] = []
    Trainer([voc], tmp_path, MODEL, replace(RUN, steps=120), start_from=start).run(log.append)

    def mean(name: str, part: slice) -> float:
        return fmean(getattr(metrics, name) for metrics in log[part])

    most = {"embedding_loss": 0.6, "classification_loss": 0.8, "semantic_loss": 0.65}
    for loss, ratio in most.items():
        assert mean(loss, slice(-5, None)) < ratio * mean(loss, slice(5)), loss
    assert mean("good_seeds", slice(-5, None)) > 0.5


def test_every_step_is_one_line_of_json(finished: Finished) -> None:
    lines = strict_lines(finished.folder)
    assert [line["step"] for line in lines] == list(range(RUN.steps))
    assert all(line.keys() == {field.name for field in fields(StepMetrics)} for line in lines)
    assert [line["loss"] for line in lines] == [metrics.loss for metrics in finished.metrics]


def test_the_checkpoint_knows_its_images_and_settings(finished: Finished, voc: VocLayout) -> None:
    checkpoint = load_checkpoint(finished.folder / CHECKPOINT)
    assert checkpoint.step == RUN.steps
    assert checkpoint.image_ids == list(voc.ids)
    assert checkpoint.model_config == MODEL
    assert TrainConfig.from_json(checkpoint.train_config_json) == RUN
    assert {path.name for path in finished.folder.iterdir()} == {CHECKPOINT, CONFIG, METRICS}


def test_frozen_layers_and_the_trunks_statistics_stay(
    finished: Finished, start: dict[str, Tensor]
) -> None:
    trained = load_checkpoint(finished.folder / CHECKPOINT).network
    frozen = ("trunk.conv_stem", "trunk.bn1", "trunk.blocks.0.", "trunk.blocks.1.")
    for name, tensor in start.items():
        counted = name.endswith(("running_mean", "running_var", "num_batches_tracked"))
        stays = name.startswith(frozen) or (name.startswith("trunk.") and counted)
        assert torch.equal(tensor, trained[name]) == stays, name


def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(
    finished: Finished, voc: VocLayout, start: dict[str, Tensor], tmp_path: Path
) -> None:
    log: list[StepMetrics] = []
    first = Trainer([voc], tmp_path, MODEL, RUN, start_from=start)
    with pytest.raises(KeyboardInterrupt):
        first.run(stop_after(4, log, KeyboardInterrupt))
    assert load_checkpoint(tmp_path / CHECKPOINT).step == 5

    # the checkpoint's own model counts, not the one that is asked for
    second = Trainer([voc], tmp_path, replace(MODEL, embedding_dim=3), RUN)
    assert second.step == 5
    with pytest.raises(StopHere):
        second.run(stop_after(8, log, StopHere))
    assert [metrics.step for metrics in log] == list(range(9))
    assert [metrics.loss for metrics in log] == pytest.approx(
        [metrics.loss for metrics in finished.metrics[:9]], rel=1e-5
    )
    assert [line["step"] for line in strict_lines(tmp_path)] == list(range(9))


def test_a_finished_run_can_be_prolonged_with_other_rates(
    finished: Finished, voc: VocLayout, tmp_path: Path
) -> None:
    shutil.copytree(finished.folder, tmp_path / "run")
    config = replace(RUN, steps=RUN.steps + 1, learning_rate=1e-6, weight_decay=0.5)
    trainer = Trainer([voc], tmp_path / "run", MODEL, config)
    assert trainer.step == RUN.steps
    trainer.run(ignore)
    assert trainer.step == RUN.steps + 1
    groups = trainer.learner.optimizer.param_groups
    assert [group["weight_decay"] for group in groups] == [0.5, 0.5]
    assert groups[1]["lr"] <= 1e-6


def test_a_loss_of_nan_ends_the_run_and_leaves_the_last_good_checkpoint(
    voc: VocLayout, start: dict[str, Tensor], tmp_path: Path
) -> None:
    trainer = Trainer([voc], tmp_path, MODEL, replace(RUN, checkpoint_every=2), start_from=start)

    def spoil(metrics: StepMetrics) -> None:
        if metrics.step == 2:
            torch.nn.init.constant_(next(trainer.learner.network.neck.parameters()), torch.nan)

    with pytest.raises(TrainingError, match=r"loss is nan at step 3 .*on images image\d, .*lower"):
        trainer.run(spoil)
    left = load_checkpoint(tmp_path / CHECKPOINT)
    assert left.step == 2
    assert all(tensor.isfinite().all() for tensor in left.network.values())


def test_a_gradient_beyond_all_bounds_ends_the_run_before_it_spoils_the_weights(
    voc: VocLayout, start: dict[str, Tensor], tmp_path: Path
) -> None:
    trainer = Trainer([voc], tmp_path, MODEL, RUN, start_from=start)
    weight = next(trainer.learner.network.pixel_head.parameters())
    weight.register_hook(lambda gradient: gradient * torch.inf)
    match = r"gradient norm is (inf|nan) at step 0 on images image"
    with pytest.raises(TrainingError, match=match):
        trainer.run(ignore)
    assert weight.isfinite().all()


def test_a_batch_of_nothing_but_void_is_survived(
    make_voc: Callable[..., VocLayout], start: dict[str, Tensor], tmp_path: Path
) -> None:
    void = make_voc([[1]], side_px=2, background=VOID)
    config = replace(RUN, steps=2, batch_size=1)
    Trainer([void], tmp_path, MODEL, config, start_from=start).run(ignore)
    assert [line["loss"] for line in strict_lines(tmp_path)] == [0, 0]


def test_a_broken_checkpoint_is_not_started_over(voc: VocLayout, tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT).write_bytes(b"broken")
    with pytest.raises(ModelError, match=f"{CHECKPOINT} is not a streamseg checkpoint"):
        Trainer([voc], tmp_path, MODEL, RUN)
    assert (tmp_path / CHECKPOINT).read_bytes() == b"broken"


def test_a_checkpoint_whose_weights_belong_to_another_network_is_refused(
    finished: Finished, voc: VocLayout, tmp_path: Path
) -> None:
    checkpoint = load_checkpoint(finished.folder / CHECKPOINT)
    other = replace(checkpoint, model_config=replace(MODEL, embedding_dim=9))
    save_checkpoint(tmp_path / CHECKPOINT, other)
    with pytest.raises(ModelError, match="does not fit its own configuration"):
        Trainer([voc], tmp_path, MODEL, RUN)


def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    finished: Finished, voc: VocLayout, start: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save(start, tmp_path / "start.pt")
    run = tmp_path / "run"
    script = Path(__file__).parents[1] / "support" / "small_run.py"
    changes = json.dumps({"checkpoint_every": 4})
    paths = map(str, (script, voc.root, run, tmp_path / "start.pt"))
    with subprocess.Popen([sys.executable, *paths, changes]) as process:
        while not (run / METRICS).exists() or len((run / METRICS).read_text().splitlines()) < 6:
            assert process.poll() is None, "it ended too soon"
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL

    log: list[StepMetrics] = []
    trainer = Trainer([voc], run, MODEL, RUN)
    assert 4 <= trainer.step < RUN.steps
    with pytest.raises(StopHere):
        trainer.run(stop_after(trainer.step + 3, log, StopHere))
    lines = strict_lines(run)
    assert [line["step"] for line in lines] == list(range(trainer.step))
    # the threads of another process may add numbers up in another order
    assert [line["loss"] for line in lines] == pytest.approx(
        [metrics.loss for metrics in finished.metrics[: len(lines)]], rel=1e-3
    )


def test_ctrl_c_in_the_middle_of_a_step_ends_the_run_after_a_whole_one(
    finished: Finished, voc: VocLayout, start: dict[str, Tensor], tmp_path: Path
) -> None:
    trainer = Trainer([voc], tmp_path, MODEL, RUN, start_from=start)
    weight = next(trainer.learner.network.pixel_head.parameters())
    backward_passes = []

    def interrupt(gradient: Tensor) -> None:
        backward_passes.append(gradient)
        if len(backward_passes) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    weight.register_hook(interrupt)
    # the tests may run in the background, where Ctrl-C is ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            trainer.run(ignore)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    left = load_checkpoint(tmp_path / CHECKPOINT)
    assert 3 <= left.step == len(backward_passes) <= 4
    losses = [line["loss"] for line in strict_lines(tmp_path)]
    assert losses == pytest.approx(
        [metrics.loss for metrics in finished.metrics[: left.step]], rel=1e-5
    )


def test_bf16_learns_like_float32(
    finished: Finished, voc: VocLayout, start: dict[str, Tensor], tmp_path: Path
) -> None:
    log: list[StepMetrics] = []
    config = replace(RUN, mixed_precision="bf16")
    with pytest.raises(StopHere):
        Trainer([voc], tmp_path, MODEL, config, start_from=start).run(stop_after(4, log, StopHere))
    for name in ("embedding_loss", "semantic_loss"):
        mixed = [getattr(metrics, name) for metrics in log]
        full = [getattr(metrics, name) for metrics in finished.metrics[: len(log)]]
        # the first step has the same weights; after it small differences grow
        assert mixed[0] == pytest.approx(full[0], rel=0.05)
        assert fmean(mixed) == pytest.approx(fmean(full), rel=0.15)
    assert log[0].loss != finished.metrics[0].loss
    weights = load_checkpoint(tmp_path / CHECKPOINT).network.values()
    assert all(tensor.dtype != torch.bfloat16 for tensor in weights)


@pytest.mark.gpu
def test_a_gpu_learns_like_the_cpu(
    finished: Finished, voc: VocLayout, start: dict[str, Tensor], tmp_path: Path
) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA GPU")
    log: list[StepMetrics] = []
    for precision, tolerance in (("off", 0.02), ("bf16", 0.1)):
        config = replace(RUN, device="cuda", mixed_precision=precision, steps=5)
        trainer = Trainer([voc], tmp_path / precision, MODEL, config, start_from=start)
        trainer.run(log.append)
        assert {tensor.device.type for tensor in trainer.learner.weights().values()} == {"cpu"}
        cpu = [metrics.embedding_loss for metrics in finished.metrics[:3]]
        gpu = [metrics.embedding_loss for metrics in log[-5:-2]]
        assert gpu == pytest.approx(cpu, rel=tolerance)


def test_running_out_of_memory_says_what_to_lower(
    voc: VocLayout, start: dict[str, Tensor], tmp_path: Path
) -> None:
    trainer = Trainer([voc], tmp_path, MODEL, RUN, start_from=start)

    def swell(module: object, arguments: object) -> None:
        torch.empty(2**60, dtype=torch.uint8)

    trainer.learner.network.neck.register_forward_pre_hook(swell)
    with pytest.raises(
        TrainingError, match=r"ran out at step 0 .*batch_size \(now 3\) or crop_sizes"
    ):
        trainer.run(ignore)


def test_a_broken_image_is_named(
    make_voc: Callable[..., VocLayout], start: dict[str, Tensor], tmp_path: Path
) -> None:
    data = make_voc([[1]])
    trainer = Trainer([data], tmp_path, MODEL, RUN, start_from=start)
    (data.root / "JPEGImages/image0.jpg").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"^\S*image0\.jpg is not an image$"):
        trainer.run(ignore)


def test_weights_of_another_network_are_refused(
    voc: VocLayout, start: dict[str, Tensor], tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"weights do not fit the network of .*: size"):
        Trainer([voc], tmp_path, replace(MODEL, embedding_dim=9), RUN, start_from=start)


def test_the_average_of_the_weights_is_kept_and_handed_out(
    finished: Finished, voc: VocLayout, start: dict[str, Tensor], tmp_path: Path
) -> None:
    shutil.copytree(finished.folder, tmp_path / "run")
    last = load_checkpoint(finished.folder / CHECKPOINT).network
    config = replace(RUN, steps=RUN.steps + 2, ema_decay=0.9)
    trainer = Trainer([voc], tmp_path / "run", MODEL, config)
    trainer.run(ignore)
    name = "neck.smooth.0.0.0.weight"
    now = trainer.learner.network.state_dict()[name]
    averaged = trainer.learner.weights()[name]
    assert 0 < (averaged - last[name]).norm() < (now - last[name]).norm()

    again = Trainer([voc], tmp_path / "run", MODEL, config)
    assert torch.equal(again.learner.weights()[name], averaged)
    assert torch.equal(again.learner.network.state_dict()[name], now)


def test_a_detector_that_starts_at_random_is_reported(
    voc: VocLayout, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = replace(MODEL, trunk="picodet-s")
    Trainer([voc], tmp_path / "trained", model, RUN, start_from=Network(model).state_dict())
    assert not caplog.messages
    Trainer([voc], tmp_path / "random", model, RUN)
    assert caplog.messages == [
        "trunk picodet-s starts from random weights: start from a model with --init, or name "
        "published weights with train.trunk_weights"
    ]
