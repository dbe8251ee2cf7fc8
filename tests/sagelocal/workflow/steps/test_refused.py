"""Step types of the SDK that cannot run here are refused before anything starts, by the step's name and type."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sagelocal.workflow.steps.conftest import Runs


def emr() -> Any:
    from sagemaker.mlops.workflow.emr_step import EMRStep, EMRStepConfig

    config = EMRStepConfig(jar="s3://bucket/app.jar", args=["x"])
    return EMRStep("Refused", display_name="d", description="d", cluster_id="j-1", step_config=config)


def emr_serverless() -> Any:
    from sagemaker.mlops.workflow.emr_serverless_step import EMRServerlessJobConfig, EMRServerlessStep

    role = "arn:aws:iam::000000000000:role/x"
    config = EMRServerlessJobConfig({"sparkSubmit": {"entryPoint": "s3://bucket/app.py"}}, role)
    return EMRServerlessStep("Refused", "d", "d", job_config=config, application_id="a")


@pytest.mark.parametrize(("make", "kind"), [(emr, "EMR"), (emr_serverless, "EMRServerless")])
def test_the_sdks_emr_steps(session: Any, runs: Runs, make: Any, kind: str) -> None:
    with pytest.raises(ClientError, match=f"Step 'Refused' is of type '{kind}', which sagelocal does not run"):
        runs.build(session, f"refused-{kind.lower()}", [make()])


@pytest.mark.parametrize("kind", ["InferenceComponent", "Job", "Athena", "HubContent"])
def test_by_their_definition(runs: Runs, kind: str) -> None:
    with pytest.raises(ClientError, match=f"Step 'Refused' is of type '{kind}', which sagelocal does not run"):
        runs.start(f"refused-{kind.lower()}", [{"Name": "Refused", "Type": kind, "Arguments": {}}])
    assert not runs.sagemaker.list_pipelines(PipelineNamePrefix=f"refused-{kind.lower()}")["PipelineSummaries"]
