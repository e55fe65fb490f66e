"""Base of all managed nodes: parameters, transitions that say why they failed, autostart."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Generic, TypeVar

from lifecycle_msgs.srv import ChangeState
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.timer import Timer

from semalign_ros.errors import SemalignError
from semalign_ros.nodes.config import NodeConfig
from semalign_ros.nodes.parameters import NodeParameters

ConfigT = TypeVar("ConfigT", bound=NodeConfig)


class ManagedNode(LifecycleNode, Generic[ConfigT]):  # type: ignore[misc]  # rclpy is untyped
    """A lifecycle node with a parameter table.

    Subclasses fill in :meth:`open`, :meth:`close`, :meth:`begin`, :meth:`end` and
    :meth:`apply`; what these raise is logged, and fails the transition.

    Args:
        name: Default name of the node.
        config: Its parameter table.

    Raises:
        ConfigError: A parameter has a bad value.
    """

    def __init__(self, name: str, config: type[ConfigT]) -> None:
        super().__init__(name)
        self._refuse_impossible_transitions()
        self.steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.parameters = NodeParameters(self, config, self.apply)

    def _refuse_impossible_transitions(self) -> None:
        """Answer a request such as activating an active node with no.

        rclpy raises there, which would end the node: a manager that repeats its request is enough.
        """
        service = getattr(self, "_service_change_state", None)
        if service is None:
            return
        change = service.callback

        def guarded(request: ChangeState.Request, response: ChangeState.Response) -> object:
            try:
                return change(request, response)
            except Exception as error:  # RCLError, of a private module
                self.get_logger().warning(f"no such transition from here: {error}")
                response.success = False
                return response

        service.callback = guarded

    @property
    def config(self) -> ConfigT:
        """The configuration in force."""
        return self.parameters.config

    def apply(self, config: ConfigT) -> None:
        """Take a new configuration; raise :class:`SemalignError` to refuse it."""

    def open(self) -> None:
        """Acquire what the node needs: models, publishers."""

    def close(self) -> None:
        """Release what :meth:`open` acquired, also after it failed half-way."""

    def begin(self) -> None:
        """Start working."""

    def end(self) -> None:
        """Stop working; also called when it had not started."""

    def start(self) -> bool:
        """Configure and activate if ``autostart`` says so; return whether that worked."""
        if not self.config.autostart:
            return True
        done = TransitionCallbackReturn.SUCCESS
        return bool(self.trigger_configure() == done and self.trigger_activate() == done)

    def every(self, period_s: float, callback: Callable[[], None]) -> Timer:
        """Call back on a steady clock, which runs on when the simulated one stands."""
        return self.create_timer(period_s, callback, clock=self.steady)

    def destroy_node(self) -> None:
        """Release everything; the process may end after it."""
        try:
            self.end()
            self.close()
        finally:
            super().destroy_node()

    def on_configure(self, _: LifecycleState) -> TransitionCallbackReturn:
        """Run :meth:`open`."""
        result = self._guarded("configure", self.open)
        if result != TransitionCallbackReturn.SUCCESS:
            self.close()
        return result

    def on_cleanup(self, _: LifecycleState) -> TransitionCallbackReturn:
        """Run :meth:`close`."""
        return self._guarded("clean up", self.close)

    def on_activate(self, _: LifecycleState) -> TransitionCallbackReturn:
        """Run :meth:`begin`."""
        return self._guarded("activate", self.begin)

    def on_deactivate(self, _: LifecycleState) -> TransitionCallbackReturn:
        """Run :meth:`end`."""
        return self._guarded("deactivate", self.end)

    def on_shutdown(self, _: LifecycleState) -> TransitionCallbackReturn:
        """Stop and release."""
        return self._guarded("shut down", self._stop)

    def on_error(self, _: LifecycleState) -> TransitionCallbackReturn:
        """Stop and release, so that a manager may configure again."""
        return self._guarded("recover", self._stop)

    def _stop(self) -> None:
        self.end()
        self.close()

    def _guarded(self, what: str, action: Callable[[], None]) -> TransitionCallbackReturn:
        # rclpy turns an exception into ERROR without a word.
        try:
            action()
        except SemalignError as error:
            self.get_logger().error(f"cannot {what}: {error}")
            return TransitionCallbackReturn.FAILURE
        except Exception:
            self.get_logger().error(f"cannot {what}, unexpectedly:\n{traceback.format_exc()}")
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS
