"""The report of an evaluation, made of cells: as a page with all pictures, and in other formats.

findings   what it comes to: baseline, declared outcomes, claims
tables     the declared outcomes, the fronts, and what every arm has of each score
formats    the tables as Markdown and LaTeX, and all figures as JSON
page       one page that needs no server, with a gallery of the pictures

matplotlib, jinja2 and Pillow are imported where a page is made.
"""

from .findings import Findings, findings
from .formats import as_json, latex, markdown
from .page import verdict, write_page
from .tables import tables

__all__ = ["Findings", "as_json", "findings", "latex", "markdown", "tables", "verdict", "write_page"]
