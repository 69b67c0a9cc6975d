"""Evaluation: many concepts, methods and arms, drawn, scored and told apart with intervals over concepts.

cells        a figure of one picture, which statistics and reports are made of
identities   what is known of a score by its identity
statistics   what such figures say, and how surely
"""

from .cells import Cell

__all__ = ["Cell"]
