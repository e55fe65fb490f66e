"""CPU time of every corruption on one core, against a memory copy.

python bench/corruption.py [PATTERN] [--width 2048 --height 1024]
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np

from semalign_ros.corruption import get_corruption, list_corruptions
from semalign_ros.types import Frame


def scene(height: int, width: int) -> Frame:
    """A frame with content at every scale, in image and labels."""
    random = np.random.Generator(np.random.Philox(1))

    def octaves(channels: int) -> np.ndarray:
        total = np.zeros((height, width, channels), np.float32)
        for nodes in (4, 16, 64, 256):
            noise = random.random((nodes, 2 * nodes, channels), np.float32) / np.log2(nodes)
            total += cv2.resize(noise, (width, height)).reshape(total.shape)
        return total / total.max()

    # A label map of patches from 1 to some 200 px, like a street's.
    coarse = cv2.resize(octaves(1)[..., 0], (width // 8, height // 8), interpolation=cv2.INTER_AREA)
    regions = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    labels = np.clip(regions * 18.99, 0, 18).astype(np.uint8)
    depth = 5 + 200 * octaves(1)[..., 0]
    return Frame(0, "camera", 0, (octaves(3) * 255).astype(np.uint8), labels, depth, 15.0, 0.05)


def milliseconds(call: Callable[[], object], repetitions: int) -> float:
    """Median CPU time after a warm-up, which fills look-up tables as a sequence does.

    CPU time of one thread, so that other work on the machine does not count.
    """
    call()
    times = []
    for _ in range(repetitions):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return 1000 * statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pattern", nargs="?", default="*", help="names to time, with wildcards")
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--height", type=int, default=1024)
    parser.add_argument("--repetitions", type=int, default=9)
    options = parser.parse_args()

    cv2.setNumThreads(1)
    frame = scene(options.height, options.width)
    print(
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, "
        f"NumPy {np.__version__}, OpenCV {cv2.__version__}; "
        f"{options.width}x{options.height} rgb8, one core, median of {options.repetitions}, ms\n"
    )
    copy = milliseconds(frame.image.copy, options.repetitions)
    print("| | severity 1 | 3 | 5 | in copies |\n|---|---|---|---|---|")
    print(f"| memory copy | | {copy:.1f} | | 1 |")
    for name in list_corruptions(options.pattern):
        op = get_corruption(name)
        times = [
            milliseconds(lambda op=op, s=s: op.apply(frame, s), options.repetitions)
            for s in (1, 3, 5)
        ]
        cells = " | ".join(f"{t:.1f}" for t in times)
        print(f"| {name} | {cells} | {max(times) / copy:.0f} |")


if __name__ == "__main__":
    main()
