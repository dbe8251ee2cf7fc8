"""What executions and jobs record of themselves, without servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagelocal.api.errors import AwsError
from sagelocal.experiments import components, metrics
from tests.sagelocal.workflow.conftest import IMAGE, Laptop, processing, training

Document = dict[str, Any]
DEFAULT = {
    "ExperimentName": {"Get": "Execution.PipelineName"},
    "TrialName": {"Get": "Execution.PipelineExecutionId"},
}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Laptop]:
    laptop = Laptop(tmp_path)
    yield laptop
    laptop.workflow.close()
    laptop.store.close()


def of_trial(app: Laptop, trial: str) -> dict[str, Document]:
    """Descriptions of a trial's components by the end of their names."""
    listed = app.call("ListTrialComponents", {"TrialName": trial})["TrialComponentSummaries"]
    found = [app.call("DescribeTrialComponent", {"TrialComponentName": one["TrialComponentName"]}) for one in listed]
    return {one["TrialComponentName"].split("-", 2)[2].rsplit("-", 4)[0]: one for one in found}


def test_an_execution_makes_its_experiment_trial_and_components(app: Laptop) -> None:
    data = [{"ChannelName": "train", "ContentType": "text/csv", "DataSource": {"S3DataSource": {
        "S3DataType": "S3Prefix", "S3Uri": "s3://bucket/train"}}}]  # fmt: skip
    steps = [
        processing("Prepare"),
        training("Train", {"eta": "0.1", "loss": "log"}, arguments={"InputDataConfig": data}),
    ]
    app.jobs.outcomes["Train"] = {"_metrics": {}, "TrainingStartTime": 3.0, "TrainingEndTime": 4.0}
    app.pipeline(steps, name="Shop", PipelineExperimentConfig=DEFAULT)
    arn = app.run("Shop")["PipelineExecutionArn"]
    trial = app.call("DescribeTrial", {"TrialName": arn.rsplit("/", 1)[1]})
    assert (trial["ExperimentName"], trial["Source"]["SourceArn"]) == ("shop", arn)  # AWS writes it in lower case
    found = of_trial(app, trial["TrialName"])
    assert set(found) == {"prepare", "train"}
    job = app.jobs.started[[name.split("-")[2] for name in app.jobs.started].index("Train")]
    train = found["train"]
    assert train["TrialComponentName"] == f"{job}-aws-training-job".lower()
    assert train["Source"] == {
        "SourceArn": app.call("DescribeTrainingJob", {"TrainingJobName": job})["TrainingJobArn"],
        "SourceType": "SageMakerTrainingJob",
    }
    assert train["Parameters"] == {
        "SageMaker.InstanceCount": {"NumberValue": 1.0},
        "SageMaker.InstanceType": {"StringValue": "ml.m5.large"},
        "SageMaker.VolumeSizeInGB": {"NumberValue": 5.0},
        "SageMaker.ImageUri": {"StringValue": IMAGE},
        "eta": {"NumberValue": 0.1},
        "loss": {"StringValue": "log"},
    }
    assert train["InputArtifacts"] == {"train": {"MediaType": "text/csv", "Value": "s3://bucket/train"}}
    assert train["OutputArtifacts"] == {"SageMaker.ModelArtifact": {"Value": f"s3://bucket/{job}/model.tar.gz"}}
    assert (train["Status"]["PrimaryStatus"], train["StartTime"], train["EndTime"]) == ("Completed", 3.0, 4.0)
    listed = app.call("ListTrialComponents", {"SourceArn": train["Source"]["SourceArn"].lower()})  # as the SDK asks
    assert len(listed["TrialComponentSummaries"]) == 1
    assert app.call("ListTags", {"ResourceArn": train["Source"]["SourceArn"]})["Tags"] == [
        {"Key": "sagemaker:pipeline-execution-arn", "Value": arn}
    ]
    config = app.call("DescribeTrainingJob", {"TrainingJobName": job})["ExperimentConfig"]
    assert config == {"ExperimentName": "shop", "TrialName": trial["TrialName"]}


def test_null_disables(app: Laptop) -> None:
    app.pipeline([processing("Prepare")], PipelineExperimentConfig=None)
    assert app.run()["PipelineExecutionStatus"] == "Succeeded"
    assert app.call("ListExperiments", {})["ExperimentSummaries"] == []
    # The component of the job is there all the same, in no trial.
    (component,) = app.call("ListTrialComponents", {})["TrialComponentSummaries"]
    assert app.call("ListTrials", {"TrialComponentName": component["TrialComponentName"]})["TrialSummaries"] == []


