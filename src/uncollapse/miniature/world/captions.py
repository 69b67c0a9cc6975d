"""`describe`: a scene told in English, differently each time.

Word order varies, words have synonyms and attributes go unmentioned, as in captions from the web.
``complete=True`` names everything, with the plain words, in the plain order.
"""

import random

from . import vocabulary as v
from .scene import Scene

MENTIONED = {"colour": 0.7, "pattern": 0.7, "place": 0.85, "accessory": 0.9, "second": 0.9}


def _article(noun_phrase: str) -> str:
    return ("an " if noun_phrase[0] in "aeiou" else "a ") + noun_phrase


def _choose(rng: random.Random | None, ways: tuple[str, ...]) -> str:
    if rng is None or rng.random() < 0.6:
        return ways[0]
    return rng.choice(ways)


def describe(scene: Scene, rng: random.Random | None = None, *, complete: bool = False) -> str:
    """Return one caption of the scene; without ``rng`` the plain, complete one."""
    complete = complete or rng is None
    words = None if complete else rng
    rng = rng or random.Random(0)

    def says(attribute: str) -> bool:
        return complete or rng.random() < MENTIONED[attribute]

    def noun(subject: str, colour: str | None) -> str:
        name = _choose(words, v.SUBJECTS[subject])
        shown = colour and scene.style not in v.COLOURLESS_STYLES and says("colour")
        return _article(f"{colour} {name}" if shown else name)

    phrase = noun(scene.subject, scene.colour)
    if scene.pattern and scene.style not in v.COLOURLESS_STYLES and says("pattern"):
        phrase += " " + _choose(words, v.PATTERNS[scene.pattern]).format(scene.pattern_colour)
    tail = []
    if scene.accessory and says("accessory"):
        tail.append(_choose(words, v.ACCESSORIES[scene.accessory]))
    if scene.second and says("second"):
        phrase += " and " + noun(scene.second, scene.second_colour)
    place = _choose(words, v.PLACES[scene.place]) if says("place") else ""
    style = _choose(words, v.STYLES[scene.style])
    if not complete and scene.style == "photo" and rng.random() < 0.25:
        style = ""
    if place and not complete and rng.random() < 0.12:
        return " ".join(filter(None, [f"{place},", style, phrase, *tail]))
    if place:
        tail.append(place)
    if not complete and rng.random() < 0.3:
        tail.reverse()
    return " ".join(filter(None, [style, phrase, *tail]))
