"""The scenes of a data set: each is rendered and written by itself."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial

from semalign_ros.errors import OutputError
from semalign_ros.train.scenes.layout import FrameWriter
from semalign_ros.train.scenes.script import Take
from semalign_ros.train.scenes.sequence import render_sequence


@dataclass(frozen=True, slots=True)
class Job:
    """A scene to render.

    Args:
        number: Of the scene; with the seed it says all that is drawn.
        take: What it contains.
    """

    number: int
    take: Take


def write_scenes(
    jobs: Sequence[Job], seed: int, size: tuple[int, int], writer: FrameWriter, workers: int = 1
) -> Iterator[int]:
    """Render and write scenes; any number of workers writes the same files.

    Args:
        jobs: The scenes.
        seed: Of every draw.
        size: (width, height) in pixels.
        writer: Where the frames go.
        workers: Processes; 1 works in this one.

    Yields:
        Frames written since the last time.

    Raises:
        OutputError: A file cannot be written, or a worker was killed.
    """
    if workers == 1:
        for job in jobs:
            yield from _frames(seed, size, writer, job)
        return
    write = partial(_write, seed, size, writer)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        pending = [pool.submit(write, job) for job in jobs]
        try:
            for done in as_completed(pending):
                yield done.result()
        except BrokenProcessPool as error:
            raise OutputError(
                "rendering: a worker was killed, by lack of memory most likely; the same command "
                "with fewer --workers needs less"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _write(seed: int, size: tuple[int, int], writer: FrameWriter, job: Job) -> int:
    return sum(_frames(seed, size, writer, job))


def _frames(seed: int, size: tuple[int, int], writer: FrameWriter, job: Job) -> Iterator[int]:
    take = job.take
    for frame in render_sequence(
        seed, job.number, take.frames, size, every=take.every, script=take.script
    ):
        writer.write(frame)
        yield 1
