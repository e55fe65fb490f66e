"""The optimisation loop that all stages share: schedule, averaging, checkpoints."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from semalign_ros.errors import ConfigError
from semalign_ros.train.device import CPU, moved
from semalign_ros.train.files import save_tensors
from semalign_ros.train.settings import StageSettings

T = TypeVar("T")
RANDOM = "random weights"
_SAVE_EVERY_S = 600.0


@dataclass(frozen=True, slots=True)
class Progress:
    """What a run reports after a step.

    Args:
        stage: Its name.
        step: Steps done.
        steps: Steps in all.
        loss: Running mean of the loss.
        scores: Figures of the last evaluation, empty before the first.
    """

    stage: str
    step: int
    steps: int
    loss: float
    scores: Mapping[str, float]


Report = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Task(Generic[T]):
    """What a stage trains.

    Args:
        name: Name of the stage and of its checkpoint.
        model: Its trainable parameters are trained.
        loss: Loss of one batch, a scalar.
        batches: Opens the stream of batches for steps [start, stop).
        evaluate: Figures of a model.
        origin: What the weights were before the first step; a checkpoint of another is refused.
    """

    name: str
    model: nn.Module
    loss: Callable[[nn.Module, T], Tensor]
    batches: Callable[[int, int], Iterable[T]]
    evaluate: Callable[[nn.Module], Mapping[str, float]]
    origin: str = RANDOM


def rate_at(step: int, stage: StageSettings) -> float:
    """Learning rate of a step: linear warm-up, plateau, decay to zero as 1 - sqrt.

    Source: Hägele et al., "Scaling Laws and Compute-Optimal Training Beyond Fixed
    Training Durations" (2024), section 3.
    """
    decay_from = stage.steps * (1 - stage.decay_share)
    factor = min(1.0, (step + 1) / max(stage.warmup, 1))
    if step > decay_from:
        factor *= 1 - math.sqrt((step - decay_from) / max(stage.steps - decay_from, 1.0))
    return stage.learning_rate * factor


def fit(
    task: Task[T],
    stage: StageSettings,
    checkpoint: Path,
    report: Report,
    device: torch.device = CPU,
) -> nn.Module:
    """Train, going on from `checkpoint` where that exists.

    Args:
        task: What to train.
        stage: The schedule.
        checkpoint: File that holds the state; written at every evaluation and every ten minutes.
        report: Called after every step.
        device: Where to compute.

    Returns:
        The averaged weights, in evaluation mode, on the CPU.

    Raises:
        ConfigError: The checkpoint is of another model, began from other weights, or has gone
            further than this schedule; or the run diverged.
        OutputError: The checkpoint cannot be written.
    """
    model = task.model.to(device)
    average = copy.deepcopy(model).requires_grad_(False).eval()
    optimiser = torch.optim.AdamW(_groups(model, stage.weight_decay), lr=stage.learning_rate)
    start, loss, scores = 0, float("nan"), dict[str, float]()
    if checkpoint.exists():
        start, loss, scores = _restore(checkpoint, task, average, optimiser, stage)
    saved = time.monotonic()
    for step, batch in enumerate(task.batches(start, stage.steps), start):
        for group in optimiser.param_groups:
            group["lr"] = rate_at(step, stage)
        model.train()
        # Dropout of a step is the same whether or not the run was interrupted before it.
        torch.manual_seed(step)
        value = task.loss(model, moved(batch, device))
        optimiser.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), stage.clip)
        if not math.isfinite(norm):
            raise ConfigError(
                f"{task.name}: the gradient of step {step + 1} is no finite number, learning rate "
                f"{rate_at(step, stage):.2g}; choose a lower --learning-rate. "
                + (f"{checkpoint} holds the state before" if checkpoint.exists() else "")
            )
        optimiser.step()
        _average(average, model, min(stage.ema, (1 + step) / (10 + step)))
        now = float(value.detach())
        loss = now if math.isnan(loss) else 0.98 * loss + 0.02 * now
        done = step + 1
        if done % stage.evaluate_every == 0 or done == stage.steps:
            scores = dict(task.evaluate(average))
            saved = -math.inf
        if time.monotonic() - saved >= _SAVE_EVERY_S:
            _save(checkpoint, task, average, optimiser, (done, loss, scores), stage.steps)
            saved = time.monotonic()
        report(Progress(task.name, done, stage.steps, loss, scores))
    return average.cpu()


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    trained = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


@torch.no_grad()
def _average(average: nn.Module, model: nn.Module, decay: float) -> None:
    pairs = list(zip(average.state_dict().values(), model.state_dict().values(), strict=True))
    means, values = zip(*(p for p in pairs if p[0].is_floating_point()), strict=True)
    # One launch for hundreds of small tensors: a GPU would wait for the host otherwise.
    get_ema_multi_avg_fn(decay)(means, values, 0)  # type: ignore[no-untyped-call]
    for mean, value in pairs:
        if not mean.is_floating_point():
            mean.copy_(value)


def _save(
    path: Path,
    task: Task[T],
    average: nn.Module,
    optimiser: torch.optim.Optimizer,
    progress: tuple[int, float, Mapping[str, float]],
    steps: int,
) -> None:
    state = {
        "origin": task.origin,
        "model": task.model.state_dict(),
        "average": average.state_dict(),
        "optimiser": optimiser.state_dict(),
        "step": progress[0],
        "steps": steps,
        "loss": progress[1],
        "scores": dict(progress[2]),
    }
    save_tensors(path, state)


def _restore(
    path: Path,
    task: Task[T],
    average: nn.Module,
    optimiser: torch.optim.Optimizer,
    stage: StageSettings,
) -> tuple[int, float, dict[str, float]]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        origin = str(state["origin"])
        task.model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        done = int(state["step"]), float(state["loss"]), dict(state["scores"])
        steps = int(state.get("steps", stage.steps))
    except Exception as error:
        raise ConfigError(
            f"checkpoint {path} does not belong to this model or is damaged "
            f"({type(error).__name__}); train into another work folder, or remove it"
        ) from error
    if origin != task.origin:
        raise ConfigError(
            f"checkpoint {path} began from {origin}, this run from {task.origin}; train into "
            "another work folder, or give the same --start"
        )
    # Before the rate falls a longer run is the same run; after it, and beyond its end, it is not.
    decays_from = min(steps, stage.steps) * (1 - stage.decay_share)
    if done[0] > (stage.steps if steps == stage.steps else decays_from):
        raise ConfigError(
            f"checkpoint {path} has {done[0]} steps of {steps}, and its learning rate has begun "
            f"to fall; this run has {stage.steps} steps. Train into another work folder, or as long"
        )
    return done
