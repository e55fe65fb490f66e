"""Newest-only hand-over between the thread that receives and the one that works.

A frame that waits while a newer one arrives is worthless to a monitor: it is
replaced, and the caller gets it back to count it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


class Mailbox(Generic[ItemT]):
    """Holds at most one item."""

    def __init__(self) -> None:
        self._item: ItemT | None = None
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: ItemT) -> ItemT | None:
        """Leave an item.

        Returns:
            What nobody will get: the older item that was still waiting, or `item` itself
            once the mailbox is closed.
        """
        with self._changed:
            if self._closed:
                return item
            displaced, self._item = self._item, item
            self._changed.notify()
            return displaced

    def take(self) -> ItemT | None:
        """Wait for an item; None once the mailbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._item is not None)
            item, self._item = self._item, None
            return item

    def clear(self) -> ItemT | None:
        """Remove and return the waiting item."""
        with self._changed:
            item, self._item = self._item, None
            return item

    def close(self) -> ItemT | None:
        """Wake the waiting thread for good; return the item that nobody took."""
        with self._changed:
            item, self._item = self._item, None
            self._closed = True
            self._changed.notify_all()
            return item


class Worker(Generic[ItemT]):
    """One thread that works through a mailbox.

    Args:
        process: Called with each item; it must not raise.
        name: Of the thread.
    """

    def __init__(self, process: Callable[[ItemT], None], name: str) -> None:
        self.mailbox: Mailbox[ItemT] = Mailbox()
        self._process = process
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> ItemT | None:
        """End the thread after the item in work; return the one that was still waiting."""
        left = self.mailbox.close()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()
        return left

    def _run(self) -> None:
        while (item := self.mailbox.take()) is not None:
            self._process(item)
