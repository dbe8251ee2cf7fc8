"""The delivery page on a running sagelocal: small pipelines, a build that fails, an approval that is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dashboard.delivery import approvals, control, reading
from mlops import lineage
from tests.dashboard.delivery.conftest import EXECUTION, PACKAGE, Delivery
from tests.dashboard.delivery.test_story import trace

Open = Callable[..., Any]  # conftest's app_test


def texts(shown: Any) -> str:
    found = (*shown.markdown, *shown.caption, *shown.text, *shown.code, *shown.error, *shown.warning, *shown.info)
    return "\n".join(str(each.value) for each in found)


def confirm(shown: Any, opener: str) -> None:
    """Confirms in the dialog that a button opened: an AppTest runs all of the page, so that is pressed again, too."""
    shown.button(key="changes-confirm").click()
    shown.button(key=opener).click().run()


@pytest.fixture(scope="session")
def waiting(delivery: Delivery) -> str:
    """An execution of mlops-deploy whose approval waits."""
    execution = delivery.start("mlops-deploy", ModelPackageArn=PACKAGE)
    delivery.waits("mlops-deploy", "Approve")
    return execution


def test_an_approval_that_waits_is_said_with_its_version_and_what_follows(app_test: Open, waiting: str) -> None:
    shown = app_test("delivery").run()
    assert not shown.exception
    said = texts(shown)
    assert "churn version 5 for Production waits for an answer" in said
    assert "version *5*: 15 tests passed" in said  # as it was written
    assert "`churn-production` is not there yet: version 5 would be its first." in said
    assert ":orange-badge[:material/person_check: Waits for you]" in said
    shown.button(key="approval-0-approve").click().run()
    follows = f"Execution {waiting[:8]} of mlops\\-deploy enters Production at once. It does: Production."
    assert follows in texts(shown)


def test_a_service_that_may_not_be_asked_takes_nothing_else_away(
    app_test: Open, waiting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(endpoint: str) -> Any:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not you"}}, "DescribeEndpoint")

    monkeypatch.setattr(reading, "serving", refused)
    said = texts(app_test("delivery").run())
    assert "AccessDenied" in said
    assert "15 tests passed" in said


def test_without_leave_nothing_can_be_answered_or_started(app_test: Open, waiting: str) -> None:
    shown = app_test("delivery", argv=("--target", "aws"), pipeline="mlops-deploy").run()
    buttons = {each.key: each.disabled for each in shown.button}
    assert {buttons[key] for key in ("start", "stop", "approval-0-approve", "approval-0-reject")} == {True}


def test_the_answer_and_its_reason_reach_the_pipeline(app_test: Open, delivery: Delivery, waiting: str) -> None:
    shown = app_test("delivery", pipeline="mlops-deploy", execution=waiting).run()
    shown.button(key="approval-0-approve").click().run()
    shown.text_input(key="approval-reason").input("seen, fine")
    confirm(shown, "approval-0-approve")
    assert not shown.error
    delivery.waits("mlops-deploy", "Production")
    assert delivery.state("mlops-deploy", "Approve")["actionStates"][0]["latestExecution"]["summary"] == "seen, fine"


def test_an_answer_of_another_meanwhile_is_one_sentence(app_test: Open, delivery: Delivery) -> None:
    app_test("delivery")  # whose account it is
    execution = delivery.start("mlops-deploy", ModelPackageArn=PACKAGE)
    token = delivery.waits("mlops-deploy", "Approve")
    waiting = reading.approvals([reading.glance("mlops-deploy")])
    (seen,) = [each for each in waiting if each.shown.identity == execution]
    delivery.answer("mlops-deploy", "Approve", "Rejected", "too slow", token)
    assert delivery.ended("mlops-deploy", execution) == "Failed"
    said = "Nothing was sent, as another has answered meanwhile. Rejected by sagelocal-execution: too slow"
    with pytest.raises(LookupError, match=said):
        approvals.answer(seen, "fine", approve=True)


@pytest.fixture(scope="session")
def failed(delivery: Delivery) -> str:
    """An execution of mlops-build whose build failed."""
    execution = delivery.start("mlops-build")
    assert delivery.ended("mlops-build", execution) == "Failed"
    return execution


@pytest.mark.namespaces
def test_a_build_that_failed_with_its_log_tests_and_coverage(app_test: Open, delivery: Delivery, failed: str) -> None:
    shown = app_test("delivery", pipeline="mlops-build", execution=failed).run()
    assert "Error while executing command" in texts(shown)
    assert shown.button(key="retry-Build").label == "Run Build again"
    build = delivery.state("mlops-build", "Build")["actionStates"][0]["latestExecution"]["externalExecutionId"]
    shown = app_test("delivery", build=build).run()
    log = shown.code[0].value
    assert "\nall is *well*\n" in log
    assert any("COMMAND\\_EXECUTION\\_ERROR" in each.value for each in shown.error)
    shown.text_input(key="log-find").input("ALL IS").run()
    assert shown.code[0].value == "all is *well*"
    shown = app_test("delivery", build=build, part="Tests").run()
    assert {each.label: each.value for each in shown.metric} == {"Passed": "1", "Failed": "1"}
    assert "assert 1 == 2" in texts(shown)
    shown = app_test("delivery", build=build, part="Coverage").run()
    assert [each.value for each in shown.metric] == ["50.0 %"]
    assert shown.dataframe[0].value["File"].tolist() == ["mine.py"]
    assert EXECUTION not in texts(shown)  # links say what they lead to


def test_changes_that_cannot_be_are_said_before_they_are_sent(app_test: Open, delivery: Delivery) -> None:
    shown = app_test("delivery", pipeline="mlops-deploy").run()
    shown.button(key="start").click().run()
    confirm(shown, "start")
    assert "mlops-deploy needs a value of ModelPackageArn." in [each.value for each in shown.error]
    with pytest.raises(ValueError, match="Say why the way into Production is closed"):
        control.closed("mlops-deploy", "Production", " ")
    with pytest.raises(ValueError, match="not ,"):
        control.closed("mlops-deploy", "Production", "a, b")


def test_starting_stopping_closing_and_opening(app_test: Open, delivery: Delivery) -> None:
    shown = app_test("delivery", pipeline="mlops-deploy")
    control.closed("mlops-deploy", "Approve", "freeze until Monday")
    control.started("mlops-deploy", {"variables": {"ModelPackageArn": PACKAGE}, "revisions": {"Source": ""}})
    shown.session_state["ways"] = True  # the expander is open
    shown.run()
    said = texts(shown)
    assert "Nothing comes in: freeze until Monday" in said
    shown.button(key="open-Approve").click().run()
    confirm(shown, "open-Approve")
    delivery.waits("mlops-deploy", "Approve")
    shown.button(key="stop").click().run()
    shown.radio(key="stop-how").set_value("is abandoned")
    confirm(shown, "stop")
    assert delivery.ended("mlops-deploy", delivery.newest("mlops-deploy")) == "Stopped"


def test_lineage_as_a_graph_and_a_list(app_test: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage, "trace", lambda target, endpoint: trace())
    shown = app_test("delivery", lineage="churn-production").run()
    assert not shown.exception
    said = texts(shown)
    assert "better \\*and\\* cheaper" in said
    assert "**churn version 5**" in said
    assert ":gray-badge[unknown]" in said  # the release, which nothing recorded


def test_lineage_of_an_endpoint_that_is_not_there(app_test: Open) -> None:
    shown = app_test("delivery", lineage="gone").run()
    assert "There is no endpoint gone in us-east-1: mlops status lists those there are." in texts(shown)
