from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from semalign_ros.errors import ConfigError, OutputError  # noqa: E402
from semalign_ros.train import loop  # noqa: E402
from semalign_ros.train.loop import Task, fit, rate_at  # noqa: E402
from semalign_ros.train.settings import StageSettings  # noqa: E402

STAGE = StageSettings(steps=12, batch=4, learning_rate=0.05, warmup=2, evaluate_every=4)


class Interrupted(Exception):
    pass


def make_task(seed=0, width=3, stop_at=None):
    torch.manual_seed(seed)
    model = torch.nn.Sequential(
        torch.nn.Linear(width, 8),
        torch.nn.BatchNorm1d(8),
        torch.nn.Dropout(0.1),
        torch.nn.Linear(8, 1),
    )

    def batches(start, stop):
        for step in range(start, stop):
            if step == stop_at:
                raise Interrupted
            x = torch.randn(4, width, generator=torch.Generator().manual_seed(step))
            yield x, x.sum(1, keepdim=True)

    def loss(net, batch):
        return torch.nn.functional.mse_loss(net(batch[0]), batch[1])

    return Task("toy", model, loss, batches, lambda _: {"figure": 1.0})


@pytest.mark.parametrize(("every_s", "kept"), [(600.0, 8), (0.0, 10)])
def test_an_interrupted_run_ends_with_the_same_weights(every_s, kept, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "_SAVE_EVERY_S", every_s)
    seen = []
    whole = fit(make_task(), STAGE, tmp_path / "whole.pt", seen.append)
    assert [p.step for p in seen] == list(range(1, 13))
    path = tmp_path / "resumed.pt"
    with pytest.raises(Interrupted):
        fit(make_task(stop_at=10), STAGE, path, seen.append)
    seen.clear()
    # Other initial weights: all that counts is in the checkpoint.
    resumed = fit(make_task(seed=9), STAGE, path, seen.append)
    assert [p.step for p in seen] == list(range(kept + 1, 13))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_a_finished_run_only_loads(tmp_path):
    first = fit(make_task(), STAGE, tmp_path / "x.pt", lambda _: None)
    seen = []
    again = fit(make_task(seed=1), STAGE, tmp_path / "x.pt", seen.append)
    assert not seen
    assert torch.equal(first[0].weight, again[0].weight)


def test_the_averaged_weights_learn(tmp_path):
    stage = STAGE.model_copy(update={"steps": 400, "ema": 0.98, "evaluate_every": 400})
    model = fit(make_task(), stage, tmp_path / "x.pt", lambda _: None)
    x = torch.randn(64, 3, generator=torch.Generator().manual_seed(12345))
    assert torch.nn.functional.mse_loss(model(x), x.sum(1, keepdim=True)) < 0.1
    assert not model.training
    assert model[1].num_batches_tracked == 400, "counts are copied, not averaged"


def test_refuses_a_checkpoint_of_another_model(tmp_path):
    fit(make_task(), STAGE, tmp_path / "x.pt", lambda _: None)
    with pytest.raises(ConfigError, match=r"checkpoint .*x\.pt does not belong to this model"):
        fit(make_task(width=5), STAGE, tmp_path / "x.pt", lambda _: None)
    (tmp_path / "y.pt").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="damaged"):
        fit(make_task(), STAGE, tmp_path / "y.pt", lambda _: None)


def test_rate_warms_up_stays_and_falls():
    stage = StageSettings(steps=100, batch=2, learning_rate=0.1, warmup=10, decay_share=0.5)
    rates = [rate_at(s, stage) for s in range(100)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[10:51] == pytest.approx([0.1] * 41)
    assert all(a > b for a, b in itertools.pairwise(rates[50:]))
    # Before the decay a longer run is the same run.
    longer = stage.model_copy(update={"steps": 200})
    assert [rate_at(s, longer) for s in range(50)] == rates[:50]


def test_a_run_that_diverges_ends_before_it_spoils_its_checkpoint(tmp_path):
    task = make_task()
    spoil = replace(task, loss=lambda net, batch: task.loss(net, batch) * float("nan"))
    path = tmp_path / "x.pt"
    with pytest.raises(Interrupted):
        fit(make_task(stop_at=10), STAGE, path, lambda _: None)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"toy: the gradient of step 9 .*x\.pt holds"):
        fit(spoil, STAGE, path, lambda _: None)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("stop_at", "steps", "goes_on"), [(5, 24, True), (9, 24, False), (9, 6, False)]
)
def test_a_longer_run_goes_on_only_before_the_rate_falls(stop_at, steps, goes_on, tmp_path):
    path = tmp_path / "x.pt"
    with pytest.raises(Interrupted):
        fit(make_task(stop_at=stop_at), STAGE, path, lambda _: None)
    longer = STAGE.model_copy(update={"steps": steps})
    if goes_on:
        seen = []
        fit(make_task(), longer, path, seen.append)
        assert [p.step for p in seen] == list(range(5, steps + 1))
    else:
        with pytest.raises(ConfigError, match=rf"has 8 steps of 12, .* this run has {steps} steps"):
            fit(make_task(), longer, path, lambda _: None)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_told(tmp_path, monkeypatch):
    def full(state, path):
        with Path("/dev/full").open("wb") as stream:
            torch_save(state, stream)

    torch_save = torch.save
    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OutputError, match=r"x\.pt: cannot be written"):
        fit(make_task(), STAGE, tmp_path / "x.pt", lambda _: None)
    assert not list(tmp_path.iterdir())
