"""People's ratings of pictures: the page that asks for them, and how they agree with a judge."""

from .labels import Ratings, chosen, label_id, read_ratings, with_judge, with_people, write_label_page

__all__ = [
    "Ratings",
    "chosen",
    "label_id",
    "read_ratings",
    "with_judge",
    "with_people",
    "write_label_page",
]
