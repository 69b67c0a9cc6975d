"""A small world, text-to-image models of it and a judge that reads their pictures: the offline default.

`MINIATURES` holds the bundled ones by name, first the one that is meant where none is named:

    pipe = MINIATURES["unet"].pipeline()

A `Miniature` is a folder, and its model an ordinary pipeline folder; everything here loads without a network.
The library never imports this package; `uncollapse.subjects` and the commands offer it as a default.
"""

from .concepts import PersonalConcept
from .judge import Judge, Reading
from .miniature import MINIATURES, Miniature
from .prompts import WorldPrompt

__all__ = ["MINIATURES", "Judge", "Miniature", "PersonalConcept", "Reading", "WorldPrompt"]
