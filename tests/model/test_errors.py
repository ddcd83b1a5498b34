"""The tree of errors: what callers may rely on when they catch one."""

import inspect

import model
from model import errors


def tree() -> dict[str, type[BaseException]]:
    return {
        name: each
        for name, each in inspect.getmembers(errors, inspect.isclass)
        if each.__module__ == errors.__name__
    }


def test_every_error_has_the_one_root_and_says_what_it_is() -> None:
    for name, each in tree().items():
        assert issubclass(each, errors.StandinError), name
        assert each.__doc__, name


def test_the_tree_is_pinned() -> None:
    assert {name: each.__bases__ for name, each in tree().items()} == {
        "StandinError": (Exception,),
        "PictureError": (errors.StandinError,),
        "UnreadablePicture": (errors.PictureError,),
        "PictureTooLarge": (errors.PictureError,),
        # What a caller passed: also a ValueError, as numerical code leads people to expect.
        "SupportError": (errors.StandinError, ValueError),
        "EpisodeError": (errors.StandinError, ValueError),
        "MetricError": (errors.StandinError, ValueError),
        "DeviceError": (errors.StandinError, ValueError),
        "ManifestError": (errors.StandinError,),
        "WeightsError": (errors.StandinError,),
    }


def test_public_names_are_pinned() -> None:
    assert sorted(model.__all__) == [
        "Adapted",
        "Card",
        "DeviceError",
        "Model",
        "PictureError",
        "PictureTooLarge",
        "StandinError",
        "SupportError",
        "UnreadablePicture",
        "WeightsError",
        "load",
    ]
    for name in model.__all__:
        assert getattr(model, name).__doc__, name
