"""Declarations: what is completed, and what is refused in which words."""

from __future__ import annotations

from typing import Any

import pytest

from sagelocal.api.errors import AwsError
from tests.sagelocal.cicd.codepipeline.conftest import approval, build, source, stage

App = Any  # conftest's Laptop


def trigger(**push: Any) -> dict[str, Any]:
    git = {"sourceActionName": "Source", "push": [push]}
    return {"triggers": [{"providerType": "CodeStarSourceConnection", "gitConfiguration": git}]}


def test_a_declaration_is_completed_as_codepipeline_shows_it(app: App) -> None:
    app.pipeline(stage("Approve", approval()))
    answer = app.ask("GetPipeline", name="p")
    shown = answer["pipeline"]
    assert (shown["version"], shown["executionMode"], shown["pipelineType"]) == (1, "SUPERSEDED", "V1")
    assert shown["stages"][1]["actions"][0]["runOrder"] == 1
    assert answer["metadata"]["pipelineArn"] == "arn:aws:codepipeline:us-east-1:000000000000:p"
    app.pipeline(stage("Approve", approval()), name="q", **trigger(tags={"includes": ["v*"]}))
    (first, second) = app.ask("ListPipelines")["pipelines"]
    assert [first["pipelineType"], second["pipelineType"]] == ["V1", "V2"]


def test_a_name_is_used_once_and_tags_are_kept(app: App) -> None:
    app.pipeline(stage("Approve", approval()))
    with pytest.raises(AwsError, match="PipelineNameInUseException"):
        app.pipeline(stage("Approve", approval()))
    arn = "arn:aws:codepipeline:us-east-1:000000000000:p"
    app.ask("TagResource", resourceArn=arn, tags=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}])
    app.ask("UntagResource", resourceArn=arn, tagKeys=["a"])
    assert app.ask("ListTagsForResource", resourceArn=arn)["tags"] == [{"key": "b", "value": "2"}]


REFUSED: dict[str, tuple[list[Any], dict[str, Any], str]] = {
    "one stage": ([], {}, "InvalidStructureException: Pipeline has only 1 stage"),
    "a stage twice": (
        [stage("A", approval()), stage("A", approval())],
        {},
        "A has been used more than once",
    ),
    "an action twice": (
        [stage("A", approval(), approval())],
        {},
        "InvalidStageDeclarationException: Action names must be unique",
    ),
    "a late source": ([stage("A", source())], {}, "stage A has one"),
    "an unknown provider": (
        [stage("A", build(actionTypeId={"category": "Deploy", "owner": "AWS", "provider": "ECS", "version": "1"}))],
        {},
        "The action provider ECS .category Deploy. of action Build is not implemented by sagelocal",
    ),
    "a wrong owner": (
        [
            stage(
                "A",
                build(actionTypeId={"category": "Build", "owner": "Custom", "provider": "CodeBuild", "version": "1"}),
            )
        ],
        {},
        "Owner: 'Custom'",
    ),
    "no project": (
        [stage("A", build(configuration={}) | {"configuration": {}})],
        {},
        "InvalidActionDeclarationException: Action configuration for action 'Build' is missing .*'ProjectName'",
    ),
    "an unknown key": ([stage("A", build(configuration={"Projekt": "x"}))], {}, "unknown configuration 'Projekt'"),
    "variables that are no JSON": (
        [stage("A", build(configuration={"EnvironmentVariables": "X=1"}))],
        {},
        "EnvironmentVariables .* is not JSON",
    ),
    "an artifact that nobody made": (
        [stage("A", build(inputArtifacts=[{"name": "Other"}]))],
        {},
        "Input Artifact Bundle Other in action Build is not declared as Output Artifact Bundle",
    ),
    "an artifact of the same run order": (
        [stage("A", build("a", outputArtifacts=[{"name": "X"}]), build("b", inputArtifacts=[{"name": "X"}]))],
        {},
        "Input Artifact Bundle X in action b",
    ),
    "an artifact twice": (
        [stage("A", build(outputArtifacts=[{"name": "Code"}]))],
        {},
        "Code has been used more than once",
    ),
    "two inputs without a primary one": (
        [
            stage("A", build("a", outputArtifacts=[{"name": "X"}])),
            stage("B", build("b", inputArtifacts=[{"name": "Code"}, {"name": "X"}])),
        ],
        {},
        "PrimarySource must name one",
    ),
    "a namespace that is not there": (
        [stage("A", approval(configuration={"CustomData": "#{Later.X}"}))],
        {},
        r"ActionName=\[Approve\], ActionConfigurationKey=\[CustomData\], VariableReferenceText=\[#{Later.X}\]",
    ),
    "a variable that is not there": (
        [stage("A", approval(configuration={"CustomData": "#{variables.X}"}))],
        {},
        "no variable X in the namespace variables",
    ),
    "a variable that no source has": (
        [stage("A", approval(configuration={"CustomData": "#{Src.Commit}"}))],
        {},
        "there are: AuthorDate, .*CommitId",
    ),
    "a broken reference": (
        [stage("A", approval(configuration={"CustomData": "#{X}"}))],
        {},
        "separated by a period",
    ),
    "a timeout of a build": ([stage("A", build(timeoutInMinutes=10))], {}, "only manual approvals"),
    "variables of V1": (
        [stage("A", approval())],
        {"pipelineType": "V1", "variables": [{"name": "X"}]},
        "only pipelines of type V2 have",
    ),
    "a trigger of no source": (
        [stage("A", approval())],
        {"triggers": [{"providerType": "CodeStarSourceConnection", "gitConfiguration": {"sourceActionName": "S"}}]},
        "sourceActionName S is no source action",
    ),
    "a pattern that is none": (
        [stage("A", approval())],
        trigger(tags={"includes": ["v[9-0]"]}),
        "the pattern 'v.9-0.', which is none",
    ),
    "a variable that is none": (
        [stage("A", build(configuration={"EnvironmentVariables": '[{"name": ["a"], "value": ""}]'}))],
        {},
        "is no name of an environment variable",
    ),
    "tags with branches": (
        [stage("A", approval())],
        trigger(tags={"includes": ["v*"]}, branches={"includes": ["main"]}),
        "A push filter has branches and tags; valid are",
    ),
    "pull requests": (
        [stage("A", approval())],
        {
            "triggers": [
                {
                    "providerType": "CodeStarSourceConnection",
                    "gitConfiguration": {"sourceActionName": "Source", "pullRequest": [{"events": ["OPEN"]}]},
                }
            ]
        },
        r"pipeline.triggers\[0\].gitConfiguration.pullRequest is not implemented",
    ),
    "too many filters": (
        [stage("A", approval())],
        {
            "triggers": [
                {
                    "providerType": "CodeStarSourceConnection",
                    "gitConfiguration": {"sourceActionName": "Source", "push": [{"tags": {"includes": ["v"]}}] * 4},
                }
            ]
        },
        "less than or equal to 3",
    ),
    "an entry condition": (
        [stage("A", approval(), beforeEntry={"conditions": [{"result": "FAIL"}]})],
        {},
        r"pipeline.stages\[1\].beforeEntry is not",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_wrong_declaration_is_refused_by_name(app: App, what: str) -> None:
    stages, declaration, message = REFUSED[what]
    with pytest.raises(AwsError, match=message):
        app.pipeline(*stages, **declaration)
    assert app.ask("ListPipelines")["pipelines"] == []


def test_other_operations_are_refused_by_name(app: App) -> None:
    with pytest.raises(AwsError, match="The operation PutWebhook is not implemented"):
        app.ask("PutWebhook")
