"""CloudFormation on a laptop, as boto3 sees it: what a stack makes, changes, removes, refuses and keeps."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from sagelocal import server
from sagelocal.config import Settings
from sagelocal.stacks.heeded import checked

TEMPLATE = """
Parameters:
  Minutes: { Type: Number, Default: 60, MinValue: 5 }
  WithAlarm: { Type: String, Default: "yes", AllowedValues: ["yes", "no"] }
Conditions:
  HasAlarm: !Equals [!Ref WithAlarm, "yes"]
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: delivery
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - { Effect: Allow, Principal: { Service: codebuild.amazonaws.com }, Action: "sts:AssumeRole" }
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: !Sub "artifacts-${AWS::AccountId}"
      BucketEncryption:
        ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: AES256 } }]
      LifecycleConfiguration: { Rules: [{ Id: old, Status: Enabled, ExpirationInDays: 30 }] }
  Project:
    Type: AWS::CodeBuild::Project
    Properties:
      Name: compile
      ServiceRole: !GetAtt Role.Arn
      TimeoutInMinutes: !Ref Minutes
      Source: { Type: CODEPIPELINE, BuildSpec: buildspec.yml }
      Artifacts: { Type: CODEPIPELINE }
      Environment:
        Type: LINUX_CONTAINER
        Image: "aws/codebuild/amazonlinux-x86_64-standard:5.0"
        ComputeType: BUILD_GENERAL1_SMALL
  Group:
    Type: AWS::SageMaker::ModelPackageGroup
    Properties:
      ModelPackageGroupName: wine
      ModelPackageGroupPolicy: { Version: "2012-10-17", Statement: [] }
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Condition: HasAlarm
    Properties:
      AlarmName: failed-builds
      ComparisonOperator: GreaterThanThreshold
      EvaluationPeriods: 1
      Threshold: 0
      Metrics:
        - { Id: double, Expression: 2 * failed }
        - Id: failed
          ReturnData: false
          MetricStat:
            { Metric: { Namespace: AWS/CodeBuild, MetricName: FailedBuilds }, Period: 60, Stat: Sum }
Outputs:
  Project: { Value: !Ref Project }
  ProjectArn: { Value: !GetAtt Project.Arn }
  Group: { Value: !Ref Group }
"""


def deploy(settings: Settings, name: str, body: str, **parameters: str) -> dict[str, Any]:
    """Creates or updates a stack and gives its description when that has ended."""
    cloudformation = settings.client("cloudformation")
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    request = {
        "StackName": name,
        "TemplateBody": body,
        "Parameters": given,
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
    }
    try:
        cloudformation.create_stack(**request)
    except cloudformation.exceptions.AlreadyExistsException:
        cloudformation.update_stack(**request)
    return ended(settings, name)


def ended(settings: Settings, name: str) -> dict[str, Any]:
    while True:
        found: dict[str, Any] = settings.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        if not found["StackStatus"].endswith("IN_PROGRESS"):
            return found
        time.sleep(0.05)


def reasons(settings: Settings, name: str) -> str:
    events = settings.client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
    return " ".join(event.get("ResourceStatusReason", "") for event in events)


def kill(settings: Settings) -> None:
    pid = server.status(settings)["pid"]
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for process in processes:
        os.kill(process.pid, signal.SIGKILL)
    psutil.wait_procs(processes, timeout=10)


@pytest.fixture(scope="module")
def stack(laptop: Settings) -> dict[str, Any]:
    return deploy(laptop, "delivery", TEMPLATE)


def test_a_stack_makes_what_sagelocal_answers_and_what_ministack_does(laptop: Settings, stack: dict[str, Any]) -> None:
    assert stack["StackStatus"] == "CREATE_COMPLETE", reasons(laptop, "delivery")
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    project = laptop.client("codebuild").batch_get_projects(names=["compile"])["projects"][0]
    assert project["serviceRole"] == f"arn:aws:iam::{laptop.account}:role/delivery"
    assert project["timeoutInMinutes"] == 60
    assert outputs["Project"] == "compile"
    assert outputs["ProjectArn"] == project["arn"]
    assert {"key": "aws:cloudformation:stack-name", "value": "delivery"} in project["tags"]
    sagemaker = laptop.client("sagemaker")
    group = sagemaker.describe_model_package_group(ModelPackageGroupName="wine")
    assert outputs["Group"] == group["ModelPackageGroupArn"]
    policy = sagemaker.get_model_package_group_policy(ModelPackageGroupName="wine")["ResourcePolicy"]
    assert json.loads(policy) == {"Version": "2012-10-17", "Statement": []}
    alarm = laptop.client("cloudwatch").describe_alarms(AlarmNames=["failed-builds"])["MetricAlarms"][0]
    assert alarm["Metrics"][0]["Expression"] == "2 * failed"
    rules = laptop.client("s3").get_bucket_lifecycle_configuration(Bucket=f"artifacts-{laptop.account}")["Rules"]
    assert rules[0]["Expiration"] == {"Days": 30}


def test_what_was_reported_as_made_survives_a_kill(laptop: Settings, stack: dict[str, Any]) -> None:
    kill(laptop)
    server.up(laptop)
    found = laptop.client("cloudformation").describe_stacks(StackName="delivery")["Stacks"][0]
    assert found["StackStatus"] == "CREATE_COMPLETE"
    assert laptop.client("iam").get_role(RoleName="delivery")["Role"]["RoleName"] == "delivery"
    bucket = f"artifacts-{laptop.account}"
    assert laptop.client("s3").get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"][0]["ID"] == "old"


def test_a_kill_in_the_middle_leaves_nothing_in_the_way_of_another_try(laptop: Settings, stack: dict[str, Any]) -> None:
    template = """