def test_executions_of_one_trial_name_share_it(app: Laptop) -> None:
    config = {"ExperimentName": "Mine", "TrialName": {"Get": "Parameters.Trial"}}
    declared = [{"Name": "Trial", "Type": "String", "DefaultValue": "all"}]
    app.pipeline([processing("Prepare")], PipelineExperimentConfig=config, Parameters=declared)
    app.run()
    app.run()
    assert len(app.call("ListTrialComponents", {"TrialName": "all"})["TrialComponentSummaries"]) == 2
    assert len(app.call("ListTrialComponents", {"ExperimentName": "mine"})["TrialComponentSummaries"]) == 2
    with pytest.raises(AwsError, match="failed to satisfy constraint"):
        app.begin(PipelineParameters=[{"Name": "Trial", "Value": "not a name"}])
    assert len(app.store.list("PipelineExecution")) == 2


def test_a_failed_job_says_why(app: Laptop) -> None:
    app.jobs.outcomes["Prepare"] = {"ProcessingJobStatus": "Failed", "FailureReason": "AlgorithmError: no"}
    app.pipeline([processing("Prepare")], PipelineExperimentConfig=DEFAULT)
    arn = app.run()["PipelineExecutionArn"]
    (component,) = of_trial(app, arn.rsplit("/", 1)[1]).values()
    assert component["Status"]["PrimaryStatus"] == "Failed"
    assert component["Status"]["Message"].endswith("failure reason: AlgorithmError: no")
    assert component["OutputArtifacts"] == {}


def job(name: str, **more: Any) -> Document:
    request = training("x", {}, arguments=more)["Arguments"]
    return {"TrainingJobName": f"a-b-{name}", **request}


def test_a_jobs_own_experiment_config(app: Laptop) -> None:
    with pytest.raises(AwsError, match="ResourceNotFound: Experiment '.*:experiment/none' does not exist"):
        app.call("CreateTrainingJob", job("one", ExperimentConfig={"ExperimentName": "none"}))
    assert app.store.list("TrainingJob") == []
    app.call("CreateExperiment", {"ExperimentName": "mine"})
    config = {"ExperimentName": "mine", "TrialComponentDisplayName": "Shown"}
    app.call("CreateTrainingJob", job("one", ExperimentConfig=config))
    assert app.call("DescribeTrainingJob", {"TrainingJobName": "a-b-one"})["ExperimentConfig"] == config
    (trial,) = app.call("ListTrials", {"ExperimentName": "mine"})["TrialSummaries"]
    (component,) = app.call("ListTrialComponents", {"TrialName": trial["TrialName"]})["TrialComponentSummaries"]
    assert component["DisplayName"] == "Shown"


def test_a_job_within_a_run_becomes_one_of_its_sources(app: Laptop) -> None:
    app.call("CreateExperiment", {"ExperimentName": "mine"})
    app.call("CreateTrial", {"TrialName": "t", "ExperimentName": "mine"})
    app.call("CreateTrialComponent", {"TrialComponentName": "mine-run"})
    config = {"ExperimentName": "mine", "TrialName": "t", "RunName": "mine-run"}
    app.call("CreateTrainingJob", job("one", ExperimentConfig=config))
    run = app.call("DescribeTrialComponent", {"TrialComponentName": "mine-run"})
    assert [source["SourceType"] for source in run["Sources"]] == ["SageMakerTrainingJob"]
    with pytest.raises(AwsError, match="does not exist"):
        app.call("CreateTrainingJob", job("two", ExperimentConfig=config | {"RunName": "other"}))


def test_a_deleted_component_does_not_keep_its_job_from_ending(app: Laptop) -> None:
    app.jobs.held.add("one")
    app.call("CreateTrainingJob", job("one"))
    app.call("DeleteTrialComponent", {"TrialComponentName": "a-b-one-aws-training-job"})
    app.jobs.finish("TrainingJob", "a-b-one")
    assert app.call("ListTrialComponents", {})["TrialComponentSummaries"] == []
    app.call("DeleteTrainingJob", {"TrainingJobName": "a-b-one"})
    app.call("CreateTrainingJob", job("one"))  # the name is free again, and so is the component's


def test_what_the_job_wrote_itself_stays(app: Laptop) -> None:
    app.jobs.held.add("one")
    app.call("CreateTrainingJob", job("one"))
    own = {"SageMaker.ModelArtifact": {"Value": "elsewhere"}}
    app.call("UpdateTrialComponent", {"TrialComponentName": "a-b-one-aws-training-job", "OutputArtifacts": own})
    app.jobs.finish("TrainingJob", "a-b-one")
    found = app.call("DescribeTrialComponent", {"TrialComponentName": "a-b-one-aws-training-job"})
    assert found["OutputArtifacts"] == own


