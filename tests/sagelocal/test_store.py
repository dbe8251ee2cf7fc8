"""The store: acknowledged is on disk, documents and events are one transaction."""

from __future__ import annotations

import json
import queue
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sagelocal import store as store_module
from sagelocal.store import Closed, Exists, Missing, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "db")) as opened:
        yield opened


def test_a_document_is_kept_as_it_was_and_merged_at_the_top(store: Store) -> None:
    store.create("Model", "a", {"ModelName": "a", "Nested": {"x": 1}, "Gone": True}, arn="arn:a")
    after = store.update("Model", "a", {"Nested": {"y": 2}, "Gone": None})
    assert after["Nested"] == {"y": 2}
    assert "Gone" not in after
    assert store.find("Model", "a") == after
    assert store.by_arn("arn:a") == ("Model", "a", after)


def test_names_are_unique_by_kind_and_missing_ones_say_so(store: Store) -> None:
    store.create("Model", "a", {})
    store.create("Endpoint", "a", {})
    with pytest.raises(Exists):
        store.create("Model", "a", {})
    store.delete("Model", "a")
    with pytest.raises(Missing, match="no Model a"):
        store.get("Model", "a")


def test_a_closed_store_says_so_to_whoever_still_writes(store: Store) -> None:
    store.create("Model", "a", {})
    store.close()
    with pytest.raises(Closed):
        store.update("Model", "a", {"x": 1})


def test_a_failed_transaction_leaves_nothing_behind_not_even_its_events(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "db", on_change=lambda kind, before, after: [{"kind": kind}])) as store:

        def half() -> None:
            with store.transaction():
                store.create("Model", "a", {})
                raise RuntimeError("half way")

        with pytest.raises(RuntimeError, match="half way"):
            half()
        assert store.find("Model", "a") is None
        assert store.pending_events() == []


def test_a_full_disk_says_so_and_the_store_goes_on_once_there_is_room(store: Store) -> None:
    store.create("Model", "a", {})
    (pages,) = store._database.execute("PRAGMA page_count").fetchone()
    store._database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        store.create("Model", "b", {"Large": "x" * 100_000})
    store._database.execute("PRAGMA max_page_count = 100000")
    store.create("Model", "c", {})
    assert [store.find("Model", name) for name in "abc"] == [{}, None, {}]


def test_events_stay_until_they_are_delivered(tmp_path: Path) -> None:
    def changed(kind: str, before: Any, after: Any) -> list[dict[str, Any]]:
        return [{"before": before, "after": after}]

    with closing(Store(tmp_path / "db", on_change=changed)) as store:
        store.create("Model", "a", {"n": 1})
        store.update("Model", "a", {"n": 2})
        (first, created), (second, updated) = store.pending_events()
        assert created == {"before": None, "after": {"n": 1}}
        assert updated["before"] == {"n": 1}
        store.delivered([first])
        assert [number for number, _ in store.pending_events()] == [second]


def test_wait_returns_when_another_thread_commits_and_ends_when_the_store_closes(store: Store) -> None:
    store.create("Job", "a", {"Status": "InProgress"})
    threading.Timer(0.05, store.update, ("Job", "a", {"Status": "Completed"})).start()
    assert store.wait("Job", "a", lambda job: job["Status"] == "Completed", 10)["Status"] == "Completed"
    with pytest.raises(TimeoutError):
        store.wait("Job", "a", lambda job: False, 0.01)
    threading.Timer(0.05, store.close).start()
    with pytest.raises(Closed):
        store.wait("Job", "a", lambda job: False, 10)


def test_tags_follow_their_resource(store: Store) -> None:
    store.create("Model", "a", {}, arn="arn:a")
    store.set_tags("arn:a", {"team": "x", "cost": "1"})
    store.set_tags("arn:a", {"team": "y"})
    store.drop_tags("arn:a", ["cost"])
    assert store.tags("arn:a") == {"team": "y"}
    store.delete("Model", "a")
    assert store.tags("arn:a") == {}


def test_a_file_of_a_newer_program_is_refused_with_the_remedy(tmp_path: Path) -> None:
    Store(tmp_path / "db").close()
    with closing(sqlite3.connect(tmp_path / "db")) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(RuntimeError, match=r"schema version 99.*MLOPS_STATE"):
        Store(tmp_path / "db")


