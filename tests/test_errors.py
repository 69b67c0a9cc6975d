"""One tree, every leaf public; and how a message names settings."""

import inspect
import pickle
import warnings

import pytest

from uncollapse import errors
from uncollapse.errors import AnchorError, FileFormatError, Setting, UncollapseWarning


def flag(setting):
    return "--" + setting.replace("_", "-")


def test_every_error_is_in_the_tree_and_in_its_drawing():
    raised = [e for _, e in inspect.getmembers(errors, inspect.isclass) if issubclass(e, Exception)]
    assert sorted([*(e.__name__ for e in raised), "Setting"]) == errors.__all__
    for error in raised:
        assert issubclass(error, UserWarning if error is errors.UncollapseWarning else errors.UncollapseError)
        assert error.__name__ in errors.__doc__
        assert error.__doc__


def test_wrong_values_are_value_errors():
    for error in (errors.AdjustmentError, errors.EmbeddingError, errors.AnchorError, errors.PlaceholderError):
        assert issubclass(error, ValueError)


def test_a_setting_is_spelled_as_the_front_end_does():
    error = AnchorError("Say it with ", Setting("anchor"), " or ", Setting("checkpoint_steps"), ".")
    assert str(error) == "Say it with anchor or checkpoint_steps."
    assert error.told(flag) == "Say it with --anchor or --checkpoint-steps."
    assert error.told({"anchor": "c", "checkpoint_steps": "t"}.__getitem__) == "Say it with c or t."
    assert error.settings == ("anchor", "checkpoint_steps")


def test_a_message_without_settings_is_one_text():
    error = AnchorError("The anchor is empty.")
    assert str(error) == error.told(flag) == "The anchor is empty."
    assert error.settings == ()
    assert str(AnchorError()) == ""


def test_a_message_within_another_keeps_its_settings():
    inner = AnchorError("Say it with ", Setting("anchor"), ".")
    outer = FileFormatError("cat.pt: ", *inner.parts, " Or rename it.")
    assert str(outer) == "cat.pt: Say it with anchor. Or rename it."
    assert outer.told(flag) == "cat.pt: Say it with --anchor. Or rename it."


def test_another_process_can_tell_it_too():
    error = pickle.loads(pickle.dumps(AnchorError("Say it with ", Setting("anchor"), ".")))
    assert error.told(flag) == "Say it with --anchor."


def test_a_warning_names_settings_too():
    with pytest.warns(UncollapseWarning, match="^Without base there is nothing$") as caught:
        warnings.warn(UncollapseWarning("Without ", Setting("base"), " there is nothing"), stacklevel=1)
    assert caught[0].message.told(flag) == "Without --base there is nothing"
