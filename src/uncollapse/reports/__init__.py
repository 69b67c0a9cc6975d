"""What every report is made of.

    table      a Table: values with a head, for a page and for a terminal
    figures    figures in the house's style, drawn by matplotlib
    page       the page: one HTML file of verdict, picture, figures, tables, settings, and what to run next

Nothing here knows what is reported on. matplotlib and jinja2 are imported where a figure or a page is made.
"""

from .page import Drawing, Finding, NextStep, as_drawing, drawings, rendered
from .table import Cell, Table

__all__ = ["Cell", "Drawing", "Finding", "NextStep", "Table", "as_drawing", "drawings", "rendered"]
