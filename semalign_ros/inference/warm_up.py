"""The first run of a model, before a frame depends on it, and what it proves."""

from __future__ import annotations

import time

import numpy as np

from semalign_ros.inference.placement import Placement
from semalign_ros.inference.query import VlmQuery
from semalign_ros.inference.segmenter import Segmenter
from semalign_ros.inference.vlm import Vlm

_GREY = 128


def warm_up(model: Segmenter | Vlm, size: tuple[int, int] | None = None) -> float:
    """Run a model once on a grey image.

    The first run of a size allocates memory, chooses kernels, builds engines and captures
    CUDA graphs, and can take many times as long as those after it.

    Args:
        model: Stored answers are not asked.
        size: Height and width of the frames to come, pixels; None for the net size.

    Returns:
        Seconds that the run took.

    Raises:
        InferenceError: It failed.
    """
    size = size or model.net_size
    if size is None or not model.sessions:
        return 0.0
    image = np.full((*size, 3), _GREY, np.uint8)
    start = time.perf_counter()
    if isinstance(model, Segmenter):
        model.segment(image)
    else:
        model.answer(VlmQuery(image))
    return time.perf_counter() - start


def placements(model: Segmenter | Vlm) -> dict[str, Placement]:
    """Where the nodes of each graph ran, by the graph's role; graphs that ran already."""
    return {
        role: session.placement
        for role, session in model.sessions.items()
        if session.placement is not None
    }
