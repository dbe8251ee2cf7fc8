"""The pages of pipelines on a sagelocal: the overview, the form, and what can be done with an execution."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from mlops.use_cases import find_all
from sagelocal.config import Settings
from tests.dashboard.executions.tiny import NAME, Tiny


@pytest.fixture(scope="session")
def tiny(laptop: Settings) -> Tiny:
    """With an execution that was answered too low and ended, and one that waits."""
    made = Tiny(laptop)
    first = made.start()
    made.answer(first, 0.1)
    made.ended(first)
    made.start(Rounds="5")
    return made


@pytest.fixture
def show(app_test: Callable[..., Any], tiny: Tiny) -> Callable[..., Any]:
    def run(*argv: str, **query: str) -> Any:
        shown = app_test("pipelines", argv=argv or ("--target", "laptop"), **query).run()
        assert [each.value for each in shown.exception] == []
        return shown

    return run


def press(shown: Any, key: str, opener: str) -> None:
    """A button in the dialog that another one opened, which is pressed again: an AppTest runs all of the page."""
    shown.button(key=key).click()
    shown.button(key=opener).click().run()


def links(shown: Any) -> list[str]:
    """Label and query of every link."""
    return [f"{each.proto.label}?{each.proto.query_string}" for each in shown.get("page_link")]


def text(shown: Any) -> str:
    return "\n".join(each.value for each in (*shown.markdown, *shown.caption))


def test_the_overview_tells_what_runs_and_leads_to_it(show: Callable[..., Any], tiny: Tiny) -> None:
    shown = show()
    newest = tiny.newest()["PipelineExecutionArn"].rsplit("/", 1)[1]
    (run,) = [each for each in links(shown) if newest in each]
    assert "Executing" in run
    assert run.endswith(f"pipeline={NAME}&execution={newest}")
    assert "0 steps done, Ask running" in text(shown)
    assert any(each.endswith(f"pipeline={NAME}&start=new") for each in links(shown))
    never = [case.name for case in find_all() if case.name != NAME]
    assert [each.value for each in shown.code] == [f"mlops run {each}" for each in never]


def test_pipelines_that_are_no_use_case_are_folded_away(show: Callable[..., Any], laptop: Settings) -> None:
    sagemaker = laptop.client("sagemaker")
    definition = (
        '{"Version": "2020-12-01", "Steps": [{"Name": "No", "Type": "Fail", "Arguments": {"ErrorMessage": "no"}}]}'
    )
    for name in ("theirs", "yours"):
        sagemaker.create_pipeline(PipelineName=name, PipelineDefinition=definition, RoleArn=laptop.role_arn)
    assert show().dataframe == []
    shown = show(others="true")
    assert list(shown.dataframe[0].value["pipeline"])[:2] == ["yours", "theirs"]
    shown.text_input(key="begins").input("the").run()
    assert list(shown.dataframe[0].value["pipeline"]) == ["theirs"]


def test_the_form_has_a_widget_for_each_type(show: Callable[..., Any]) -> None:
    shown = show(pipeline=NAME, start="new")
    assert shown.selectbox[0].options == ["fast", "slow"]
    assert [each.label for each in shown.number_input] == ["Floor", "Rounds"]
    assert (shown.toggle[0].label, shown.toggle[0].value) == ("Check", True)
    assert shown.text_input[0].label == "InstanceType"


def test_bad_input_is_said_beside_its_field_and_cannot_be_sent(show: Callable[..., Any]) -> None:
    shown = show(pipeline=NAME, start="new")
    shown.text_input[0].input("m5.large").run()
    assert "An instance type of SageMaker is needed" in text(shown)
    assert shown.button(key="start").disabled
    shown.text_input[0].input("ml.m5.large").run()
    shown.text_input[1].input("no spaces").run()
    assert "Letters, digits and hyphens" in text(shown)
    assert shown.button(key="start").disabled


def test_a_start_names_what_differs_and_leads_to_the_execution(show: Callable[..., Any], tiny: Tiny) -> None:
    before = tiny.newest()["PipelineExecutionArn"]
    shown = show(pipeline=NAME, start=before.rsplit("/", 1)[1])  # with that one's values
    assert shown.number_input[1].value == 5
    shown.number_input[0].set_value(0.7).run()
    shown.text_input[1].input("higher-floor").run()
    shown.button(key="start").click().run()
    said = text(shown)
    assert "- Floor is 0\\.7, by default 0\\.601" in said
    assert "- Rounds is 5, by default 3" in said
    assert "Mode is" not in said
    press(shown, "changes-confirm", "start")
    started = tiny.newest()
    assert started["PipelineExecutionArn"] != before
    assert started["PipelineExecutionDisplayName"] == "higher-floor"
    assert dict(shown.query_params) == {
        "pipeline": NAME,
        "execution": started["PipelineExecutionArn"].rsplit("/", 1)[1],
    }
    tiny.sagemaker.stop_pipeline_execution(PipelineExecutionArn=started["PipelineExecutionArn"])


def test_a_stop_is_confirmed_by_name_and_a_retry_goes_on_from_there(show: Callable[..., Any], tiny: Tiny) -> None:
    arn = tiny.start()
    execution = arn.rsplit("/", 1)[1]
    shown = show(pipeline=NAME, execution=execution)
    shown.button(key="stop").click().run()
    assert shown.button(key="changes-confirm").label == f"Stop {execution}"
    assert "What runs is stopped, jobs included: **Ask**" in text(shown)
    assert tiny.status(arn) == "Executing"
    press(shown, "changes-confirm", "stop")
    assert tiny.status(arn) == "Stopping"
    tiny.answer(execution, 0.9)  # a question that was asked has to be answered, also of an execution that stops
    assert tiny.ended(arn) == "Stopped"
    shown = show(pipeline=NAME, execution=execution)
    shown.button(key="retry").click().run()
    assert "These succeeded and don't run again: **Ask**." in text(shown)
    press(shown, "changes-confirm", "retry")
    tiny.answer(execution, 0.9)
    assert tiny.ended(arn) == "Succeeded"


def test_how_many_steps_run_at_a_time_is_changed_while_it_runs(show: Callable[..., Any], tiny: Tiny) -> None:
    arn = tiny.start()
    shown = show(pipeline=NAME, execution=arn.rsplit("/", 1)[1])
    shown.button(key="parallel").click().run()
    shown.number_input[0].set_value(2)
    press(shown, "changes-confirm", "parallel")
    described = tiny.sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
    assert described["ParallelismConfiguration"] == {"MaxParallelExecutionSteps": 2}


def test_an_execution_that_a_fail_step_ended_is_not_retried(show: Callable[..., Any], tiny: Tiny) -> None:
    shown = show(pipeline=NAME, execution=tiny.oldest())
    assert shown.button(key="retry").disabled
    assert "TooLow ended it" in shown.button(key="retry").help


def test_steps_that_the_rules_forbid_are_refused_in_words(show: Callable[..., Any], tiny: Tiny) -> None:
    shown = show(pipeline=NAME, execution=tiny.oldest())
    shown.button(key="rerun").click().run()
    shown.multiselect[0].set_value(["Ask", "Announce"])
    shown.button(key="rerun").click().run()
    assert "Gate lies between chosen steps: choose it, too" in text(shown).replace("\\", "")
    newest = tiny.newest()
    press(shown, "changes-confirm", "rerun")
    assert "Gate lies between chosen steps" in shown.error[-1].value
    assert tiny.newest()["PipelineExecutionArn"] == newest["PipelineExecutionArn"]
    shown.multiselect[0].set_value(["Gate", "TooLow"])
    press(shown, "changes-confirm", "rerun")
    started = tiny.newest()
    assert [each["StepName"] for each in started["SelectiveExecutionConfig"]["SelectedSteps"]] == ["Gate", "TooLow"]


def test_nothing_can_be_changed_on_aws_without_leave(show: Callable[..., Any], tiny: Tiny) -> None:
    aws = ("--target", "aws")
    shown = show(*aws, pipeline=NAME, execution=tiny.oldest())
    assert shown.button(key="rerun").disabled
    assert "--allow-changes" in shown.button(key="rerun").help
    assert show(*aws, pipeline=NAME, start="new").button(key="start").disabled


def test_a_pipeline_that_is_not_there_says_what_to_run(show: Callable[..., Any]) -> None:
    assert [each.value for each in show(pipeline="census").code] == ["mlops run census"]


def test_executions_of_a_status(show: Callable[..., Any], tiny: Tiny) -> None:
    shown = show(pipeline=NAME, execution=tiny.oldest(), status="Failed")
    listed = shown.dataframe[-1].value
    assert tiny.oldest() in list(listed["execution"])
    assert {tuple(each) for each in listed["status"]} == {("Failed",)}


def test_a_run_is_started_from_the_form_and_seen_to_finish(
    page: Any, address: str, tiny: Tiny, shoot: Callable[..., Any]
) -> None:
    page.goto(f"{address}/pipelines")
    page.get_by_test_id("stMain").get_by_role("link", name="Start").click()
    page.get_by_role("spinbutton", name="Rounds").fill("7")
    page.get_by_role("textbox", name="Display name").fill("seven-rounds")
    page.get_by_text("Default: 3").wait_for()
    page.get_by_role("button", name=f"Start {NAME}").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Rounds is 7, by default 3").wait_for()
    shoot(page, "start", full=False)
    dialog.get_by_role("button", name=f"Start {NAME}").click()
    page.wait_for_url(re.compile(r"pipelines\?pipeline=churn&execution=\w{12}$"))
    stands = page.get_by_text(re.compile(r"seven-rounds\) · started"))
    stands.filter(has_text="Executing").wait_for()
    execution = page.url.rsplit("=", 1)[1]
    for _ in ("Ask", "Announce"):
        tiny.answer(execution, 0.9)
    stands.filter(has_text="Succeeded").wait_for()  # by itself: nobody reloads
    page.get_by_role("button", name="Run steps anew").wait_for()
    assert " · Succeeded · " in page.get_by_role("combobox", name="Execution").input_value()
    shoot(page, "finished")
