"""What every engine has to do: each job once, by few workers, every result to the sink."""

import pytest

from uncollapse.errors import PipelineError
from uncollapse.evaluation import Local, Shard


def done(engine, jobs):
    made, results = [], []

    def make_worker():
        made.append(1)
        return lambda job: job * 10

    engine.map(jobs, make_worker, results.append)
    return len(made), results


def test_this_process_does_all_in_order_with_one_worker():
    assert done(Local(), [3, 1, 2]) == (1, [30, 10, 20])
    assert done(Local(), []) == (0, [])


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
def test_the_shards_together_do_every_job_once(count):
    jobs = list(range(11))
    parts = [done(Shard(index, count), jobs)[1] for index in range(1, count + 1)]
    assert [result for part in parts for result in part] == [job * 10 for job in jobs]
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize(("text", "says"), [("3", "3/16"), ("0/2", "from 1 to 2"), ("3/2", "from 1 to 2")])
def test_a_part_that_there_is_not(text, says):
    with pytest.raises(PipelineError, match=says):
        Shard.parsed(text)
    assert Shard.parsed("2/5") == Shard(2, 5)