def test_what_was_acknowledged_survives_kill_minus_nine(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from sagelocal.store import Store\n"
        "store = Store(Path(sys.argv[1]))\n"
        "for n in range(10**6):\n"
        "    store.create('Job', str(n), {'n': n}); print(n, flush=True)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "db")], stdout=subprocess.PIPE, text=True)
    assert child.stdout
    acknowledged = [int(child.stdout.readline()) for _ in range(200)]
    child.send_signal(signal.SIGKILL)
    child.communicate()
    with closing(Store(tmp_path / "db")) as store:
        kept = {document["n"] for document in store.list("Job")}
    assert set(acknowledged) <= kept


def _names(documents: list[dict[str, Any]]) -> list[str]:
    return [document["Name"] for document in documents]


def test_a_page_is_sorted_filtered_and_cut_by_the_database(store: Store) -> None:
    for number in range(6):
        document = {"Name": f"n{number}", "CreationTime": 100.0 - number, "Even": number % 2 == 0}
        store.create("Model", f"n{number}", document, parent="p" if number else "other")
    assert _names(store.page("Model")) == ["n0", "n1", "n2", "n3", "n4", "n5"]
    assert _names(store.page("Model", parent="p", order="CreationTime", limit=2)) == ["n5", "n4"]
    assert _names(store.page("Model", parent="p", order="CreationTime", descending=True, offset=1, limit=2)) == [
        "n2",
        "n3",
    ]
    assert _names(store.page("Model", where=[("CreationTime", ">", 98.0), ("Name", "contains", "N")])) == ["n0", "n1"]
    assert _names(store.page("Model", where=[("Even", "=", True), ("Name", "starts", "n4")])) == ["n4"]
    assert _names(store.page("Model", where=[("Absent|Name", "=", "n3")])) == ["n3"]
    assert store.page("Model", where=[("Absent", "present", True)]) == []
    with pytest.raises(ValueError, match="no member"):
        store.page("Model", order="Name') --")


def test_documents_are_counted_by_a_member(store: Store) -> None:
    for number, document in enumerate(({"Status": "On"}, {"Status": "Off"}, {"Status": "On"}, {})):
        store.create("Lamp", str(number), document)
    assert store.counts("Lamp", "Status") == {"On": 2, "Off": 1, None: 1}
    assert store.counts("Bulb", "Status") == {}


def test_the_usual_page_comes_from_an_index_and_sorts_nothing(store: Store, tmp_path: Path) -> None:
    store.create("Model", "a", {"CreationTime": 1.0}, parent="p")
    with closing(sqlite3.connect(tmp_path / "db")) as database:
        approved = "AND parent = 'p' AND json_extract(document, '$.ModelApprovalStatus') = 'Approved' "
        for clause in ("", "AND parent = 'p' ", approved):
            query = (
                f"EXPLAIN QUERY PLAN SELECT document FROM resource WHERE kind = 'Model' {clause}"
                "ORDER BY json_extract(document, '$.CreationTime') DESC, id DESC LIMIT 10"
            )
            plan = " ".join(row[3] for row in database.execute(query))
            assert f"USING INDEX {'resource_approval' if clause == approved else 'resource_'}" in plan
            assert "TEMP B-TREE" not in plan


def test_who_waits_for_a_document_is_asked_when_it_changes_and_at_an_empty_commit(store: Store) -> None:
    store.create("Job", "a", {"Status": "InProgress"})
    store.create("Job", "b", {"Status": "InProgress"})
    asked: queue.Queue[str] = queue.Queue()
    done = threading.Event()

    def judge(job: dict[str, str]) -> bool:
        asked.put(job["Status"])
        return done.is_set()

    thread = threading.Thread(target=store.wait, args=("Job", "a", judge, 30))
    thread.start()
    assert asked.get(timeout=30) == "InProgress"
    store.update("Job", "b", {"Status": "Failed"})
    store.update("Job", "a", {"Status": "Stopping"})
    assert asked.get(timeout=30) == "Stopping"
    done.set()
    with store.transaction():
        pass
    thread.join(30)
    assert not thread.is_alive()
    assert asked.qsize() == 1


def test_a_file_of_schema_2_gets_lists_of_containers(tmp_path: Path) -> None:
    file = tmp_path / "sagelocal.db"
    database = sqlite3.connect(file)
    database.executescript("".join([*store_module._UPGRADES[:2], "PRAGMA user_version = 2;"]))
    container = {"Image": "i", "Source": None, "Environment": {"A": "1"}}
    plan = {"Id": "1", "Variants": [{"VariantName": "v", "Container": container}], "DataCapture": None}
    one = {"_container": container}
    for kind, document in (("Model", one), ("TransformJob", one), ("Endpoint", {"_running": plan, "_pending": None})):
        values = (kind, "name", "", kind, json.dumps(document))
        database.execute("INSERT INTO resource (kind, name, parent, arn, document) VALUES (?, ?, ?, ?, ?)", values)
    database.commit()
    database.close()
    store = Store(file)
    assert store.get("Model", "name")["_containers"] == [container]
    assert store.get("TransformJob", "name")["_containers"] == [container]
    endpoint = store.get("Endpoint", "name")
    assert endpoint["_running"]["Variants"][0]["Containers"] == [container]
    assert endpoint["_running"]["Shadows"] == []
    assert endpoint["_pending"] is None
    store.close()
