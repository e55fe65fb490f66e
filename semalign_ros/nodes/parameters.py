"""Declares a parameter table on a node and keeps the configuration that it stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from semalign_ros.errors import ConfigError, SemalignError, unknown_name
from semalign_ros.nodes.schema import Row, Value, build, flatten, rows

ConfigT = TypeVar("ConfigT")


class NodeParameters(Generic[ConfigT]):
    """The parameters of one node.

    Args:
        node: Gets the parameters.
        config: Their table, see :mod:`semalign_ros.nodes.schema`.
        apply: Called with every new configuration, the first one included, before it takes
            effect; raises :class:`SemalignError` to refuse it and then has changed nothing.

    Raises:
        ConfigError: Names every bad value that the node was started with.
    """

    def __init__(self, node: Node, config: type[ConfigT], apply: Callable[[ConfigT], None]) -> None:
        self._table = {row.name: row for row in rows(config)}
        self._type = config
        self._apply = apply
        self.config = build(config, self._declare(node))
        apply(self.config)
        self._warn_of_unknown(node)
        node.add_on_set_parameters_callback(self._on_set)

    def values(self) -> dict[str, Value]:
        """Every value by name."""
        return flatten(self.config)

    def _declare(self, node: Node) -> dict[str, object]:
        values: dict[str, object] = {}
        problems: list[str] = []
        for row in self._table.values():
            default = list(row.default) if isinstance(row.default, tuple) else row.default
            try:
                values[row.name] = node.declare_parameter(row.name, default, _descriptor(row)).value
                row.read(values[row.name])
            except ParameterException as error:
                problems.append(f"{row.name}: {error}; expected {row.constraints or row.kind}")
            except ConfigError as error:
                problems.append(str(error))
        if problems:
            raise ConfigError("; ".join(problems))
        return values

    def _warn_of_unknown(self, node: Node) -> None:
        """Tell of parameters that were given and that nobody reads, which ROS does not."""
        given = getattr(node, "_parameter_overrides", {})
        for name in given:
            if not node.has_parameter(name) and not name.startswith("qos_overrides."):
                node.get_logger().warning(
                    f"ignored: {unknown_name('parameter', name, self._table)}"
                )

    def _on_set(self, changes: list[Parameter]) -> SetParametersResult:
        ours = {change.name: change.value for change in changes if change.name in self._table}
        if not ours:
            return SetParametersResult(successful=True)
        try:
            config = build(self._type, {**flatten(self.config), **ours})
            self._apply(config)
        except SemalignError as error:
            return SetParametersResult(successful=False, reason=str(error))
        except Exception as error:  # must not leave the service without an answer
            reason = f"unexpectedly: {type(error).__name__}: {error}"
            return SetParametersResult(successful=False, reason=reason)
        self.config = config
        return SetParametersResult(successful=True)


def _descriptor(row: Row) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        name=row.name,
        description=row.description,
        read_only=row.read_only,
        additional_constraints=row.constraints,
        # The table checks the types, with better words, and takes 3 for 3.0.
        dynamic_typing=True,
    )
    if row.minimum is not None and row.maximum is not None:
        if row.kind == "integer":
            descriptor.integer_range = [
                IntegerRange(from_value=int(row.minimum), to_value=int(row.maximum))
            ]
        elif row.kind == "double":
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=float(row.minimum), to_value=float(row.maximum))
            ]
    return descriptor
