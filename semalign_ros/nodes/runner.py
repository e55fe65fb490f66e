"""Runs one node until it is interrupted."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Protocol

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from semalign_ros.errors import SemalignError


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
    try:
        rclpy.init(args=None if argv is None else list(argv))
    except Exception as error:  # a bad argument surfaces as one of several rcl errors
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        return _live(create, spin)
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except SemalignError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        _finish_undisturbed()
        rclpy.try_shutdown()  # which gives SIGINT back to Python
        _finish_undisturbed()


def _live(create: Callable[[], Runnable], spin: bool) -> int:
    node = create()
    try:
        if not node.start():
            return 1
        if spin:
            # Not EventsExecutor: its spin() takes a whole core and hears no signal.
            executor = SingleThreadedExecutor()
            executor.add_node(node)
            executor.spin()
    finally:
        _finish_undisturbed()
        node.destroy_node()
    return 0


def _finish_undisturbed() -> None:
    """Let the first SIGINT be the only one: a terminal and ros2 launch both send it.

    Whoever cannot wait for the frame in work sends SIGTERM.
    """
    for _ in range(2):  # the interrupt that brought us here may still be pending
        with contextlib.suppress(KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
