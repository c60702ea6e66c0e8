"""Watch streams in a browser, and feed other programs: ``streamseg serve``.

``app(stream)`` is an ASGI application, to run or to mount elsewhere.
"""

from streamseg.errors import MissingExtraError

try:
    import prometheus_client as _prometheus_client  # noqa: F401
    import starlette as _starlette  # noqa: F401
except ImportError as error:
    raise MissingExtraError(str(error.name).replace("_", "-"), "serve") from error

from streamseg.serve.application import app

__all__ = ["app"]
