"""Who may use a device and what it lent, and until when."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from streamseg.closing import Closing
from streamseg.errors import DeviceError
from streamseg.vehicle.cuda.backend import Backend


class Lender(Closing):
    """Keeps account of a device's resources and gives all of them back in the end.

    Attributes:
        facts: name, compute capability and limits.
    """

    def __init__(self, backend: Backend) -> None:
        """Nothing is lent yet."""
        self.facts = backend.facts
        self._backend = backend
        self._resources: dict[Resource, None] = {}
        self._thread = threading.local()
        self._closed = False

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make the device the current one of this thread; may be nested.

        Raises:
            DeviceError: the device is closed, or the driver refuses.
        """
        self._check_open()
        self._backend.push()
        self._thread.depth = self._depth + 1
        try:
            yield
        finally:
            self._thread.depth -= 1
            self._backend.pop()

    def live(self) -> dict[str, int]:
        """How many of each kind of resource are not given back yet: ``{"Stream": 3}``."""
        return dict(Counter(type(resource).__name__ for resource in self._resources))

    def close(self) -> None:
        """Wait for the device, give back everything and let go of the context.

        Everything is given back even if the driver refuses some of it. Closing again does nothing.

        Raises:
            DeviceError: the first refusal.
        """
        if self._closed:
            return
        refusals = []
        self._backend.push()
        self._closed = True
        destroys = [resource.destroy for resource in reversed(self._resources)]
        self._resources.clear()
        for step in (self._backend.synchronize, *destroys, self._backend.release):
            try:
                step()
            except DeviceError as error:
                refusals.append(error)
        if refusals:
            raise refusals[0]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close; an error under way is not hidden by one of closing."""
        try:
            self.close()
        except DeviceError:
            if error is None:
                raise

    def adopt(self, resource: Resource) -> None:
        """Give a resource back at ``close``; called by the resource itself."""
        self._resources[resource] = None

    def disown(self, resource: Resource) -> None:
        """Give a resource back now, if that has not been done."""
        if resource in self._resources:
            with self.current():
                del self._resources[resource]
                resource.destroy()

    def usable(self, *resources: Resource) -> Backend:
        """The backend, after a look at whether it and these may be used here.

        Raises:
            DeviceError: the device is closed or not current in this thread, or a resource has been
                given back.
        """
        self._check_open()
        if not self._depth:
            raise DeviceError(
                "the device is not current in this thread: work inside `with device.current():`"
            )
        for resource in resources:
            if resource not in self._resources:
                raise DeviceError(
                    f"this {type(resource).__name__} has been released or is of another device"
                )
        return self._backend

    @property
    def _depth(self) -> int:
        return getattr(self._thread, "depth", 0)

    def _check_open(self) -> None:
        if self._closed:
            raise DeviceError("the device is closed")


class Resource:
    """Something that is given back once: by ``release``, or by the ``close`` of its device."""

    def __init__(self, device: Lender, destroy: Callable[[], None]) -> None:
        """Made by ``Device`` only.

        Args:
            device: whose it is.
            destroy: gives it back, in the current context.
        """
        self.device = device
        self.destroy = destroy
        device.adopt(self)

    def release(self) -> None:
        """Give it back now; harmless when it has been already.

        Nothing under way may still use it.

        Raises:
            DeviceError: the driver refuses.
        """
        self.device.disown(self)
