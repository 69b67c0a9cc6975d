"""One tree, every leaf public."""

import inspect

from uncollapse import errors


def test_every_error_is_in_the_tree_and_in_its_drawing():
    raised = [e for _, e in inspect.getmembers(errors, inspect.isclass) if issubclass(e, Exception)]
    assert sorted(e.__name__ for e in raised) == errors.__all__
    for error in raised:
        assert issubclass(error, UserWarning if error is errors.UncollapseWarning else errors.UncollapseError)
        assert error.__name__ in errors.__doc__
        assert error.__doc__


def test_wrong_values_are_value_errors():
    for error in (errors.AdjustmentError, errors.EmbeddingError, errors.AnchorError, errors.PlaceholderError):
        assert issubclass(error, ValueError)
