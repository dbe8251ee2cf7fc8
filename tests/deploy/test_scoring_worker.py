"""The worker: what it commits and when, what it does while a service is away, and how it stops."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from scoring_world import World, items, record, refusal, scorer, transaction

from deploy import scoring_worker
from deploy.scoring import Batch
from deploy.scoring_worker import Worker
from deploy.sources import Position, Record

RECORDS = [record(transaction(n, customer=n % 5, terminal=n % 3), n) for n in range(250)]


@dataclass
class Given:
    """A source of records that are there already; when all are read `done` is called, again and again."""

    records: list[Record]
    done: Callable[[], None]
    size: int = 40
    committed: list[str] = field(default_factory=list)
    read: int = 0

    def poll(self, timeout: float = 1.0) -> list[Record]:
        found = self.records[self.read : self.read + self.size]
        self.read += len(found)
        if not found:
            self.done()
        return found

    def commit(self, position: Position) -> None:
        self.committed.append(position.number)

    def close(self) -> None: ...


def worker(world: World, stop: threading.Event, size: int = 40) -> Worker:
    source = Given(RECORDS, stop.set, size)
    return Worker(source, scorer(world), lambda: "7")


def committed(working: Worker) -> list[str]:
    assert isinstance(working.source, Given)
    return working.source.committed


def run(world: World, size: int = 40) -> None:
    stop = threading.Event()
    worker(world, stop, size).run(stop)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring_worker, "_FIRST_PAUSE", 0.001)


def test_it_scores_until_it_is_told_to_stop_and_commits_the_last() -> None:
    world, stop = World(), threading.Event()
    working = worker(world, stop)
    working.run(stop)
    assert set(world.table) == set(range(250))
    assert committed(working)[-1] == "10249"
    assert working.scored == 250
    assert world.counts["Scored"] == 250


def test_a_big_poll_is_cut_into_batches() -> None:
    world = World()
    run(world, size=1000)
    assert set(world.table) == set(range(250))
    assert world.calls.count("model") == 3


def test_what_comes_again_after_the_last_commit_changes_nothing() -> None:
    world = World()
    run(world)
    before = items(world), dict(world.records), dict(world.counts)
    run(world, size=7)
    assert (items(world), world.records, world.counts) == before


def test_a_service_that_is_away_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    world = World(
        troubles={
            "invoke_endpoint": [None, *[refusal("ValidationError", "InvokeEndpoint")] * 3],
            "put_records": [None, None, refusal("InternalFailure", "PutRecords")],
        }
    )
    run(world)
    assert set(world.table) == set(range(250))
    mine = [each["transaction_id"] for each in world.stream if each["customer_id"] == 1]
    assert list(dict.fromkeys(mine)) == list(range(1, 250, 5))  # a few came twice
    assert sum("trying again" in each.message for each in caplog.records) == 4


def test_nothing_is_kept_or_committed_behind_a_batch_that_could_not_be() -> None:
    """Stopped while the table is away: the batches behind it come again at the next start."""
    stop = threading.Event()
    world = World(troubles={"transact_write_items": [None, *[refusal("InternalServerError", "T")] * 1000]})
    working = worker(world, stop)
    threading.Timer(0.1, stop.set).start()
    working.run(stop)
    assert set(world.table) == set(range(40))
    assert committed(working) in ([], ["10039"])


def test_nothing_is_committed_behind_states_that_are_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped while the Feature Store takes nothing: some batches are told, and come again at the next start."""
    monkeypatch.setattr(scoring_worker, "COMMIT_SECONDS", 0.0)
    monkeypatch.setattr(scoring_worker, "BEHIND", 2)
    stop, expected = threading.Event(), World()
    run(expected)
    works = [None] * 4  # calls of a batch, as each state of its eight is changed five times or more
    world = World(troubles={"batch_write_record": [*works, *[refusal("InternalFailure", "W")] * 10_000]})
    working = worker(world, stop)
    threading.Timer(0.3, stop.set).start()
    working.run(stop)
    assert set(world.table) == set(range(4 * 40)), "the first is done, two are behind, one waits for them"
    assert committed(working) == ["10039"]
    world.troubles.clear()
    run(world)
    assert items(world) == items(expected)
    assert world.records == expected.records


def test_results_do_not_wait_for_states() -> None:
    world, stop, go_on = World(), threading.Event(), threading.Event()
    working = worker(world, stop)
    remember = working.scorer.remember

    def slowly(batch: Batch) -> None:
        assert go_on.wait(30)
        remember(batch)

    working.scorer.remember = slowly  # type: ignore[method-assign]
    running = threading.Thread(target=working.run, args=(stop,))
    running.start()
    deadline = time.monotonic() + 30
    while len(world.stream) < 200:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert committed(working) == []
    go_on.set()
    running.join(30)
    assert committed(working)[-1] == "10249"
    assert working.scorer._unwritten == {}


def test_a_commit_that_fails_is_made_up_for(caplog: pytest.LogCaptureFixture) -> None:
    world, stop = World(), threading.Event()
    working = worker(world, stop)
    commit = working.source.commit
    troubles = [refusal("InternalServerError", "PutItem")]

    def failing(position: Position) -> None:
        if troubles:
            raise troubles.pop()
        commit(position)

    working.source.commit = failing  # type: ignore[method-assign]
    working._committed = -1000.0
    working.run(stop)
    assert committed(working)[-1] == "10249"
    assert "could not be committed" in caplog.text
