"""Methods for one instance alone.

Calling looks special methods up on the class, and a method kept among an instance's attributes goes along
into its copies, bound to the instance it came from. So the instance gets a class of its own, for a while:
copies and pickles made meanwhile are of the class it had, and its attributes stay as they are.
"""

from __future__ import annotations

import copyreg
import functools
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["give_methods"]

NEW = "__newobj__"  # of copyreg: what classes without a way of their own are made again by

Method = Callable[..., Any]
"""What runs in place of a method; its first argument is the method, bound."""


def give_methods(instance: Any, methods: Mapping[str, Method]) -> Callable[[], None]:
    """Have ``methods`` run in place of an instance's own, by name, each with its own as first argument.

    Returns: the undo, which does not keep the instance alive. What holds on to such a method longer meets the
    instance's own behind it.
    """
    original: Any = type(instance)
    here = weakref.ref(instance)
    removed = threading.Event()

    def __reduce_ex__(self: Any, protocol: Any) -> Any:  # noqa: N807
        reduced = original.__reduce_ex__(self, protocol)
        if isinstance(reduced, str):
            return reduced
        maker, arguments, *state = reduced
        if maker is getattr(copyreg, NEW):  # which pickle lets make nothing but the instance's own class
            maker = original.__new__
        return maker, tuple(original if each is type(self) else each for each in arguments), *state

    def routed(name: str, method: Method) -> Method:
        @functools.wraps(getattr(original, name))
        def run(self: Any, *args: Any, **kwargs: Any) -> Any:
            own = getattr(super(kind, self), name)
            if removed.is_set() or self is not here():
                return own(*args, **kwargs)
            return method(own, *args, **kwargs)

        return run

    kind = type(
        original.__name__,
        (original,),
        {
            "__module__": original.__module__,
            "__qualname__": original.__qualname__,
            "__reduce_ex__": __reduce_ex__,
            **{name: routed(name, method) for name, method in methods.items()},
        },
    )
    ours = weakref.ref(kind)
    instance.__class__ = kind

    def undo() -> None:
        removed.set()
        given = here()
        if given is not None and type(given) is ours():
            given.__class__ = original

    return undo
