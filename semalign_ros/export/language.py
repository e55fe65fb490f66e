"""Modules that make the trained language models our graphs, and their bundles."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel

from semalign_ros.export.last_layer import Wanted, restrict_last_layer
from semalign_ros.export.options import ExportOptions
from semalign_ros.export.parity import (
    graph_differences,
    require_parity,
    sample_frames,
)
from semalign_ros.export.pixels import Pixels
from semalign_ros.export.precision import write_graph
from semalign_ros.types import Image

_T = TypeVar("_T")


class ImageScores(nn.Module):
    """Image side of a dual encoder with the scoring.

    u8[N, H, W, 3], text embeddings f32[K, D] -> logits f32[N, K].

    Args:
        pixels: First step.
        encoder: Pixels to image embeddings f32[N, D] of length 1.
        scale: Factor on the similarities.
        bias: Added to them.
    """

    scale: Tensor
    bias: Tensor

    def __init__(self, pixels: Pixels, encoder: nn.Module, scale: float, bias: float = 0.0) -> None:
        super().__init__()
        self.pixels, self.encoder = pixels, encoder
        self.register_buffer("scale", torch.tensor(scale))
        self.register_buffer("bias", torch.tensor(bias))

    def forward(self, image: Tensor, text_embeds: Tensor) -> Tensor:
        """Score every image with every text."""
        embeds: Tensor = self.encoder(self.pixels(image)).float()
        return self.scale * embeds @ text_embeds.T + self.bias


class ImageFeatures(nn.Module):
    """Image side of a generative model: u8[1, H, W, 3] -> image_features f32[1, T, D].

    Args:
        pixels: First step.
        encoder: Pixels to features, tower and projector.
    """

    def __init__(self, pixels: nn.Module, encoder: nn.Module) -> None:
        super().__init__()
        self.pixels, self.encoder = pixels, encoder

    def forward(self, image: Tensor) -> Tensor:
        """Return the features."""
        features: Tensor = self.encoder(self.pixels(image)).float()
        return features


class CachedDecoder(nn.Module):
    """A decoder with its KV cache as plain tensors, one graph for prefill and decode.

    Args:
        language: A causal language model whose layers all attend in full; it shares its weights.
    """

    def __init__(self, language: PreTrainedModel) -> None:
        super().__init__()
        self.language = copy.deepcopy(language, {id(p): p for p in language.parameters()})
        self._wanted = Wanted()
        restrict_last_layer(self.language, self._wanted)

    def forward(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor,
        position_ids: Tensor,
        logits_to_keep: Tensor,
        *past: Tensor,
    ) -> tuple[Tensor, ...]:
        """Read S tokens after P cached ones.

        Args:
            inputs_embeds: f32[B, S, D].
            attention_mask: bool[B, S, P + S], whether a token sees another; each one itself.
            position_ids: i64[B, S].
            logits_to_keep: i64[R], the tokens, of the S, after which logits are wanted.
            *past: Key and value of each layer, f32[B, heads, P, head_dim]; with float16
                arithmetic these and the embeddings are f16.

        Returns:
            Logits f32[B, R, V], then the keys and values of all.
        """
        pairs = [(past[i], past[i + 1]) for i in range(0, len(past), 2)]
        cache = DynamicCache(pairs)
        # As numbers: a mask of bool is exported with a check of every softmax for rows without
        # anything to see, which takes a fifth longer on the CPU.
        # Within the range of float16, which TensorRT may compute in.
        hidden = (~attention_mask).to(inputs_embeds.dtype) * torch.finfo(torch.float16).min
        with self._wanted.are(logits_to_keep):
            out = self.language.model(
                inputs_embeds=inputs_embeds,
                attention_mask=hidden[:, None],
                position_ids=position_ids,
                past_key_values=cache,
                use_cache=True,
            )
        wanted = out.last_hidden_state.index_select(1, logits_to_keep)
        logits = self.language.lm_head(wanted).float()
        present = [t for layer in out.past_key_values.layers for t in (layer.keys, layer.values)]
        return (logits, *present)


@dataclass(frozen=True, slots=True)
class Graph:
    """One graph to export and check.

    Args:
        module: What it computes.
        inputs: Example by name.
        outputs: Names.
        dynamic: Free dimensions, see :func:`semalign_ros.export.graph.export_graph`.
        feeds: Inputs to compare on.
        narrow: Float inputs that become float16 with float16 arithmetic.
    """

    module: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: Sequence[str]
    dynamic: Mapping[str, Mapping[int, str | None]]
    feeds: Sequence[Mapping[str, NDArray[np.generic]]]
    narrow: Sequence[str] = ()


def export_checked(
    graphs: Mapping[str, Graph],
    options: ExportOptions,
    use: Callable[[dict[str, Path], dict[str, float]], _T],
) -> _T:
    """Export graphs, check each against its module, and hand them on.

    Args:
        graphs: By file stem.
        options: Precision, opset, fusions, what may differ.
        use: Called with the files by stem and the differences by output, while the files exist.

    Raises:
        BundleError: A module cannot be exported, or its graph differs too much.
    """
    with tempfile.TemporaryDirectory() as scratch:
        files: dict[str, Path] = {}
        differences: dict[str, float] = {}
        for name, graph in graphs.items():
            files[name] = Path(scratch) / f"{name}.onnx"
            options.say(f"{name}.onnx: converting")
            half = write_graph(
                graph.module,
                graph.inputs,
                graph.outputs,
                graph.dynamic,
                files[name],
                options,
                graph.narrow,
            )
            options.say(f"{name}.onnx: comparing with PyTorch")
            found = graph_differences(
                graph.module, files[name], graph.feeds, graph.outputs, rounded=half
            )
            require_parity(found, options.allowed)
            differences |= {f"{name}/{output}": value for output, value in found.items()}
        return use(files, differences)


def image_scores_graph(module: ImageScores, width: int, frames: Sequence[Image] = ()) -> Graph:
    """Describe ``vision.onnx`` of a dual encoder with text embeddings of `width`."""
    texts = np.asarray(_random((3, width)) / np.sqrt(width), np.float32)
    return Graph(
        module,
        {
            "image": torch.zeros(2, 96, 160, 3, dtype=torch.uint8),
            "text_embeds": torch.from_numpy(texts),
        },
        ("logits",),
        {"image": {0: "batch", 1: "height", 2: "width"}, "text_embeds": {0: "texts"}},
        [{"image": f[None], "text_embeds": texts} for f in frames or sample_frames()],
    )


def text_graph(module: nn.Module, vocab: int, eos: int, length: int) -> Graph:
    """Describe ``text.onnx``: input_ids, attention_mask i64[K, L] -> text_embeds f32[K, D]."""
    feeds = []
    for count, width in ((2, length), (3, max(2, length // 3)), (1, 4)):
        ids = np.asarray(_integers((count, width), eos + 1, vocab))
        mask = np.ones_like(ids)
        for row in range(count):
            end = width - row - 1 if width > row + 1 else width - 1
            ids[row, end] = eos
            ids[row, end + 1 :] = 0
            mask[row, end + 1 :] = 0
        feeds.append({"input_ids": ids, "attention_mask": mask})
    # torch finds the longest text by itself: the number of positions.
    axes = {0: "texts", 1: None}
    return Graph(
        module,
        {name: torch.from_numpy(value) for name, value in feeds[1].items()},
        ("text_embeds",),
        {"input_ids": axes, "attention_mask": axes},
        feeds,
    )


def image_features_graph(module: ImageFeatures, frames: Sequence[Image] = ()) -> Graph:
    """Describe ``vision.onnx`` of a generative model."""
    return Graph(
        module,
        {"image": torch.zeros(1, 96, 160, 3, dtype=torch.uint8)},
        ("image_features",),
        {"image": {1: "height", 2: "width"}},
        [{"image": f[None]} for f in frames or sample_frames()],
    )


def embedding_graph(table: nn.Module, vocab: int) -> Graph:
    """Describe ``embed_tokens.onnx``: input_ids i64[B, S] -> inputs_embeds f32[B, S, D]."""
    ids = np.asarray(_integers((2, 7), 0, vocab))
    return Graph(
        table,
        {"input_ids": torch.from_numpy(ids)},
        ("inputs_embeds",),
        {"input_ids": {0: "batch", 1: "sequence"}},
        [{"input_ids": ids}],
    )


def decoder_graph(module: CachedDecoder, *, axes: int = 1) -> Graph:
    """Describe ``decoder.onnx``; checked on a prefill, a tree after it, and a single token.

    Args:
        module: The decoder.
        axes: Position ids of a token: 1, or 3 for ``mrope``.
    """
    config = module.language.config
    layers, heads = config.num_hidden_layers, kv_heads(config)
    width = head_dim(config)
    names = [f"{i}.{part}" for i in range(layers) for part in ("key", "value")]
    past_names = [f"past_key_values.{n}" for n in names]

    def positions(steps: NDArray[np.int64]) -> NDArray[np.int64]:
        # Rows and columns of an image lag behind; any numbers show that each axis is used.
        return steps if axes == 1 else np.stack([steps // (i + 1) for i in range(axes)])

    def feed(batch: int, past: int, new: int, wanted: list[int]) -> dict[str, NDArray[np.generic]]:
        seen = np.tri(new, past + new, past, dtype=bool)
        if len(wanted) > 1:
            # Two questions, interleaved: neither sees the other.
            seen[:, past:] &= np.arange(new)[:, None] % 2 == np.arange(new) % 2
        steps = past + np.arange(new) // len(wanted)
        shape = (batch, heads, past, width)
        cache = {n: np.asarray(_random(shape), np.float32) for n in past_names}
        embeds = np.asarray(_random((batch, new, config.hidden_size)), np.float32)
        return {
            "inputs_embeds": embeds,
            "attention_mask": np.tile(seen, (batch, 1, 1)),
            "position_ids": positions(np.tile(steps, (batch, 1))),
            "logits_to_keep": np.array(wanted),
            **cache,
        }

    return Graph(
        module,
        {name: torch.from_numpy(v) for name, v in feed(2, 5, 3, [1, 2]).items()},
        ("logits", *(f"present.{n}" for n in names)),
        {
            "inputs_embeds": {0: "batch", 1: "sequence"},
            "attention_mask": {0: "batch", 1: "sequence", 2: None},  # past + sequence
            "position_ids": dict(enumerate(("batch", "sequence"), start=0 if axes == 1 else 1)),
            "logits_to_keep": {0: "kept"},
            **{n: {0: "batch", 2: "past"} for n in past_names},
        },
        [feed(1, 0, 9, [8]), feed(3, 9, 6, [4, 5]), feed(1, 12, 1, [0])],
        ("inputs_embeds", *past_names),
    )


def head_dim(config: Any) -> int:
    """Width of an attention head; not all configurations state it."""
    return int(
        getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    )


def kv_heads(config: Any) -> int:
    """Number of heads that keys and values have; not all configurations state it."""
    return int(getattr(config, "num_key_value_heads", None) or config.num_attention_heads)


def _random(shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.random.Generator(np.random.Philox(key=[0, 1])).standard_normal(shape)


def _integers(shape: tuple[int, ...], low: int, high: int) -> NDArray[np.int64]:
    return np.random.Generator(np.random.Philox(key=[0, 2])).integers(low, high, shape)
