"""The segmentation networks that can be trained: one per family, from random weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import (
    MobileNetV2Config,
    MobileNetV2ForSemanticSegmentation,
    PreTrainedModel,
    ResNetConfig,
    SegformerConfig,
    SegformerForSemanticSegmentation,
    UperNetConfig,
    UperNetForSemanticSegmentation,
)
from transformers.models.mobilenet_v2.modeling_mobilenet_v2 import MobileNetV2ConvLayer

from semalign_ros.scene.taxonomy import CLASSES, TRAIN_ID
from semalign_ros.train.settings import (
    DeepLabNetwork,
    SegformerNetwork,
    SegmenterSettings,
    UperNetNetwork,
)

_CLASSES = {"id2label": dict(enumerate(CLASSES)), "label2id": dict(TRAIN_ID)}


def build_segmenter(settings: SegmenterSettings, seed: int) -> PreTrainedModel:
    """Build the network of the chosen family with random weights."""
    torch.manual_seed(seed)
    network = settings.network
    if isinstance(network, SegformerNetwork):
        return _segformer(network)
    if isinstance(network, DeepLabNetwork):
        return _deeplab(network)
    return build_upernet(network)


def build_upernet(network: UperNetNetwork) -> UperNetForSemanticSegmentation:
    """Build a UperNet (Xiao et al., ECCV 2018) on a residual backbone of basic blocks."""
    backbone = ResNetConfig(
        num_channels=3,
        embedding_size=network.embedding,
        hidden_sizes=list(network.hidden),
        depths=list(network.depths),
        layer_type="basic",
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = UperNetConfig(
        backbone_config=backbone,
        hidden_size=network.decoder,
        # The coarsest map is 8 to 12 cells wide; these divide it evenly.
        pool_scales=[1, 2, 4],
        use_auxiliary_head=False,
        **_CLASSES,
    )
    return UperNetForSemanticSegmentation(config)


def _segformer(network: SegformerNetwork) -> SegformerForSemanticSegmentation:
    """Build a SegFormer (Xie et al., NeurIPS 2021)."""
    config = SegformerConfig(
        hidden_sizes=list(network.hidden),
        depths=list(network.depths),
        num_attention_heads=list(network.heads),
        decoder_hidden_size=network.decoder,
        **_CLASSES,
    )
    return SegformerForSemanticSegmentation(config)


def _deeplab(network: DeepLabNetwork) -> MobileNetV2ForSemanticSegmentation:
    """Build a DeepLab head on MobileNetV2 (Sandler et al., CVPR 2018, section 6.3)."""
    config = MobileNetV2Config(
        depth_multiplier=network.width,
        output_stride=network.output_stride,
        # TensorFlow's padding depends on the size of the frame and buys nothing here.
        tf_padding=False,
        # The default drops four of five channels, which is meant for weights already trained.
        classifier_dropout_prob=0.1,
        **_CLASSES,
    )
    model = MobileNetV2ForSemanticSegmentation(config)
    for layer in model.modules():
        if isinstance(layer, MobileNetV2ConvLayer) and layer.convolution.dilation != (1, 1):
            layer.convolution = GridConv2d.of(layer.convolution)
    return model


class GridConv2d(nn.Conv2d):
    """A dilated convolution, computed without dilation on each of the grids that it samples.

    The result is the same. On a CPU, torch's own backward pass of a dilated depthwise
    convolution takes several times as long; with it a DeepLab is twice as slow to train.
    """

    @classmethod
    def of(cls, conv: nn.Conv2d) -> GridConv2d:
        """Take over a square convolution that keeps the size of a map, with its weights."""
        new = cls(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size,  # type: ignore[arg-type]
            padding=conv.padding,  # type: ignore[arg-type]
            dilation=conv.dilation,  # type: ignore[arg-type]
            groups=conv.groups,
            bias=conv.bias is not None,
        )
        new.weight, new.bias = conv.weight, conv.bias
        return new

    def forward(self, x: Tensor) -> Tensor:
        """Convolve: f32[N, C, H, W] -> f32[N, C', H, W]."""
        step = self.dilation[0]
        n, _, height, width = x.shape
        if x.is_cuda or height % step or width % step:
            return super().forward(x)
        rows, columns = height // step, width // step
        # The axes are rearranged channels-last: as the memory lies, and as MKL-DNN is fastest.
        x = x.permute(0, 2, 3, 1).reshape(n, rows, step, columns, step, -1)
        x = x.permute(0, 2, 4, 1, 3, 5).reshape(n * step * step, rows, columns, -1)
        padding = self.kernel_size[0] // 2
        x = nn.functional.conv2d(
            x.permute(0, 3, 1, 2), self.weight, self.bias, 1, padding, 1, self.groups
        )
        x = x.permute(0, 2, 3, 1).reshape(n, step, step, rows, columns, -1)
        x = x.permute(0, 3, 1, 4, 2, 5).reshape(n, height, width, -1)
        return x.permute(0, 3, 1, 2)


def coarse_logits(model: nn.Module, pixel_values: Tensor) -> Tensor:
    """Logits as the network makes them, before they are enlarged to the frame.

    Args:
        model: Of :func:`build_segmenter`.
        pixel_values: f32[N, 3, S, S].

    Returns:
        f32[N, 19, S/k, S/k]; k is 4, for a DeepLab its output stride.
    """
    if isinstance(model, UperNetForSemanticSegmentation):
        maps = model.backbone.forward_with_filtered_kwargs(pixel_values).feature_maps
        out: Tensor = model.decode_head(maps)
    else:
        out = model(pixel_values=pixel_values).logits
    return out


def last_bias(model: nn.Module) -> nn.Parameter:
    """Return the bias of the layer that gives the logits, f32[19]."""
    if isinstance(model, MobileNetV2ForSemanticSegmentation):
        layer = model.segmentation_head.classifier.convolution
    else:
        layer = model.decode_head.classifier  # type: ignore[union-attr]
    bias = layer.bias
    assert isinstance(bias, nn.Parameter)
    return bias
