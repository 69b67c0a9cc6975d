"""Who does the work: an engine takes jobs, makes workers, and hands every result to the sink.

A worker keeps what is dear between jobs (a model, an adapter), results are written by the sink, and every job
may be done twice without harm: so an engine may run anywhere, lose workers, and be asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from ..errors import PipelineError, Setting

__all__ = ["Engine", "Local", "Shard"]

J = TypeVar("J")
R = TypeVar("R")


class Engine(Protocol):
    """Whatever can do independent jobs."""

    def map(
        self,
        jobs: Sequence[J],
        make_worker: Callable[[], Callable[[J], R]],
        sink: Callable[[R], object],
    ) -> None:
        """Do all jobs, in any order.

        Args:
            jobs: independent of each other; neighbours need the same of a worker.
            make_worker: called once by everybody who works.
            sink: called with each result, by the process that called this.
        """
        ...


@dataclass(frozen=True)
class Local:
    """This process, one job after the other."""

    def map(
        self,
        jobs: Sequence[J],
        make_worker: Callable[[], Callable[[J], R]],
        sink: Callable[[R], object],
    ) -> None:
        """Do all jobs, in their order."""
        if jobs:
            worker = make_worker()
            for job in jobs:
                sink(worker(job))


@dataclass(frozen=True)
class Shard:
    """One part of the jobs, for arrays of processes that know nothing of each other.

    Args:
        index: which part, from 1.
        count: of how many.
        engine: does it.

    Raises: PipelineError, for a part that there is not.
    """

    index: int
    count: int
    engine: Engine = field(default_factory=Local)

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise PipelineError(
                Setting("shard"),
                f" {self.index}/{self.count}: parts go from 1 to {self.count}. Give one of these.",
            )

    @classmethod
    def parsed(cls, text: str) -> Shard:
        """ "3/16": the third of sixteen parts.

        Raises: PipelineError, for anything else.
        """
        try:
            index, count = (int(part) for part in text.split("/"))
        except ValueError as error:
            raise PipelineError(
                Setting("shard"), f" '{text}' is no part of a whole. Give it as 3/16, the third of sixteen."
            ) from error
        return cls(index, count)

    def map(
        self,
        jobs: Sequence[J],
        make_worker: Callable[[], Callable[[J], R]],
        sink: Callable[[R], object],
    ) -> None:
        """Do the jobs of this part: neighbours, since they need the same adapter."""
        begin, end = (len(jobs) * part // self.count for part in (self.index - 1, self.index))
        self.engine.map(jobs[begin:end], make_worker, sink)
