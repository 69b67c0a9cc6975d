"""Suites: published sets of concepts and prompts, in the user's own copies; sets of one's own; the bundled.

suite             concepts with photos and prompts, however they lie on disk
layouts           how a folder is recognised and read, and what is said where there is none
dreambooth, customconcept101, dreambench, tea, reversion, antidreambooth, own     one layout each
tables            prompts in CSV
bundled           the miniature's world
"""

from . import antidreambooth, customconcept101, dreambench, dreambooth, own, reversion, tea  # noqa: F401
from .bundled import bundled_suite
from .layouts import LAYOUTS, Layout, layout, load
from .suite import Suite, SuiteConcept, SuitePrompt

__all__ = ["LAYOUTS", "Layout", "Suite", "SuiteConcept", "SuitePrompt", "bundled_suite", "layout", "load"]
