"""Evaluation: many concepts, methods and arms, drawn, scored and told apart with intervals over concepts.

cells     a figure of one picture, which statistics and reports are made of
"""

from .cells import Cell

__all__ = ["Cell"]
