"""Evaluation: many concepts, methods and arms, drawn, scored and told apart with intervals over concepts.

cells        a figure of one picture, which statistics and reports are made of
identities   what is known of a score by its identity
cell_files   cells in files
statistics   what such figures say, and how surely
report       the same as a page with all pictures, and as tables
judging      a vision-language model as a judge
labels       people's ratings
agreement    how well raters agree
differences  whether two evaluations differ, and why
embedded     what pages carry within them
"""

from .cells import Cell

__all__ = ["Cell"]
