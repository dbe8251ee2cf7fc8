"""Lineage entities, associations, queries and what is recorded of itself, without servers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagelocal.api.errors import AwsError
from tests.sagelocal.workflow.conftest import Laptop, deploying, processing

Document = dict[str, Any]
PREFIX = "arn:aws:sagemaker:us-east-1:000000000000:"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Laptop]:
    laptop = Laptop(tmp_path)
    yield laptop
    laptop.workflow.close()
    laptop.store.close()


def artifact(app: Laptop, uri: str, kind: str = "DataSet", **more: Any) -> str:
    request = {"Source": {"SourceUri": uri}, "ArtifactType": kind, **more}
    return str(app.call("CreateArtifact", request)["ArtifactArn"])


def associate(app: Laptop, *path: str) -> None:
    for source, destination in itertools.pairwise(path):
        app.call("AddAssociation", {"SourceArn": source, "DestinationArn": destination, "AssociationType": "Produced"})


def refused(app: Laptop, operation: str, **request: Any) -> str:
    with pytest.raises(AwsError) as raised:
        app.call(operation, request)
    return str(raised.value)


def test_there_is_one_artifact_of_a_source(app: Laptop) -> None:
    arn = artifact(app, "s3://b/data", Properties={"rows": "5"}, ArtifactName="Data")
    said = refused(app, "CreateArtifact", Source={"SourceUri": "s3://b/data"}, ArtifactType="Other")
    assert said.startswith("ValidationException")
    assert "already exists" in said
    tag = {"SourceUri": "s3://b/data", "SourceTypes": [{"SourceIdType": "S3ETag", "Value": "1"}]}
    other = app.call("CreateArtifact", {"Source": tag, "ArtifactType": "DataSet"})["ArtifactArn"]
    listed = app.call("ListArtifacts", {"SourceUri": "s3://b/data"})["ArtifactSummaries"]
    assert {one["ArtifactArn"] for one in listed} == {arn, other}
    app.call("UpdateArtifact", {"ArtifactArn": arn, "Properties": {"columns": "3"}, "PropertiesToRemove": ["rows"]})
    found = app.call("DescribeArtifact", {"ArtifactArn": arn})
    assert (found["ArtifactName"], found["Properties"]) == ("Data", {"columns": "3"})
    app.call("DeleteArtifact", {"Source": tag})
    assert "does not exist" in refused(app, "DescribeArtifact", ArtifactArn=other)


@pytest.mark.parametrize("kind", ["Action", "Context"])
def test_actions_and_contexts(app: Laptop, kind: str) -> None:
    source = {"SourceUri": "arn:aws:x", "SourceType": "ARN"}
    made = app.call(f"Create{kind}", {f"{kind}Name": "Mine", "Source": source, f"{kind}Type": "Deed"})
    assert made[f"{kind}Arn"] == f"{PREFIX}{kind.lower()}/mine"
    assert "already exists" in refused(app, f"Create{kind}", **{f"{kind}Name": "mine", "Source": source,
                                                                f"{kind}Type": "Deed"})  # fmt: skip
    app.call(f"Update{kind}", {f"{kind}Name": "Mine", "Description": "said"})
    assert app.call(f"Describe{kind}", {f"{kind}Name": made[f"{kind}Arn"]})["Description"] == "said"
    for request, count in (
        ({"SourceUri": "arn:aws:x"}, 1),
        ({"SourceUri": "arn:aws:y"}, 0),
        ({f"{kind}Type": "No"}, 0),
    ):
        assert len(app.call(f"List{kind}s", request)[f"{kind}Summaries"]) == count
    app.call(f"Delete{kind}", {f"{kind}Name": "Mine"})
    assert refused(app, f"Describe{kind}", **{f"{kind}Name": "Mine"}).startswith("ResourceNotFound")


def test_associations(app: Laptop) -> None:
    data, model = artifact(app, "s3://b/data"), artifact(app, "s3://b/model", "Model")
    associate(app, data, model)
    assert "already exists" in refused(app, "AddAssociation", SourceArn=data, DestinationArn=model)
    assert refused(app, "AddAssociation", SourceArn=data, DestinationArn=data + "0").startswith("ResourceNotFound")
    for request, count in (
        ({"SourceArn": data}, 1),
        ({"DestinationArn": model}, 1),
        ({"SourceArn": model}, 0),
        ({"SourceArn": data, "DestinationArn": model}, 1),
        ({"DestinationArn": model, "SourceType": "DataSet"}, 1),
        ({"SourceArn": data, "DestinationType": "Artifact"}, 1),
        ({"SourceArn": data, "DestinationType": "DataSet"}, 0),
        ({"AssociationType": "SameAs"}, 0),
    ):
        assert len(app.call("ListAssociations", request)["AssociationSummaries"]) == count, request
    assert "still has 1 associations" in refused(app, "DeleteArtifact", ArtifactArn=data)
    app.call("DeleteAssociation", {"SourceArn": data, "DestinationArn": model})
    assert app.call("ListAssociations", {"DestinationArn": model})["AssociationSummaries"] == []
    assert "no association" in refused(app, "DeleteAssociation", SourceArn=data, DestinationArn=model)
    app.call("CreateExperiment", {"ExperimentName": "e"})
    app.call("CreateTrialComponent", {"TrialComponentName": "c"})
    experiment, component = f"{PREFIX}experiment/e", f"{PREFIX}experiment-trial-component/c"
    assert "Two experiment" in refused(app, "AddAssociation", SourceArn=experiment, DestinationArn=component)


def query(app: Laptop, start: str, direction: str, **more: Any) -> list[str]:
    answer = app.call("QueryLineage", {"StartArns": [start], "Direction": direction, **more})
    return [vertex["Arn"] for vertex in answer["Vertices"]]


def test_queries_follow_the_direction_the_depth_and_the_filters(app: Laptop) -> None:
    raw, clean, other = (artifact(app, f"s3://b/{name}") for name in ("raw", "clean", "other"))
    model = artifact(app, "s3://b/model", "Model", Properties={"team": "x"})
    associate(app, raw, clean, model)
    associate(app, other, model)
    assert query(app, clean, "Ascendants") == [raw]
    assert query(app, clean, "Descendants") == [model]
    assert set(query(app, clean, "Both")) == {raw, model, other}
    assert set(query(app, model, "Ascendants", MaxDepth=1)) == {clean, other}
    assert query(app, raw, "Both", Filters={"Types": ["Model"]}) == [model]
    assert query(app, raw, "Both", Filters={"Properties": {"team": "x", "no": "y"}}) == [model]
    assert query(app, raw, "Both", Filters={"LineageTypes": ["Context"]}) == []
    assert query(app, raw, "Both", Filters={"CreatedBefore": 1.0}) == []
    first = app.call("QueryLineage", {"StartArns": [raw], "Direction": "Descendants", "MaxResults": 1})
    second = app.call(
        "QueryLineage",
        {"StartArns": [raw], "Direction": "Descendants", "MaxResults": 1, "NextToken": first["NextToken"]},
    )
    assert [page["Vertices"][0]["Arn"] for page in (first, second)] == [clean, model]
    assert refused(app, "QueryLineage", StartArns=[raw + "0"]).startswith("ResourceNotFound")


def test_with_edges_comes_what_lies_between(app: Laptop) -> None:
    raw, clean, other = (artifact(app, f"s3://b/{name}") for name in ("raw", "clean", "other"))
    model = artifact(app, "s3://b/model", "Model")
    associate(app, raw, clean, model)
    associate(app, raw, other)
    asked = {"StartArns": [raw], "Direction": "Descendants", "IncludeEdges": True, "Filters": {"Types": ["Model"]}}
    answer = app.call("QueryLineage", asked)
    assert {vertex["Arn"] for vertex in answer["Vertices"]} == {raw, clean, model}
    edges = [(edge["SourceArn"], edge["DestinationArn"]) for edge in answer["Edges"]]
    assert sorted(edges) == sorted([(raw, clean), (clean, model)])


def test_from_data_to_endpoint(app: Laptop) -> None:
    """A pipeline that registers and deploys; then what the SDK's lineage classes ask."""
    app.pipeline(
        [processing("Prepare", inputs=["s3://bucket/raw"]), *deploying()],
        Parameters=[{"Name": "Floor", "Type": "Float", "DefaultValue": 0.8}],
    )
    app.workflow.close()
    arn = app.begin()
    app.put(f"s3://bucket/{arn.rsplit('/', 1)[1]}/Evaluate/evaluation.json", {"metrics": [{"auc": 0.9}]})
    app.restart()
    app.workflow.resume()
    assert app.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    job = app.store.list("TrainingJob")[0]
    (endpoint,) = app.call("ListContexts", {"SourceUri": f"{PREFIX}endpoint/live"})["ContextSummaries"]
    assert (endpoint["ContextType"], endpoint["ContextName"]) == ("Endpoint", "live-aws-endpoint")
    types = {"Types": ["Model"], "LineageTypes": ["Artifact"]}
    models = query(app, endpoint["ContextArn"], "Ascendants", Filters=types)
    uris = [app.call("DescribeArtifact", {"ArtifactArn": one})["Source"]["SourceUri"] for one in models]
    assert uris == [job["ModelArtifacts"]["S3ModelArtifacts"]]
    trained = {"Types": ["TrainingJob"], "LineageTypes": ["TrialComponent"]}
    (component,) = query(app, endpoint["ContextArn"], "Ascendants", Filters=trained)
    assert component.endswith(f"{job['TrainingJobName'].lower()}-aws-training-job")
    (package,) = app.store.list("ModelPackage")
    (registered,) = app.call("ListArtifacts", {"SourceUri": package["ModelPackageArn"]})["ArtifactSummaries"]
    assert component in query(app, registered["ArtifactArn"], "Ascendants")
    (group,) = app.call("ListContexts", {"ContextType": "ModelPackageGroup"})["ContextSummaries"]
    described = app.call("DescribeContext", {"ContextName": group["ContextName"]})
    assert described["Properties"] == {"PipelineExecutionArn": arn}
    assert group["ContextArn"] in query(app, models[0], "Descendants")
    (raw,) = app.call("ListArtifacts", {"SourceUri": "s3://bucket/raw"})["ArtifactSummaries"]
    (prepared,) = query(app, raw["ArtifactArn"], "Descendants", MaxDepth=1)
    assert "-prepare-" in prepared


