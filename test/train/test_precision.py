"""Training in bfloat16: nearly the same loss, and weights as precise as before."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from semalign_ros.language import PromptSet  # noqa: E402
from semalign_ros.train.contrastive import train_contrastive  # noqa: E402
from semalign_ros.train.datasets import load_frames  # noqa: E402
from semalign_ros.train.generative import train_generative  # noqa: E402
from semalign_ros.train.models import Tower  # noqa: E402
from semalign_ros.train.networks import build_segmenter  # noqa: E402
from semalign_ros.train.questions import build_tokenizer  # noqa: E402
from semalign_ros.train.segmenter import train_segmenter  # noqa: E402
from semalign_ros.train.settings import TrainSettings  # noqa: E402
from semalign_ros.train.views import plain_views  # noqa: E402


@pytest.fixture(scope="module")
def frames(data_set):
    return load_frames(data_set, "train", 128)


@pytest.fixture(scope="module")
def views(tiny_settings, frames):
    return plain_views(Tower(build_segmenter(tiny_settings.segmenter, 0)).eval(), frames)


@pytest.mark.parametrize("name", ["segmenter", "contrastive", "generative"])
def test_layers_compute_in_bfloat16_where_it_is_asked_for(
    name, tiny_settings, frames, views, tmp_path
):
    prompts = PromptSet.load()
    tokenizer = build_tokenizer(prompts, 512, 0)
    losses = {}
    for precision in ("float32", "bfloat16"):
        changed = tiny_settings.model_dump()
        changed[name]["stage"] |= {"precision": precision, "steps": 1}
        settings = getattr(TrainSettings.model_validate(changed), name)
        seen, checkpoint = [], tmp_path / f"{precision}.pt"
        if name == "segmenter":
            train_segmenter([frames], {}, settings, 0, checkpoint, seen.append)
        else:
            train = train_contrastive if name == "contrastive" else train_generative
            train(views, {}, prompts, tokenizer, settings, 0, checkpoint, seen.append)
        losses[precision] = seen[0].loss
        state = torch.load(checkpoint, weights_only=True)["model"]
        assert {v.dtype for v in state.values() if v.is_floating_point()} == {torch.float32}
    assert losses["bfloat16"] != losses["float32"]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.02)
