"""Evaluation: many concepts, methods and arms, drawn, scored and told apart with intervals over concepts.

suites       what is asked of a method: concepts with photos and prompts
methods      how the concepts were taught
plan         every picture that is wanted, as a job with a name
run          the folder of a plan, and what has become of it
drawing      the worker that draws
profiles     the scores of publications, as data
features     what models of vision see, computed once
scoring      the figures
importing    what others drew and published
exporting    pictures with their figures for other programs
engines      who does the work
store        how files come into the folder, whole
digests      names that follow from content
cells        a figure of one picture, which statistics and reports are made of
identities   what is known of a score by its identity
cell_files   cells in files
statistics   what such figures say, and how surely
report       the same as a page with all pictures, and as tables
judging      a vision-language model as a judge, every reply kept
labels       people's ratings
agreement    how well raters agree
differences  whether two evaluations differ, and why
embedded     what pages carry within them
"""

from . import suites
from .cells import Cell
from .engines import Engine, Local, Shard
from .exporting import EXPORTS, export
from .importing import Found, pictures_of, published_cells
from .methods import Base, Method, bundled_methods, read_methods
from .plan import Batch, Job, Plan, Row, arm_called, plan
from .profiles import PROFILES, Encoder, Profile, ProfileScore, profile_called
from .run import Progress, Run
from .scoring import Ceiling, Scored, score

__all__ = [
    "EXPORTS",
    "PROFILES",
    "Base",
    "Batch",
    "Ceiling",
    "Cell",
    "Encoder",
    "Engine",
    "Found",
    "Job",
    "Local",
    "Method",
    "Plan",
    "Profile",
    "ProfileScore",
    "Progress",
    "Row",
    "Run",
    "Scored",
    "Shard",
    "arm_called",
    "bundled_methods",
    "export",
    "pictures_of",
    "plan",
    "profile_called",
    "published_cells",
    "read_methods",
    "score",
    "suites",
]
