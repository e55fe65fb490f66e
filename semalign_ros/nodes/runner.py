"""Runs one node until it is interrupted."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.signals import SignalHandlerOptions

from semalign_ros.errors import SemalignError

_HEAR_SIGNALS_S = 0.1


class Runnable(Protocol):
    """A node that :func:`run` can run."""

    def start(self) -> bool:
        """Begin; return whether that worked."""
        ...

    def destroy_node(self) -> None:
        """Release everything."""
        ...


def run(
    create: Callable[[], Runnable], argv: Sequence[str] | None = None, *, spin: bool = True
) -> int:
    """Create a node, spin it until SIGINT or SIGTERM, and take it down cleanly.

    Args:
        create: Makes the node.
        argv: ROS arguments; None for those of the process.
        spin: Whether the node has more to do when its `start` has returned.

    Returns:
        Exit status: 0 when done or interrupted, 1 if it could not start, 2 for wrong ROS
        arguments.
    """
    interrupt = _Interrupt()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    try:
        # Not rclpy's handlers: they invalidate the context under the frame in work.
        rclpy.init(
            args=None if argv is None else list(argv),
            signal_handler_options=SignalHandlerOptions.NO,
        )
    except Exception as error:  # a bad argument surfaces as one of several rcl errors
        _complain(error)
        return 2
    try:
        return _live(create, spin, interrupt)
    except KeyboardInterrupt:
        return 0
    except SemalignError as error:
        _complain(error)
        return 1
    finally:
        rclpy.try_shutdown()


def _complain(error: Exception) -> None:
    sys.stderr.write(f"{Path(sys.argv[0]).stem}: {error}\n")  # beside others in one terminal


def _live(create: Callable[[], Runnable], spin: bool, interrupt: _Interrupt) -> int:
    node = create()
    log = get_logger("semalign_ros")
    try:
        if not node.start():
            return 1
        # Not EventsExecutor: its spin() takes a whole core and hears no signal.
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        interrupt.deferred = True
        while spin and not interrupt.heard:
            # Python runs signal handlers between two calls only.
            try:
                executor.spin_once(timeout_sec=_HEAR_SIGNALS_S)
            except Exception:
                if not rclpy.ok():
                    raise
                # One message or request must not end the node.
                log.error(f"a callback failed:\n{traceback.format_exc()}")
    finally:
        interrupt.deferred = True
        node.destroy_node()
    return 0


class _Interrupt:
    """Handler that lets the first signal be the only SIGINT, where many come.

    A terminal and ros2 launch both send it. Whoever cannot wait for the frame in work
    sends SIGTERM after it.

    Attributes:
        heard: Whether a signal came.
        deferred: Whether it is only noted. Raised in a callback it would tear the message
            that is being written.
    """

    def __init__(self) -> None:
        self.heard = False
        self.deferred = False

    def __call__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self.heard = True
        if not self.deferred:
            raise KeyboardInterrupt