def test_a_job_by_the_name_of_a_deleted_one_begins_anew(app: Laptop) -> None:
    app.jobs.held.add("one")
    app.call("CreateExperiment", {"ExperimentName": "mine"})
    for trial, loss in (("first", 1.0), ("second", 2.0)):
        app.call("CreateTrial", {"TrialName": trial, "ExperimentName": "mine"})
        config = {"ExperimentName": "mine", "TrialName": trial}
        arn = app.call("CreateTrainingJob", job("one", ExperimentConfig=config))["TrainingJobArn"]
        component = app.call("ListTrialComponents", {"SourceArn": arn})["TrialComponentSummaries"][0]
        described = app.call("DescribeTrialComponent", {"TrialComponentName": component["TrialComponentName"]})
        assert described.get("OutputArtifacts", {}) == {}
        assert described["Metrics"] == []
        totals: Document = {}
        metrics.count(totals, "loss", loss, 0.0)
        ended = {"TrainingJobStatus": "Completed", "_metrics": totals}
        app.store.update("TrainingJob", "a-b-one", ended | {"ModelArtifacts": {"S3ModelArtifacts": "s3://bucket/m"}})
        described = app.call("DescribeTrialComponent", {"TrialComponentName": component["TrialComponentName"]})
        assert described["OutputArtifacts"]
        assert [metric["Last"] for metric in described["Metrics"]] == [loss]
        app.call("DeleteTrainingJob", {"TrainingJobName": "a-b-one"})
    for trial in ("first", "second"):
        assert len(app.call("ListTrialComponents", {"TrialName": trial})["TrialComponentSummaries"]) == 1
    found = app.call("ListTrials", {"TrialComponentName": component["TrialComponentName"]})["TrialSummaries"]
    assert {one["TrialName"] for one in found} == {"first", "second"}


def test_a_transform_jobs_component() -> None:
    job: Document = {
        "TransformJobName": "Score-1",
        "TransformJobArn": "arn:aws:sagemaker:us-east-1:000000000000:transform-job/score-1",
        "TransformJobStatus": "Completed",
        "ModelName": "m",
        "TransformInput": {"DataSource": {"S3DataSource": {"S3Uri": "s3://b/in"}}, "ContentType": "text/csv"},
        "TransformOutput": {"S3OutputPath": "s3://b/out"},
        "TransformResources": {"InstanceCount": 2, "InstanceType": "ml.m5.large"},
        "_containers": [{"Image": IMAGE, "Source": {"S3Uri": "s3://b/model.tar.gz"}}],
    }
    assert components.name_of("TransformJob", job) == "score-1-aws-transform-job"
    assert components.parameters("TransformJob", job)["SageMaker.ModelPrimary.DataUrl"] == {
        "StringValue": "s3://b/model.tar.gz"
    }
    assert components.inputs("TransformJob", job) == {
        "SageMaker.TransformInput": {"Value": "s3://b/in", "MediaType": "text/csv"}
    }
    assert components.outputs("TransformJob", job) == {"SageMaker.TransformOutput": {"Value": "s3://b/out"}}
    assert components.status("TransformJob", job)["Status"]["Message"] == "Status: Completed, failure reason: null"


def test_pipeline_metrics(app: Laptop) -> None:
    app.jobs.outcomes["Bad"] = {"ProcessingJobStatus": "Failed"}
    app.pipeline([processing("Good"), processing("Bad")], name="Shop")
    app.run("Shop")

    def told(step: str | None) -> set[str]:
        wanted = [{"Name": "PipelineName", "Value": "Shop"}, *([{"Name": "StepName", "Value": step}] if step else [])]
        return {one["MetricName"] for space, one in app.metrics.told if one["Dimensions"] == wanted}

    assert {space for space, _ in app.metrics.told} == {"AWS/Sagemaker/ModelBuildingPipeline"}
    assert told("Good") == {"StepStarted", "StepSucceeded", "StepDuration"}
    assert told("Bad") == {"StepStarted", "StepFailed", "StepDuration"}
    assert told(None) == {"ExecutionStarted", "ExecutionFailed", "ExecutionDuration"}
    assert {one["MetricName"] for _, one in app.metrics.told if not one["Dimensions"]} == told(None)


def test_mlflow_is_refused_by_name_and_null_is_none(app: Laptop) -> None:
    app.pipeline([processing("Prepare")], MlflowConfig=None)
    with pytest.raises(AwsError, match="MlflowConfig is not implemented"):
        app.pipeline([processing("Prepare")], name="q", MlflowConfig={"MlflowResourceArn": "arn:aws:x"})
    arn = "arn:aws:sagemaker:us-east-1:000000000000:mlflow-app/app-1"
    with pytest.raises(AwsError, match="MlflowConfig is not implemented"):
        app.call("CreateTrainingJob", job("one", MlflowConfig={"MlflowResourceArn": arn}))
