"""Upserts a pipeline, starts it and waits: the entry point that AWS's MLOps templates call in CodeBuild.

    run-pipeline --module-name pipelines.churn --role-arn ARN --tags '[{"Key": "team", "Value": "crm"}]' \\
        --kwargs '{"DeployTo": "staging"}'
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deploy import names
from deploy.registry import ensure_group

if TYPE_CHECKING:  # the SDK takes two seconds to import, and --help needs none of it
    from sagemaker.mlops.workflow.pipeline import Pipeline

    from pipelines.project import Project


def load(module_name: str, project: Project) -> Pipeline:
    """The pipeline that `pipelines.<use case>` builds; `<use case>` alone will do. Uploads code and data as needed.

    Raises LookupError for a module that isn't there or builds no pipeline.
    """
    import importlib

    name = module_name if "." in module_name else f"pipelines.{names.module_name(module_name)}"
    try:
        build = importlib.import_module(name).build
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise LookupError(f"There is no module {name}: a pipeline is a module in pipelines/ with `build`.") from None
    except AttributeError:
        raise LookupError(f"{name} has no `build(project)` that returns a pipeline.") from None
    # Notices for each step about defaults and omitted job names; none of them is about something to be done.
    logging.getLogger("sagemaker").setLevel(logging.ERROR)
    return build(project)


def upsert(pipeline: Pipeline, project: Project, tags: Sequence[Mapping[str, str]] = ()) -> str:
    """Creates or updates the pipeline and returns its ARN. The model package groups that it registers in come first:
    whether the service would make a missing one is not documented.
    """
    definition = json.loads(pipeline.definition())
    for group in groups(definition["Steps"]):
        ensure_group(project.session.sagemaker_client, group)
    return pipeline.upsert(role_arn=project.role, tags=[dict(tag) for tag in tags] or None)["PipelineArn"]


def groups(steps: Sequence[Mapping[str, Any]]) -> set[str]:
    """Names of the model package groups that a definition's steps register in, branches and ForEach bodies included."""
    found = set()
    for step in steps:
        arguments = step.get("Arguments") or {}
        group = arguments.get("ModelPackageGroupName") if step["Type"] == "RegisterModel" else None
        if isinstance(group, str):  # not a parameter, which is known only when the pipeline runs
            found.add(group)
        for member in ("IfSteps", "ElseSteps", "ForEachBody"):
            found |= groups(arguments.get(member) or ())
    return found


def start(sagemaker: Any, name: str, parameters: Mapping[str, Any], **more: Any) -> str:
    """The new execution's ARN. `sagemaker` is a boto3 client, `more` are further members of StartPipelineExecution."""
    values = [{"Name": key, "Value": str(value)} for key, value in parameters.items()]
    started = sagemaker.start_pipeline_execution(PipelineName=name, PipelineParameters=values, **more)
    return str(started["PipelineExecutionArn"])


def wait(sagemaker: Any, execution: str, poll: float = 10.0) -> str:
    """The status in which the execution ended."""
    while True:
        status = sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution)["PipelineExecutionStatus"]
        if status not in ("Executing", "Stopping"):
            return status
        time.sleep(poll)


def main(argv: Sequence[str] | None = None) -> int:
    args = arguments(__doc__ or "").parse_args(argv)
    logging.disable(logging.INFO)  # the SDK turns on every library's
    try:
        return run(args)
    except (LookupError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1


def run(args: argparse.Namespace) -> int:
    from pipelines.project import Project

    project = Project.from_environment(role=args.role_arn)
    pipeline = load(args.module_name, project)
    arn = upsert(pipeline, project, json.loads(args.tags))
    sagemaker = project.session.sagemaker_client
    print(f"Pipeline {arn}")
    execution = start(sagemaker, pipeline.name, json.loads(args.kwargs))
    print(f"Execution {execution}")
    if args.no_wait:
        return 0
    status = wait(sagemaker, execution, args.poll)
    print(f"Execution {status}")
    listed = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution, SortOrder="Ascending")
    for step in listed["PipelineExecutionSteps"]:
        print(f"  {step['StepName']}: {step['StepStatus']} {step.get('FailureReason', '')}".rstrip())
    return 0 if status == "Succeeded" else 1


def arguments(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--module-name", required=True, help="module with `build(project)`, such as pipelines.churn")
    parser.add_argument("--kwargs", default="{}", help="the execution's parameters as a JSON object")
    parser.add_argument("--tags", default="[]", help="tags of the pipeline as a JSON list of Key and Value")
    parser.add_argument("--role-arn", help="execution role; otherwise $SAGEMAKER_ROLE_ARN or the SDK's defaults file")
    parser.add_argument("--no-wait", action="store_true", help="return as soon as the execution has started")
    parser.add_argument("--poll", type=float, default=10.0, help="seconds between looks at a running execution")
    return parser


if __name__ == "__main__":
    sys.exit(main())
