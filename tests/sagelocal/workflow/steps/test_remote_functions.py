"""`@step` and `@remote`: the SDK's own bootstrap runs a function in a training job, unmodified."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from sagelocal.config import Settings
from tests.sagelocal.workflow import conftest
from tests.sagelocal.workflow.steps.conftest import Runs

pytestmark = [pytest.mark.namespaces, pytest.mark.slow]  # the SDK looks for the end of a job every 10 s
IMAGE = "885854791233.dkr.ecr.us-east-1.amazonaws.com/sagemaker-distribution-prod:3.2.0-cpu"


def test_delayed_returns_parameters_and_a_condition_on_a_result(session: Any, runs: Runs, laptop: Settings) -> None:
    from sagemaker.core.workflow.conditions import ConditionGreaterThan
    from sagemaker.core.workflow.parameters import ParameterInteger
    from sagemaker.mlops.workflow.condition_step import ConditionStep
    from sagemaker.mlops.workflow.fail_step import FailStep
    from sagemaker.mlops.workflow.function_step import step

    where = {"instance_type": "ml.m5.large", "image_uri": IMAGE, "role": laptop.role_arn}

    @step(name="Split", **where)
    def split(rows: int) -> tuple[list[int], dict[str, Any]]:
        return list(range(rows)), {"rows": rows, "mean": (rows - 1) / 2}

    @step(name="Total", **where)
    def total(values: list[int], facts: dict[str, Any]) -> dict[str, float]:
        return {"sum": sum(values), "mean": facts["mean"]}

    rows = ParameterInteger("Rows", 5)
    parts = split(rows)
    report = total(parts[0], parts[1])
    told = FailStep("Told", error_message=report["sum"])
    gate = ConditionStep("Gate", conditions=[ConditionGreaterThan(report["sum"], 9)], if_steps=[told])
    arn = runs.build(session, "function-steps", [gate], parameters=[rows])
    runs.ended(arn)
    assert runs.reasons(arn) == {"Told": "10"}


def test_a_remote_function_returns_its_value_and_raises_its_exception(session: Any, laptop: Settings) -> None:
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.remote_function import remote

    plain = Session(boto_session=session.boto_session, default_bucket=laptop.bucket)
    where: dict[str, Any] = {
        "instance_type": "ml.m5.large", "image_uri": IMAGE, "role": laptop.role_arn, "sagemaker_session": plain,
    }  # fmt: skip

    @remote(**where)
    def divide(a: float, b: float) -> float:
        return a / b

    assert divide(6, 4) == 1.5
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        divide(1, 0)


def test_an_image_without_the_sdk_needs_it_among_the_dependencies(
    session: Any, runs: Runs, laptop: Settings, tmp_path: Path
) -> None:
    from sagemaker.mlops.workflow.function_step import step

    where: dict[str, Any] = {"instance_type": "ml.m5.large", "image_uri": conftest.IMAGE, "role": laptop.role_arn}
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"sagemaker=={metadata.version('sagemaker')}\n")

    @step(name="Without", **where)
    def without() -> int:
        return 1

    @step(name="With", dependencies=str(requirements), **where)
    def with_it() -> int:
        return 2

    runs_without = runs.build(session, "function-without", [without()])
    runs_with = runs.build(session, "function-with", [with_it()])
    assert runs.ended(runs_without)["PipelineExecutionStatus"] == "Failed"
    assert "No module named 'sagemaker" in runs.reasons(runs_without)["Without"]
    assert runs.ended(runs_with)["PipelineExecutionStatus"] == "Succeeded", runs.reasons(runs_with)


def test_a_caller_of_another_python_gets_the_bootstraps_own_sentence(
    session: Any, runs: Runs, laptop: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a Python 3.10 sends, with the SDK's default image: the Python in the job is this laptop's."""
    from sagemaker.core.image_uris import get_base_python_image_uri
    from sagemaker.core.remote_function.runtime_environment.runtime_environment_manager import RuntimeEnvironmentManager
    from sagemaker.mlops.workflow.function_step import step

    image = get_base_python_image_uri(laptop.region, "310")
    monkeypatch.setattr(RuntimeEnvironmentManager, "_current_python_version", lambda self: "3.10")

    @step(name="Fn", instance_type="ml.m5.large", image_uri=image, role=laptop.role_arn)
    def one() -> int:
        return 1

    arn = runs.build(session, "function-python", [one()])
    assert runs.ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert "does not match python version '3.10' on the local client" in runs.reasons(arn)["Fn"]
