"""Random streams: the same frame gets the same bytes, whoever computes it and when.

Philox is counter based: the key says what is drawn for, the counter where in the
stream. A frame's draws therefore need no draws of the frames before it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

_WORD = 2**64


def generator(seed: int, name: str, stream: str, index: int | None = None) -> np.random.Generator:
    """Open the random stream of one frame.

    Args:
        seed: Seed of the run.
        name: What draws, such as a corruption's name.
        stream: Which of its draws, so that independent ones do not share numbers.
        index: Position of the frame; None for draws that hold over the whole sequence.

    Returns:
        A fresh generator at the start of the stream.

    Example:
        >>> a, b = (generator(7, "fog", "noise", index=3) for _ in range(2))
        >>> bool(a.random() == b.random())
        True
    """
    words = json.dumps([int(seed), name, stream]).encode()
    key = np.frombuffer(hashlib.blake2b(words, digest_size=16).digest(), "<u8")
    # Numbers advance the lowest word, so two frames cannot meet before 2**128 of them.
    whole = index is None
    counter = np.array([0, 0, whole, 0 if index is None else int(index) % _WORD], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


@dataclass(frozen=True, slots=True)
class Draws:
    """The random streams of one corruption on one frame.

    Args:
        seed: Seed of the run.
        name: Name of the corruption.
        index: Position of the frame in the stream.
        occurrence: How many earlier steps of the same condition use this corruption: two
            occluders must not cover the same place.
    """

    seed: int
    name: str
    index: int
    occurrence: int = 0

    def each_frame(self, stream: str) -> np.random.Generator:
        """Stream that differs from frame to frame, for noise and rain."""
        return generator(self.seed, self._key, stream, self.index)

    def whole_sequence(self, stream: str) -> np.random.Generator:
        """Stream that is the same on every frame, for what sticks to the lens."""
        return generator(self.seed, self._key, stream)

    def back(self, frames: int) -> Draws:
        """Return the streams of the frame that many positions before."""
        return replace(self, index=self.index - frames)

    @property
    def _key(self) -> str:
        return f"{self.name}#{self.occurrence}" if self.occurrence else self.name


def random_bytes(source: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Draw one uniform byte for each element.

    Raw generator words: twice as fast as ``integers``, four times as fast as ``bytes``.

    Returns:
        u8 of `shape`, 0..255.
    """
    size = int(np.prod(shape))
    words = np.asarray(source.bit_generator.random_raw(-(-size // 8)), dtype="<u8")
    return words.view(np.uint8)[:size].reshape(shape)
