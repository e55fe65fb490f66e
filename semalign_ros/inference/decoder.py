"""The decoder of a generative VLM: prefill, a batch of questions on a shared prefix, generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from semalign_ros.errors import BundleError, InferenceError
from semalign_ros.inference.manifest import GenerativeManifest
from semalign_ros.inference.runtime import Array, OnnxSession, numpy_dtype


@dataclass(frozen=True, slots=True)
class Prefix:
    """What the decoder remembers of the tokens so far, one sequence.

    Args:
        cache: Keys and values by input name, each [1, heads, P, head_dim], on the device.
        length: P, tokens.
        position: Position of the next token; with ``mrope`` less than P after an image.
        logits: f32[V] after the last token.
    """

    cache: Mapping[str, Any]
    length: int
    position: int
    logits: NDArray[np.float32]


class Decoder:
    """A decoder graph with KV cache.

    Args:
        session: The graph.
        manifest: Says its sizes.

    Raises:
        BundleError: The graph has other inputs or outputs than the sizes call for.
    """

    def __init__(self, session: OnnxSession, manifest: GenerativeManifest) -> None:
        self._session = session
        self.spec = manifest.decoder
        pairs = [
            (f"past_key_values.{i}.{part}", f"present.{i}.{part}")
            for i in range(self.spec.num_layers)
            for part in ("key", "value")
        ]
        self._past = {present: past for past, present in pairs}
        session.require(
            ["inputs_embeds", "attention_mask", "position_ids", *self._past.values()],
            ["logits", *self._past],
        )
        self.dtype = numpy_dtype(session.inputs["inputs_embeds"].dtype)
        cache_dtype = numpy_dtype(session.inputs[pairs[0][0]].dtype)
        # TensorRT gains nothing on one copy; the cache lies in CUDA's memory anyway.
        device = "cpu" if session.device == "cpu" else "cuda"
        self._repeat = OnnxSession(repeat_graph(session.inputs[pairs[0][0]].dtype), device)
        shape = (1, self.spec.num_kv_heads, 0, self.spec.head_dim)
        self._empty = {past: np.zeros(shape, cache_dtype) for past, _ in pairs}
        axes = len(session.inputs["position_ids"].shape)
        if (axes == 3) != (self.spec.position_ids == "mrope"):
            raise BundleError(
                f"{session.path}: position_ids has {axes} axes, which does not fit "
                f"decoder.position_ids: {self.spec.position_ids}"
            )

    def empty(self) -> Prefix:
        """Return the state before the first token."""
        return Prefix(self._empty, 0, 0, np.zeros(self.spec.vocab_size, np.float32))

    def extend(
        self, prefix: Prefix, embeds: Array, positions: NDArray[np.int64] | None = None
    ) -> Prefix:
        """Read on from a prefix.

        Args:
            prefix: What was read before; it stays valid.
            embeds: [1, S, D].
            positions: i64[3, S] for the image under ``mrope``; None counts on.

        Raises:
            InferenceError: The sequence is too long, or the run failed.
        """
        count = embeds.shape[1]
        if positions is None:
            positions = self._axes(prefix.position + np.arange(count))
        self._check_length(prefix.length + count)
        logits, cache = self._run(
            embeds,
            np.ones((1, prefix.length + count), np.int64),
            positions[:, None],
            prefix.cache,
        )
        return Prefix(cache, prefix.length + count, int(positions.max()) + 1, logits[0])

    def ask(
        self, prefix: Prefix, embeds: Array, lengths: Sequence[int], batch: int
    ) -> NDArray[np.float32]:
        """Read several questions, each on from the same prefix, without reading that again.

        Args:
            prefix: What all questions share; it stays valid.
            embeds: [K, S, D], each question at the right end of its row.
            lengths: Tokens of each question, at most S.
            batch: Most questions in one run; bounds the memory of the repeated cache.

        Returns:
            f32[K, V], logits after the last token of each question.

        Raises:
            InferenceError: The sequence is too long, or the run failed.
        """
        K, S = embeds.shape[:2]
        self._check_length(prefix.length + S)
        pad = S - np.asarray(lengths, np.int64)
        column = np.arange(S)
        seen = np.ones((K, prefix.length + S), np.int64)
        seen[:, prefix.length :] = column >= pad[:, None]
        # A question counts on from the prefix as if the padding were not there.
        positions = prefix.position + np.maximum(column - pad[:, None], 0)
        found = []
        for start in range(0, K, batch):
            part = slice(start, min(start + batch, K))
            size = part.stop - start
            cache = {name: self._repeated(value, size) for name, value in prefix.cache.items()}
            logits, _ = self._run(
                embeds[part], seen[part], self._axes(positions[part]), cache, keep=False
            )
            found.append(logits)
        return np.concatenate(found)

    def _repeated(self, value: Any, times: int) -> Any:
        """Repeat one array of a prefix's cache on the device where it lies."""
        shape = np.array([times, 1, 1, 1])
        _, kept = self._repeat.run_resident({"value": value, "shape": shape}, [], ["repeated"])
        return kept["repeated"]

    def _axes(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Text counts alike on all three axes of ``mrope``; else there is one axis."""
        return np.stack([positions] * (3 if self.spec.position_ids == "mrope" else 1))

    def _check_length(self, length: int) -> None:
        limit = self.spec.max_positions
        if limit is not None and length > limit:
            raise InferenceError(
                f"{self._session.path.name}: {length} tokens, the decoder knows {limit} positions"
            )

    def _run(
        self,
        embeds: Array,
        mask: NDArray[np.int64],
        positions: NDArray[np.int64],
        cache: Mapping[str, Any],
        *,
        keep: bool = True,
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        if self.spec.position_ids == "sequential":
            positions = positions[0]
        feeds = {
            "inputs_embeds": np.ascontiguousarray(embeds, self.dtype),
            "attention_mask": mask,
            "position_ids": np.ascontiguousarray(positions),
            **cache,
        }
        fetched, kept = self._session.run_resident(
            feeds, ["logits"], list(self._past) if keep else []
        )
        logits = np.asarray(fetched[0], np.float32)
        expected = (embeds.shape[0], 1, self.spec.vocab_size)
        if logits.shape != expected:
            raise InferenceError(
                f"{self._session.path.name}: logits have shape {list(logits.shape)}, expected "
                f"{list(expected)}"
            )
        if not np.isfinite(logits).all():
            raise InferenceError(f"{self._session.path.name}: logits are not finite")
        return logits[:, 0], {self._past[name]: value for name, value in kept.items()}


def repeat_graph(dtype: str) -> bytes:
    """Graph that repeats a cache along its first axis.

    Args:
        dtype: ONNX Runtime's name of the cache's element type.

    Returns:
        `value` [1, heads, P, head_dim] and `shape` i64[4] -> `repeated`.
    """
    element = helper.np_dtype_to_tensor_dtype(numpy_dtype(dtype))
    value = helper.make_tensor_value_info("value", element, [1, "H", "P", "D"])
    shape = helper.make_tensor_value_info("shape", TensorProto.INT64, [4])
    repeated = helper.make_tensor_value_info("repeated", element, ["B", "H", "P", "D"])
    node = helper.make_node("Expand", ["value", "shape"], ["repeated"])
    graph = helper.make_graph([node], "repeat", [value, shape], [repeated])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def mrope_positions(tokens: int, image_start: int, grid: tuple[int, int]) -> NDArray[np.int64]:
    """Positions of a prefix with one image under multimodal rotary embedding.

    Text counts alike on the axes time, row and column; the image has one time and its
    rows and columns, and the text after it counts on from the largest of them
    (Qwen2-VL, arXiv 2409.12191, section 2.1).

    Args:
        tokens: Length of the prefix, P.
        image_start: Index of the image's first token.
        grid: Rows and columns of the image's tokens.

    Returns:
        i64[3, P].
    """
    rows, columns = grid
    cells = np.indices((1, rows, columns)).reshape(3, -1) + image_start
    before = np.tile(np.arange(image_start), (3, 1))
    rest = tokens - image_start - rows * columns
    after = np.tile(image_start + max(rows, columns) + np.arange(rest), (3, 1))
    return np.concatenate([before, cells, after], axis=1).astype(np.int64)
