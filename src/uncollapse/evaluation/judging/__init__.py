"""A vision-language model as a judge: asked blind, every reply kept, trusted if it ranks what is known.

rubric     what is asked, and what counts as an answer
items      which pictures, and the controls
requests   a question as a server takes it, and its key
endpoint   the server
replies    what came back, kept for good
judge      asking, and answers as cells
sanity     whether the judge can be trusted
cost       what it will take
batches    the same by files

``openai`` is imported where a server is asked.
"""

from .batches import export_batch, import_batch
from .cost import Cost, cost
from .endpoint import Endpoint
from .items import Control, Item, Subject, controls, items
from .judge import Judging, repeats
from .replies import Replies, Reply, Verdict, verdict
from .requests import Request, request
from .rubric import RUBRICS, Question, Rubric
from .sanity import AGREEMENT, RANKED, Sanity, ranked, self_agreement

__all__ = [
    "AGREEMENT",
    "RANKED",
    "RUBRICS",
    "Control",
    "Cost",
    "Endpoint",
    "Item",
    "Judging",
    "Question",
    "Replies",
    "Reply",
    "Request",
    "Rubric",
    "Sanity",
    "Subject",
    "Verdict",
    "controls",
    "cost",
    "export_batch",
    "import_batch",
    "items",
    "ranked",
    "repeats",
    "request",
    "self_agreement",
    "verdict",
]
