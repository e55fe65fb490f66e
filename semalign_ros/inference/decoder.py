"""The decoder of a generative VLM: prefill, all questions on a shared prefix, generation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semalign_ros.errors import BundleError, InferenceError
from semalign_ros.inference.manifest import GenerativeManifest
from semalign_ros.inference.runtime import Array, OnnxSession, numpy_dtype
from semalign_ros.inference.token_tree import TokenTree


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
        mask = session.inputs.get("attention_mask")
        if mask is not None and (mask.dtype != "bool" or len(mask.shape) != 3):
            raise BundleError(
                f"{session.path}: attention_mask is {mask.dtype} with {len(mask.shape)} axes, "
                "expected bool with 3, token by token: export the model again with this version"
            )
        session.require(
            [
                "inputs_embeds",
                "attention_mask",
                "position_ids",
                "logits_to_keep",
                *self._past.values(),
            ],
            ["logits", *self._past],
        )
        self.dtype = numpy_dtype(session.inputs["inputs_embeds"].dtype)
        cache_dtype = numpy_dtype(session.inputs[pairs[0][0]].dtype)
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
            np.tri(count, prefix.length + count, prefix.length, dtype=bool),
            positions,
            np.array([count - 1]),
            prefix.cache,
        )
        return Prefix(cache, prefix.length + count, int(positions.max()) + 1, logits[0])

    def ask(
        self,
        prefix: Prefix,
        tree: TokenTree,
        questions: Array,
        embeds: Array | None = None,
        positions: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float32]:
        """Read several questions in one run, each on from the same prefix.

        Args:
            prefix: What was read before; it stays valid.
            tree: The questions, N tokens.
            questions: [1, N, D], the embeddings of its tokens.
            embeds: [1, S, D], what comes between the prefix and each question.
            positions: Those of `embeds`, as for :meth:`extend`.

        Returns:
            f32[K, V], logits after the last token of each question.

        Raises:
            InferenceError: The sequence is too long, or the run failed.
        """
        embeds = questions[:, :0] if embeds is None else embeds
        count, tokens = embeds.shape[1], len(tree.ids)
        start = prefix.length + count
        if positions is None:
            positions = self._axes(prefix.position + np.arange(count))
        self._check_length(start + int(tree.depth.max()) + 1)
        first = int(positions.max(initial=prefix.position - 1)) + 1
        # Causal, but for the questions: of them a token sees its own ancestors only.
        seen = np.tri(count + tokens, start + tokens, prefix.length, dtype=bool)
        seen[count:, start:] = tree.seen
        logits, _ = self._run(
            np.concatenate([embeds, questions], axis=1),
            seen,
            np.concatenate([positions, self._axes(first + tree.depth)], axis=1),
            count + tree.ends,
            prefix.cache,
            keep=False,
        )
        return logits

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
        seen: NDArray[np.bool_],
        positions: NDArray[np.int64],
        read: NDArray[np.int64],
        cache: Mapping[str, Any],
        *,
        keep: bool = True,
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Run the graph on one sequence.

        Args:
            embeds: [1, S, D].
            seen: bool[S, P + S], which tokens each one sees.
            positions: i64[axes, S].
            read: i64[R], the tokens after which logits are wanted.
            cache: Of P tokens.
            keep: Return the cache of P + S tokens too.
        """
        positions = positions[:, None] if self.spec.position_ids == "mrope" else positions
        feeds = {
            "inputs_embeds": np.ascontiguousarray(embeds, self.dtype),
            "attention_mask": seen[None],
            "position_ids": np.ascontiguousarray(positions),
            "logits_to_keep": read,
            **cache,
        }
        fetched, kept = self._session.run_resident(
            feeds, ["logits"], list(self._past) if keep else []
        )
        logits = np.asarray(fetched[0], np.float32)
        expected = (1, len(read), self.spec.vocab_size)
        if logits.shape != expected:
            raise InferenceError(
                f"{self._session.path.name}: logits have shape {list(logits.shape)}, expected "
                f"{list(expected)}"
            )
        if not np.isfinite(logits).all():
            raise InferenceError(f"{self._session.path.name}: logits are not finite")
        return logits[0], {self._past[name]: value for name, value in kept.items()}


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
