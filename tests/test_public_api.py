import builtins
import inspect
from importlib.metadata import version
from typing import get_type_hints

import streamseg
from streamseg import errors


def test_public_names_are_these_and_no_others() -> None:
    assert streamseg.__all__ == [
        "ConfigError",
        "DataError",
        "DeviceError",
        "Frame",
        "FrameResult",
        "InputError",
        "Instance",
        "MissingExtraError",
        "ModelError",
        "Proposals",
        "Recorded",
        "Segmenter",
        "SinkError",
        "SourceError",
        "SourceOptions",
        "Stream",
        "StreamEvent",
        "StreamOptions",
        "StreamsegError",
        "TrainingError",
        "batch",
        "draw",
        "load",
        "log_to_rerun",
        "open_writer",
        "stream",
        "to_supervision",
    ]
    assert all(hasattr(streamseg, name) for name in streamseg.__all__)
    assert set(streamseg.__all__) <= set(dir(streamseg))
    assert not hasattr(streamseg, "paint")


def test_stream_takes_the_same_options_everywhere() -> None:
    options = set(get_type_hints(streamseg.StreamOptions))
    assert options == {"policy", "options", "on_event", "on_result"}
    described = streamseg.StreamOptions.__doc__ or ""
    assert all(f"    {name}: " in described for name in options)
    for function in (streamseg.stream, streamseg.Segmenter.stream, streamseg.Segmenter.astream):
        sources, keywords = list(inspect.signature(function).parameters.values())[-2:]
        assert (sources.name, keywords.annotation) == ("sources", "Unpack[StreamOptions]")


def test_version_is_that_of_the_package() -> None:
    assert streamseg.__version__ == version("streamseg")


def test_every_error_is_ours_and_also_a_builtin() -> None:
    ours = [cls for _, cls in inspect.getmembers(errors, inspect.isclass)]
    leaves = [cls for cls in ours if cls is not streamseg.StreamsegError]
    assert leaves
    for cls in leaves:
        assert issubclass(cls, streamseg.StreamsegError)
        builtin = cls.__mro__[cls.__mro__.index(streamseg.StreamsegError) + 1 :]
        assert any(base is getattr(builtins, base.__name__) is not Exception for base in builtin)


def test_error_tree_in_the_docstring_is_whole() -> None:
    for name, cls in inspect.getmembers(errors, inspect.isclass):
        assert name in (errors.__doc__ or "")
        assert name in streamseg.__all__
        assert cls.__doc__


def test_a_missing_extra_says_what_and_how() -> None:
    error = streamseg.MissingExtraError("torch", "train")
    assert str(error) == "torch is not installed: pip install 'streamseg[train]'"
