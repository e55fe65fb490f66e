from __future__ import annotations

import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from semalign_ros.errors import DeviceError  # noqa: E402
from semalign_ros.train.device import choose_device, flushed_denormals, moved  # noqa: E402
from semalign_ros.train.packing import Exchange, pack  # noqa: E402


def test_batches_move_whole():
    packed = pack([[Exchange([5, 6], [7, 1])]], [[]], 3)
    meta = torch.device("meta")
    tokens, (inside, label), row = moved((torch.zeros(2, 3), (torch.ones(1), "kept"), packed), meta)
    assert tokens.is_meta
    assert inside.is_meta
    assert label == "kept"
    names = ("ids", "positions", "mask", "target", "choice", "shift", "last")
    assert all(getattr(row, name).is_meta for name in names)
    assert not packed.ids.is_meta


def test_asking_for_a_gpu_that_torch_cannot_find(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto").type == choose_device("cpu").type == "cpu"
    with pytest.raises(DeviceError, match="finds no CUDA GPU"):
        choose_device("cuda")


def test_small_numbers_vanish_only_within():
    tiny = torch.tensor([1e-40])
    with flushed_denormals():
        assert tiny * 1 == 0
    assert tiny * 1 != 0
