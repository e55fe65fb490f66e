"""Nodes as child processes: started with the right environment, ended cleanly."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import NoReturn

import yaml

from semalign_ros.errors import ConfigError, MissingDependencyError, SemalignError
from semalign_ros.nodes.environment import complete

_TERMINATE_AFTER_S = 20.0
_KILL_AFTER_S = 10.0


def node_command(
    node: str,
    parameters: Mapping[str, object] | None = None,
    *,
    params_files: Sequence[Path | str] = (),
    remappings: Mapping[str, str] | None = None,
    name: str | None = None,
    namespace: str | None = None,
) -> list[str]:
    """Command line that runs a node of this package in this Python.

    Args:
        node: Module in :mod:`semalign_ros.nodes`, such as ``monitor_node``.
        parameters: Values by full parameter name.
        params_files: ROS parameter files; `parameters` win over them.
        remappings: Topic names, ``{"~/input/image": "/camera/front/image_raw"}``.
        name: Name of the node, else its own.
        namespace: Its namespace.
    """
    command = [sys.executable, "-m", f"semalign_ros.nodes.{node}", "--ros-args"]
    for path in params_files:
        command += ["--params-file", str(path)]
    rules = {**(remappings or {})}
    if name is not None:
        rules["__node"] = name
    if namespace is not None:
        rules["__ns"] = namespace
    for source, target in rules.items():
        command += ["-r", f"{source}:={target}"]
    for key, value in (parameters or {}).items():
        command += ["-p", f"{key}:={yaml_value(value)}"]
    return command


def yaml_value(value: object) -> str:
    """Write a parameter value as rcl's argument parser reads it, strings always quoted."""
    if isinstance(value, Path):
        value = str(value)
    items = list(value) if isinstance(value, (list, tuple)) else [value]
    text = yaml.safe_dump(
        items if isinstance(value, (list, tuple)) else value,
        default_flow_style=True,
        # Unquoted, "0123", "1e5" or "yes" would arrive as a number or a bool.
        default_style='"' if all(isinstance(item, str) for item in items) else None,
        allow_unicode=True,
        width=1 << 20,
    )
    return text.removesuffix("\n...\n").rstrip("\n")


def require_ros() -> None:
    """Check that the ROS client library is there.

    Raises:
        MissingDependencyError: With the ways to get it.
    """
    if importlib.util.find_spec("rclpy") is None:
        raise MissingDependencyError(
            "rclpy is not installed; source a ROS 2 installation "
            "(`source /opt/ros/jazzy/setup.bash`), or, without one, "
            "`pip install 'semalign_ros[ros]'`"
        )


def check_topic(option: str, name: str) -> str:
    """Return the name of a topic.

    Args:
        option: Where it was given, for the message.
        name: As typed.

    Raises:
        ConfigError: ROS does not take such a name.
    """
    from rclpy.exceptions import InvalidTopicNameException
    from rclpy.validate_topic_name import validate_topic_name

    try:
        validate_topic_name(name)
    except InvalidTopicNameException as error:
        reason = str(error).split("\n", 1)[0].rstrip(":")
        raise ConfigError(f"{option}: found {name!r}. {reason}") from error
    return name


def replace_process(command: Sequence[str]) -> NoReturn:
    """Become `command`, with the environment that nodes need; does not return."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(command[0], list(command), complete())


class NodeProcess(AbstractContextManager["NodeProcess"]):
    """A node that runs beside this process.

    It gets a process group of its own, so that Ctrl-C in a terminal reaches it only
    through :meth:`stop`, in the order that the caller wants.

    Args:
        command: Of :func:`node_command`, or any other.
        log: File that takes its output, or None for that of this process.
        environment: Variables beside the present ones.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.command = list(command)
        self.log = log
        output = None if log is None else log.open("wb")
        try:
            self._process = subprocess.Popen(
                self.command,
                env=complete({**os.environ, **(environment or {})}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=None if output is None else subprocess.STDOUT,
                start_new_session=True,
            )
        finally:
            if output is not None:
                output.close()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def poll(self) -> int | None:
        """Exit status, or None while it runs."""
        return self._process.poll()

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for its end.

        Returns:
            The exit status.

        Raises:
            SemalignError: It still runs after `timeout_s`.
        """
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise SemalignError(
                f"{self._what()} did not end within {timeout_s:g} s{self._tail()}"
            ) from error

    def check_alive(self) -> None:
        """Raise if it has ended.

        Raises:
            SemalignError: With its exit status and the end of its log.
        """
        status = self.poll()
        if status is not None:
            raise SemalignError(f"{self._what()} ended with status {status}{self._tail()}")

    def stop(self) -> int:
        """End it with SIGINT, as Ctrl-C does; harder when that does not help.

        Returns:
            The exit status.
        """
        for number, patience in (
            (signal.SIGINT, _TERMINATE_AFTER_S),
            (signal.SIGTERM, _KILL_AFTER_S),
            (signal.SIGKILL, None),
        ):
            if self.poll() is not None:
                break
            self._process.send_signal(number)
            try:
                self._process.wait(patience)
            except subprocess.TimeoutExpired:
                continue
        return self._process.wait()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop it."""
        self.stop()

    def _what(self) -> str:
        module = next((a for a in self.command if a.startswith("semalign_ros.")), self.command[0])
        return module.removeprefix("semalign_ros.nodes.")

    def _tail(self, lines: int = 12) -> str:
        if self.log is None:
            return ""
        text = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return f"; its last words ({self.log}):\n" + "\n".join(text[-lines:])


def stop_all(processes: Sequence[NodeProcess]) -> list[int]:
    """Stop several, last started first, and return their exit statuses in the given order."""
    statuses = [process.stop() for process in reversed(processes)]
    return statuses[::-1]


def wait_for_any(processes: Sequence[NodeProcess], poll_s: float = 0.1) -> NodeProcess:
    """Wait until one of them has ended, and return it."""
    while True:
        for process in processes:
            if process.poll() is not None:
                return process
        time.sleep(poll_s)
