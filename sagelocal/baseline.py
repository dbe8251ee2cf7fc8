"""What this project has in a laptop's account besides SageMaker's own resources, put back at every start.

MiniStack keeps these services' state only when it stops cleanly; what is declared here survives a kill, too.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from sagelocal.config import Settings
from sagelocal.stacks import interrupted

_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}
_POLICY = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
# The managed policy's documents are AWS's own. SDK v3 asks IAM's simulator whether the role may write to the bucket,
# and uploads a job's code elsewhere when it may not.
_BUCKETS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::*"}],
}


def put_back(settings: Settings) -> None:
    """Makes the execution role, the default bucket and the SDK's defaults file, where they are missing."""
    interrupted.undo(settings)
    _bucket(settings)
    _role(settings)
    _workgroup(settings)
    _write(settings.defaults_file, sdk_defaults(settings))


def _bucket(settings: Settings) -> None:
    s3 = settings.client("s3")
    if settings.bucket in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
        return
    # S3 in us-east-1 takes no location constraint, everywhere else it wants one.
    location = {"CreateBucketConfiguration": {"LocationConstraint": settings.region}}
    s3.create_bucket(Bucket=settings.bucket, **({} if settings.region == "us-east-1" else location))


def _role(settings: Settings) -> None:
    iam = settings.client("iam")
    name = settings.role_arn.rsplit("/", 1)[1]
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_TRUST), Description="Runs sagelocal's jobs")
    iam.attach_role_policy(RoleName=name, PolicyArn=_POLICY)
    iam.put_role_policy(RoleName=name, PolicyName="buckets", PolicyDocument=json.dumps(_BUCKETS))


def _workgroup(settings: Settings) -> None:
    """Athena's primary workgroup says on AWS whether its settings win over a query's; awswrangler reads that."""
    updates = {"EnforceWorkGroupConfiguration": False}
    settings.client("athena").update_work_group(WorkGroup="primary", ConfigurationUpdates=updates)


def sdk_defaults(settings: Settings) -> dict[str, Any]:
    """The SageMaker SDK's defaults file: its default bucket, roles, and no telemetry.

    The SDK would ask STS at an address that no variable changes for the account, to make up the bucket's name.
    """
    role = settings.role_arn
    return {
        "SchemaVersion": "1.0",
        "SageMaker": {
            "PythonSDK": {
                "Modules": {
                    "Session": {"DefaultS3Bucket": settings.bucket},
                    "TelemetryOptOut": True,
                    "Serve": {"RoleArn": role},
                    "RemoteFunction": {"RoleArn": role},
                }
            },
            "Pipeline": {"RoleArn": role},
            "ProcessingJob": {"RoleArn": role},
            "TrainingJob": {"RoleArn": role},
            "Model": {"ExecutionRoleArn": role},
            "MonitoringSchedule": {"MonitoringScheduleConfig": {"MonitoringJobDefinition": {"RoleArn": role}}},
        },
    }


def _write(file: Path, content: dict[str, Any]) -> None:
    """JSON is YAML. Replaced in one step, as a pipeline may be reading it."""
    draft = file.with_suffix(".tmp")
    draft.write_text(json.dumps(content, indent=2) + "\n")
    draft.replace(file)
