"""The random streams of the renderer: one Philox generator per (seed, sequence, frame, purpose)."""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, sequence: int, frame: int, purpose: str) -> np.random.Generator:
    """Return the generator of one purpose, independent of every other draw.

    Args:
        seed: Seed of the data set, >= 0.
        sequence: Number of the scene, >= 0.
        frame: Number of the frame, >= 0; 0 for what holds for the whole scene.
        purpose: Names what is drawn, so that a new draw elsewhere changes nothing here.
    """
    key = (seed, sequence, frame, zlib.crc32(purpose.encode()))
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))