def test_an_approval_is_an_action(app: Laptop) -> None:
    app.call("CreateModelPackageGroup", {"ModelPackageGroupName": "Group"})
    arn = app.call("CreateModelPackage", {"ModelPackageGroupName": "Group"})["ModelPackageArn"]
    (action,) = app.call("ListActions", {"SourceUri": arn})["ActionSummaries"]
    assert (action["ActionType"], action["Status"]) == ("Approval", "InProgress")
    app.call("UpdateModelPackage", {"ModelPackageArn": arn, "ModelApprovalStatus": "Approved"})
    found = app.call("DescribeAction", {"ActionName": action["ActionName"]})
    assert (found["Status"], found["Properties"]) == ("Completed", {"ModelApprovalStatus": "Approved"})


def lineage(name: str, **arguments: Any) -> Document:
    return {"Name": name, "Type": "Lineage", "Arguments": arguments}


def test_a_lineage_step(app: Laptop) -> None:
    """As the SDK's evaluation pipelines write it: an action and a context, then a report about both."""
    execution = {"Get": "Execution.PipelineExecutionId"}
    action = {
        "ActionName": execution,
        "ActionType": "Evaluation",
        "Source": {"SourceUri": "arn:aws:m", "SourceType": "ModelPackage"},
        "Properties": {"Folds": {"Get": "Parameters.Folds"}},
    }
    context = {"ContextName": execution, "ContextType": "PipelineExecution", "Source": {"SourceUri": "arn:aws:e"}}
    report_name = {"Std:Join": {"On": "-", "Values": [execution, "report"]}}
    report = {"ArtifactName": report_name, "ArtifactType": "Report", "Source": {"SourceUri": "s3://b/report"}}
    both = {
        "Source": {"Name": execution, "Type": "Action"},
        "Destination": {"Name": execution, "Type": "Context"},
        "AssociationType": "ContributedTo",
    }
    made = {"Get": "Steps.Begin.ActionArns['the']"}
    app.pipeline(
        [
            lineage("Begin", Actions=[action | {"ActionName": "the"}, action], Contexts=[context], Associations=[both]),
            lineage(
                "Report",
                Artifacts=[report],
                Associations=[{"Source": {"Name": report_name, "Type": "Artifact"}, "Destination": {"Arn": made}}],
            ),
        ],
        Parameters=[{"Name": "Folds", "Type": "Integer", "DefaultValue": 5}],
    )
    arn = app.run()["PipelineExecutionArn"]
    name = arn.rsplit("/", 1)[1]
    steps = app.steps(arn)
    assert {step["StepStatus"] for step in steps.values()} == {"Succeeded"}
    shown = steps["Begin"]["Metadata"]["Lineage"]
    assert shown["ActionArns"] == {"the": f"{PREFIX}action/the", name: f"{PREFIX}action/{name}"}
    assert shown["Associations"] == [
        {"SourceArn": f"{PREFIX}action/{name}", "DestinationArn": f"{PREFIX}context/{name}"}
    ]
    described = app.call("DescribeAction", {"ActionName": name})
    assert (described["Properties"], described["MetadataProperties"]) == ({"Folds": "5"}, {"GeneratedBy": arn})
    assert len(query(app, f"{PREFIX}action/the", "Ascendants")) == 1
    again = app.run()["PipelineExecutionArn"]  # "the" and the report exist: they are used as they are
    assert {step["StepStatus"] for step in app.steps(again).values()} == {"Succeeded"}


def test_a_lineage_step_that_names_nothing_fails(app: Laptop) -> None:
    ends = {"Source": {"Name": "x", "Type": "Action"}, "Destination": {"Name": "y", "Type": "Context"}}
    app.pipeline([lineage("Begin", Associations=[ends])])
    arn = app.run()["PipelineExecutionArn"]
    assert app.steps(arn)["Begin"]["FailureReason"] == "ClientError: There is no Action named 'x' to associate with."
