"""Ownership of a device's resources: checks their use and releases them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streamseg.closing import Closing
from streamseg.errors import DeviceError
from streamseg.vehicle.cuda.backend import Backend


class ResourceOwner(Closing):
    """Tracks a device's resources and releases them all on ``close``.

    Attributes:
        facts: name, compute capability and limits.
    """

    def __init__(self, backend: Backend) -> None:
        """Start without resources."""
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
        """Count the unreleased resources by kind: ``{"Stream": 3}``."""
        return dict(Counter(type(resource).__name__ for resource in self._resources))

    def close(self) -> None:
        """Wait for the device, release all resources and the context.

        All are released even if the driver refuses some. Closing again is a no-op.

        Raises:
            DeviceError: the first error of the driver.
        """
        if self._closed:
            return
        errors = []
        self._backend.push()
        self._closed = True
        destroys = [resource.destroy for resource in reversed(self._resources)]
        self._resources.clear()
        for step in (self._backend.synchronize, *destroys, self._backend.release):
            try:
                step()
            except DeviceError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def add(self, resource: Resource) -> None:
        """Register a resource for release at ``close``; called by the resource itself."""
        self._resources[resource] = None

    def remove(self, resource: Resource) -> None:
        """Release a resource now; a no-op if it has been released."""
        if resource in self._resources:
            with self.current():
                del self._resources[resource]
                resource.destroy()

    def usable(self, *resources: Resource) -> Backend:
        """Return the backend after checking that it and these resources may be used.

        Raises:
            DeviceError: the device is closed or not current in this thread, or a resource has been
                released.
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
    """Something that is released once: by ``release``, or by the ``close`` of its device."""

    def __init__(self, device: ResourceOwner, destroy: Callable[[], None]) -> None:
        """Called by ``Device`` only.

        Args:
            device: its owner.
            destroy: frees it, in the current context.
        """
        self.device = device
        self.destroy = destroy
        device.add(self)

    def release(self) -> None:
        """Release it now; a no-op if it has been released.

        Nothing in flight may still use it.

        Raises:
            DeviceError: the driver refuses.
        """
        self.device.remove(self)