Resources:
  Bucket: { Type: "AWS::S3::Bucket", Properties: { BucketName: half-made } }
  Project:
    Type: AWS::CodeBuild::Project
    DependsOn: Bucket
    Properties:
      Name: half-made
      ServiceRole: arn:aws:iam::000000000000:role/any
      Source: { Type: CODEPIPELINE }
      Artifacts: { Type: CODEPIPELINE }
      Environment:
        Type: LINUX_CONTAINER
        Image: "aws/codebuild/amazonlinux-x86_64-standard:5.0"
        ComputeType: BUILD_GENERAL1_SMALL
  Handle: { Type: "AWS::CloudFormation::WaitConditionHandle", DependsOn: Project }
  Wait: { Type: "AWS::CloudFormation::WaitCondition", Properties: { Handle: !Ref Handle, Timeout: "60" } }
"""
    laptop.client("cloudformation").create_stack(StackName="half", TemplateBody=template)
    while not laptop.client("codebuild").batch_get_projects(names=["half-made"])["projects"]:
        time.sleep(0.05)
    kill(laptop)
    server.up(laptop)
    with pytest.raises(ClientError, match="does not exist"):
        laptop.client("cloudformation").describe_stacks(StackName="half")
    whole = template[: template.index("  Handle:")]
    assert deploy(laptop, "half", whole)["StackStatus"] == "CREATE_COMPLETE", reasons(laptop, "half")


def test_an_update_changes_what_differs_and_removes_what_is_gone(laptop: Settings, stack: dict[str, Any]) -> None:
    changed = deploy(laptop, "delivery", TEMPLATE, Minutes="30", WithAlarm="no")
    assert changed["StackStatus"] == "UPDATE_COMPLETE", reasons(laptop, "delivery")
    assert laptop.client("codebuild").batch_get_projects(names=["compile"])["projects"][0]["timeoutInMinutes"] == 30
    assert not laptop.client("cloudwatch").describe_alarms(AlarmNames=["failed-builds"])["MetricAlarms"]


def test_a_deleted_stack_leaves_nothing(laptop: Settings, stack: dict[str, Any]) -> None:
    laptop.client("cloudformation").delete_stack(StackName="delivery")
    assert ended(laptop, stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert laptop.client("codebuild").batch_get_projects(names=["compile"])["projectsNotFound"] == ["compile"]
    with pytest.raises(ClientError, match="does not exist"):
        laptop.client("sagemaker").describe_model_package_group(ModelPackageGroupName="wine")
    assert "delivery" not in {role["RoleName"] for role in laptop.client("iam").list_roles()["Roles"]}


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("Resources: { A: { Type: 'AWS::SageMaker::Nothing' } }", "AWS::SageMaker::Nothing"),
        (
            "Resources: { A: { Type: 'AWS::SNS::Topic', Properties: { TopicName: { 'Fn::Reverse': x } } } }",
            r"Resources\.A\.Properties\.TopicName: Fn::Reverse is no intrinsic function",
        ),
        (
            "Resources: { A: { Type: 'AWS::CodeBuild::Project', Properties: { Nmae: x } } }",
            r"A \(AWS::CodeBuild::Project\)\.Nmae is no property",
        ),
        ("Parameters: { P: { Type: String } }\nResources: { A: { Type: 'AWS::SNS::Topic' } }", "Parameter 'P'"),
        (
            "Resources: { A: { Type: 'AWS::SNS::Topic', Properties: { TopicName: !Sub 'x-${Nope}' } } }",
            r"Unresolved resource dependencies \[Nope\] in the Resources block",
        ),
    ],
    ids=["type", "function", "property", "parameter", "reference"],
)
def test_what_nobody_would_do_is_refused_before_anything_is_made(laptop: Settings, template: str, said: str) -> None:
    with pytest.raises(ClientError, match=said):
        deploy(laptop, "refused", template)
    with pytest.raises(ClientError, match="does not exist"):
        laptop.client("cloudformation").describe_stacks(StackName="refused")


def test_a_parameter_that_the_template_does_not_have_is_refused(laptop: Settings) -> None:
    parameters = [{"ParameterKey": "Nope", "ParameterValue": "x"}]
    body = "Resources: { A: { Type: 'AWS::SNS::Topic' } }"
    with pytest.raises(ClientError, match=r"Parameters: \[Nope\] do not exist in the template"):
        laptop.client("cloudformation").create_stack(StackName="refused", TemplateBody=body, Parameters=parameters)


def test_a_property_that_is_gone_has_its_default_again(laptop: Settings) -> None:
    rest = f"""
          ServiceRole: {laptop.role_arn}
          Artifacts: {{ Type: NO_ARTIFACTS }}
          Environment: {{ Type: LINUX_CONTAINER, Image: "aws/codebuild/x:1", ComputeType: BUILD_GENERAL1_SMALL }}
          Source: {{ Type: NO_SOURCE, BuildSpec: "version: 0.2\\nphases: {{build: {{commands: [a]}}}}" }}"""
    own = "\n          Description: x\n          TimeoutInMinutes: 7\n          ConcurrentBuildLimit: 1"
    template = f"""
    Resources:
      P:
        Type: AWS::CodeBuild::Project
        Properties:
          Name: default{rest}"""
    deploy(laptop, "defaults", template + own)
    cloudformation = laptop.client("cloudformation")
    cloudformation.update_stack(StackName="defaults", TemplateBody=template)
    cloudformation.get_waiter("stack_update_complete").wait(StackName="defaults", WaiterConfig={"Delay": 0.1})
    (project,) = laptop.client("codebuild").batch_get_projects(names=["default"])["projects"]
    assert (project["timeoutInMinutes"], project["concurrentBuildLimit"]) == (60, -1)
    assert project.get("description", "") == ""


def test_a_property_that_ministack_would_ignore_fails_the_stack(laptop: Settings) -> None:
    template = "Resources: { A: { Type: 'AWS::S3::Bucket', Properties: { IntelligentTieringConfigurations: [] } } }"
    assert deploy(laptop, "ignored", template)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "IntelligentTieringConfigurations of AWS::S3::Bucket would do nothing" in reasons(laptop, "ignored")
    assert not [each for each in laptop.client("s3").list_buckets()["Buckets"] if "ignored" in each["Name"]]


def test_a_group_that_a_pipeline_has_made_is_taken_over(laptop: Settings) -> None:
    laptop.client("sagemaker").create_model_package_group(ModelPackageGroupName="rice")
    properties = "{ ModelPackageGroupName: rice }"
    template = f"Resources: {{ A: {{ Type: 'AWS::SageMaker::ModelPackageGroup', Properties: {properties} }} }}"
    assert deploy(laptop, "groups", template)["StackStatus"] == "CREATE_COMPLETE"


def test_a_project_that_no_stack_made_is_left_alone(laptop: Settings) -> None:
    laptop.client("codebuild").create_project(
        name="mine",
        serviceRole=laptop.role_arn,
        source={"type": "CODEPIPELINE"},
        artifacts={"type": "CODEPIPELINE"},
        environment={
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/amazonlinux-x86_64-standard:5.0",
            "computeType": "BUILD_GENERAL1_SMALL",
        },
    )
    one = TEMPLATE[TEMPLATE.index("  Project:") : TEMPLATE.index("  Group:")].replace("compile", "mine")
    one = one.replace("!GetAtt Role.Arn", laptop.role_arn).replace("!Ref Minutes", "60")
    assert deploy(laptop, "taken", "Resources:\n" + one)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert laptop.client("codebuild").batch_get_projects(names=["mine"])["projects"]


def test_properties_that_a_handler_never_reads_are_named_and_its_resource_removed() -> None:
    removed: list[str] = []
    row = {
        "create": lambda logical_id, properties, stack: (properties["Name"], {}),
        "update": lambda physical, before, after, stack: (after.get("Name"), {}),
        "delete": lambda physical, properties: removed.append(physical),
    }
    handlers = checked("AWS::X::Y", row, elsewhere=("Elsewhere",))
    given = {"Name": "a", "Elsewhere": 1, "Tags": []}
    assert handlers["create"]("A", given, "s") == ("a", {})
    with pytest.raises(ValueError, match=r"Colour of AWS::X::Y would do nothing"):
        handlers["create"]("A", {**given, "Colour": "red"}, "s")
    assert removed == ["a"]
    assert handlers["update"]("a", {"Colour": "red", "Name": "a"}, {"Colour": "red", "Name": "b"}, "s") == ("b", {})
    with pytest.raises(ValueError, match="Colour"):
        handlers["update"]("a", {"Colour": "red"}, {"Colour": "blue"}, "s")
