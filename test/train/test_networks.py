"""Networks against those of transformers and torch."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from transformers import MobileNetV2ForSemanticSegmentation  # noqa: E402

from semalign_ros.train.networks import GridConv2d, build_segmenter  # noqa: E402
from semalign_ros.train.settings import DeepLabNetwork, TrainSettings  # noqa: E402


@pytest.mark.parametrize(
    ("dilation", "groups", "size"),
    [(2, 6, (8, 8)), (4, 6, (8, 12)), (4, 1, (16, 8)), (2, 3, (7, 8)), (2, 3, (8, 7))],
)
def test_a_grid_convolution_is_the_dilated_one(
    dilation: int, groups: int, size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(6, 6, 3, padding=dilation, dilation=dilation, groups=groups).double()
    x = torch.randn(2, 6, *size, dtype=torch.float64, requires_grad=True)
    expected, found = conv(x), GridConv2d.of(conv)(x)
    torch.testing.assert_close(found, expected)
    towards = torch.randn_like(expected)
    inputs = (x, conv.weight, conv.bias)
    for ours, theirs in zip(
        torch.autograd.grad(found, inputs, towards),
        torch.autograd.grad(expected, inputs, towards),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


def test_a_deeplab_is_that_of_transformers(tiny_settings: TrainSettings) -> None:
    settings = tiny_settings.segmenter
    networks = settings.networks.model_copy(
        update={"deeplab": DeepLabNetwork(width=0.25, output_stride=8)}
    )
    settings = settings.model_copy(update={"family": "deeplab", "networks": networks})
    model = build_segmenter(settings, seed=3).eval()
    # The depthwise layers of 384, 576 and 960 channels (at width 1) behind stride 8.
    assert sum(isinstance(m, GridConv2d) for m in model.modules()) == 4 + 3 + 3
    plain = MobileNetV2ForSemanticSegmentation(model.config).eval()
    plain.load_state_dict(model.state_dict())
    frames = torch.randn(2, 3, 96, 64).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        torch.testing.assert_close(model(frames).logits, plain(frames).logits)
