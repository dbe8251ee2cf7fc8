"""A lineage's parts and edges, what is unknown among them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from dashboard.delivery import story
from dashboard.graph import layout

AT = datetime(2026, 11, 21, 20, 30, tzinfo=UTC)
PLACE = "arn:aws:sagemaker:us-east-1:000000000000"
OWN = f"{PLACE}:model-package/churn/5"
DATA = "049b5a81cdb3ca91"
ME = "arn:aws:iam::000000000000:user/me"


def package(**more: Any) -> dict[str, Any]:
    return {
        "arn": OWN,
        "group": "churn",
        "version": 5,
        "registered": AT,
        "model_data": ["s3://b/model.tar.gz"],
        "commit": "c" * 40,
        "repository": "local/mlops",
        "approval": {"status": "Approved", "by": ME, "at": AT, "why": "better *and* cheaper"},
        "execution": {
            "arn": f"{PLACE}:pipeline/churn/execution/nt9knpwb9gf7",
            "name": "commit-cccc",
            "description": None,
            "status": "Succeeded",
            "started": AT,
            "ended": AT + timedelta(seconds=22),
            "by": ME,
        },
        "data": [{"uri": f"s3://b/data/churn/{DATA}/churn.parquet", "hash": DATA}],
        "code": [{"uri": "s3://b/code/training/churn/d8ef8cabe387efc2.tar.gz", "hash": "d8ef8cabe387efc2"}],
        "images": ["image"],
        "jobs": [{"arn": f"{PLACE}:training-job/one", "started": AT, "ended": AT}],
        **more,
    }


def trace(release: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    variant = {"name": "AllTraffic", "model": "m", "model_data": [], "package": package(**more)}
    endpoint = {"name": "churn-production", "arn": f"{PLACE}:endpoint/churn-production", "status": "InService"}
    times = {"config": "c", "created": AT, "modified": AT}
    return {"endpoint": {**endpoint, **times}, "release": release, "variants": [variant]}


def released(*approvals: dict[str, Any]) -> dict[str, Any]:
    return {
        "at": AT + timedelta(minutes=5),
        "by": ME,
        "commit": "c" * 40,
        "repository": "local/mlops",
        "pipeline": "mlops-deploy",
        "execution": "a1c8e2e0-30e4-4c6d-b3a1-3a49b9797f68",
        "build": "mlops-deploy-production:fa442410",
        "approvals": list(approvals),
        "releases": 1,
    }


def answered(stage: str, status: str, minutes: int) -> dict[str, Any]:
    return {"stage": stage, "status": status, "by": ME, "at": AT + timedelta(minutes=minutes), "why": "fine"}


def facts(part: story.Part) -> dict[str, str]:
    return dict(part.facts)


def test_from_commit_and_data_to_the_endpoint() -> None:
    later = answered("Later", "Succeeded", 9)
    parts = story.parts(trace(released(answered("Approve", "Succeeded", 4), later, answered("Last", "InProgress", 4))))
    titles = {part.key: part.title for part in parts}
    assert list(titles.values()) == [
        "Commit cccccccc",
        "Data",
        "Code",
        "churn nt9knpwb9gf7",
        "churn version 5",
        "Model approval",
        "Approve",
        "Release",
        "churn-production",
    ]
    ways = [(titles[one], titles[other]) for one, other in story.edges(parts)]
    assert ways[:3] == [(each, "churn nt9knpwb9gf7") for each in ("Commit cccccccc", "Data", "Code")]
    assert ways[3:] == list(zip(list(titles.values())[3:], list(titles.values())[4:], strict=False))
    assert all(part.known for part in parts)
    placed = layout.place([part.key for part in parts], story.edges(parts))
    assert len(placed.nodes) == len(parts)


def test_facts_and_links_to_the_other_pages() -> None:
    by_title = {part.title: part for part in story.parts(trace(released()))}
    assert facts(by_title["Data"]) == {"churn.parquet": DATA}
    assert facts(by_title["Code"]) == {"training/churn": "d8ef8cabe387efc2"}
    assert facts(by_title["Model approval"])["Reason"] == "better *and* cheaper"
    links = {link.address: link.query for part in by_title.values() for link in part.links}
    assert links["pipelines"] == {"pipeline": "churn", "execution": "nt9knpwb9gf7"}
    assert links["registry"] == {"group": "churn", "version": "5"}
    assert links["delivery"] == {"build": "mlops-deploy-production:fa442410"}
    assert links["endpoints"] == {"endpoint": "churn-production"}


def test_what_nothing_tells_is_said_as_unknown() -> None:
    waiting = {"status": "PendingManualApproval", "by": None, "at": None, "why": None}
    bare = trace(None, commit=None, data=[], code=[], execution=None, approval=waiting)
    parts = {part.title: part for part in story.parts(bare)}
    assert [title for title, part in parts.items() if not part.known] == ["Commit", "Data", "Code", "Release"]
    assert "unknown" in facts(parts["Commit"])["Commit"]
    assert "by hand" in facts(parts["churn version 5"])["Made by"]
    assert parts["Model approval"].facts == ()


def test_a_package_or_an_execution_that_may_not_be_read() -> None:
    found = trace()
    found["variants"][0]["package"] = {"arn": OWN, "unreadable": "This account may not describe it, or it is gone."}
    parts = {part.key: part for part in story.parts(found)}
    assert not parts[OWN].known
    gone = {"arn": f"{PLACE}:pipeline/churn/execution/gone", "unreadable": "gone"}
    parts = {part.key: part for part in story.parts(trace(execution=gone))}
    assert facts(parts[f"execution {gone['arn']}"]) == {"Execution": "gone"}


def test_variants_of_one_version_share_it_and_a_model_without_a_version_stands_alone() -> None:
    found = trace()
    found["variants"] += [
        {**found["variants"][0], "name": "B"},
        {"name": "C", "model": "own", "model_data": ["s3://b/m.tar.gz"], "package": None},
    ]
    parts = story.parts(found)
    assert [dict(part.facts)["Variant"] for part in parts if part.title == "churn version 5"] == ["AllTraffic, B"]
    assert next(part for part in parts if part.title == "own").brief == "no model package"
    assert ("model own", "release") in story.edges(parts)
