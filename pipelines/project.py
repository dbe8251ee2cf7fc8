"""What every pipeline of this project needs to know about where it will run.

Nothing here knows whether that is AWS or a laptop: the region and the credentials come from boto3, the bucket and the
role from the SageMaker SDK's defaults file or its usual rules.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from jsonschema.validators import validator_for
from sagemaker.core.common_utils import resolve_value_from_config
from sagemaker.core.config.config_schema import PIPELINE_ROLE_ARN_PATH, SAGEMAKER_PYTHON_SDK_CONFIG_SCHEMA
from sagemaker.core.helper.session_helper import get_execution_role
from sagemaker.core.workflow.pipeline_context import PipelineSession

from pipelines import revision
from pipelines.revision import Revision
from pipelines.source import Bundle, bundle, folder

CHECKS = ("ours", "managed")  # by this project's own jobs, by AWS's QualityCheck and ClarifyCheck steps
ROOT = Path(__file__).resolve().parent.parent


def trust_the_sdks_schema() -> None:
    """The SDK proves its own schema of the defaults file valid at each look into that file, some eighty times for one
    pipeline: most of the time that a compilation took (3.27). The file itself is still checked.
    """
    checker = validator_for(SAGEMAKER_PYTHON_SDK_CONFIG_SCHEMA)
    check = checker.check_schema

    def check_schema(schema: Any, *args: Any, **options: Any) -> None:
        if schema is not SAGEMAKER_PYTHON_SDK_CONFIG_SCHEMA:
            check(schema, *args, **options)

    checker.check_schema = check_schema


trust_the_sdks_schema()


class Session(PipelineSession):
    """A PipelineSession whose uploads of folders land under their content's hash.

    ModelTrainer sends its driver scripts through here to a prefix with the time in it, so every new upsert would train
    again (seen with SDK 3.27 by compiling twice).
    """

    def upload_data(self, path, bucket=None, key_prefix="data", callback=None, extra_args=None):  # type: ignore[no-untyped-def]
        source = Path(path)
        if not source.is_dir():
            return super().upload_data(path, bucket, key_prefix, callback, extra_args)
        s3 = self.boto_session.client("s3")
        where = bucket or self.default_bucket()
        files = folder(source, key_prefix.rsplit("/", 1)[-1])
        return files.upload(s3, where, self.default_bucket_prefix or "", extra_args)


@dataclass(frozen=True)
class Source:
    uri: str  # of the folder, which changes exactly when a file in it does
    command: list[str]  # that runs the script in a Processing job
    requirements: bool  # whether it has a requirements.txt


@dataclass(frozen=True)
class Project:
    session: PipelineSession
    bucket: str
    role: str  # ARN of the role that pipelines, jobs and endpoints run under
    prefix: str = ""  # of keys in the bucket and of nothing else
    checks: str = CHECKS[0]
    root: Path = ROOT  # the folder that holds processing/, training/ and evaluation/
    revision: Revision = field(default_factory=Revision)  # of the code; recorded with what is registered
    s3: Any = field(default=None, compare=False)  # boto3 client
    raw: str = ""  # URI of a user's own table, for pipelines of any table: in place of the repository's data set

    @classmethod
    def from_environment(cls, boto_session: boto3.Session | None = None, role: str | None = None) -> Project:
        """The project as boto3's usual chain and the SDK's defaults file describe it.

        The role is, in this order: the argument, $SAGEMAKER_ROLE_ARN, the defaults file's, the caller's own (inside
        Studio or CodeBuild). The bucket is $MLOPS_BUCKET, the defaults file's, or the account's default one.
        $MLOPS_CHECKS is one of CHECKS. Raises LookupError with the remedy when there is no region or no role, or for
        another $MLOPS_CHECKS.
        """
        checks = os.environ.get("MLOPS_CHECKS") or CHECKS[0]
        if checks not in CHECKS:
            raise LookupError(f"MLOPS_CHECKS is {checks}: it must be {' or '.join(CHECKS)}.")
        boto_session = boto_session or boto3.Session()
        if not boto_session.region_name:
            raise LookupError("No AWS region. Set AWS_DEFAULT_REGION, or `region` in ~/.aws/config.")
        session = Session(boto_session=boto_session, default_bucket=os.environ.get("MLOPS_BUCKET") or None)
        return cls(
            session=session,
            bucket=session.default_bucket(),
            role=role or os.environ.get("SAGEMAKER_ROLE_ARN") or default_role(session),
            prefix=session.default_bucket_prefix or "",
            checks=checks,
            revision=revision.find(ROOT),
            s3=boto_session.client("s3"),
        )

    @property
    def region(self) -> str:
        return str(self.session.boto_region_name)

    def uri(self, *parts: str) -> str:
        """An address in the project's bucket."""
        return f"s3://{self.bucket}/{self.key(*parts)}"

    def key(self, *parts: str) -> str:
        return "/".join(part for part in (self.prefix.strip("/"), *parts) if part)

    def data_uri(self, use_case: str) -> str:
        """Where the use case's raw data is, under its content's hash; puts it there if the bucket lacks it.

        Raises LookupError and ArchiveError as `data.archives.fetch` does.
        """
        if self.raw:
            return self.raw
        from data.bucket import upload  # pandas: not for those who bring their own data

        return upload(self.s3, self.bucket, use_case)

    def source(self, script: str) -> Source:
        """Uploads a script such as `training/churn.py` with its companions, if the bucket lacks them.

        Raises FileNotFoundError naming the script, ClientError when the bucket refuses.
        """
        files = bundle(self.root, script)
        return Source(files.upload(self.s3, self.bucket, self.prefix), files.command, files.requirements)

    def document(self, name: str, file: str, content: Any) -> str:
        """Uploads `content` as JSON, if the bucket lacks it; the file's URI, which changes exactly when it does."""
        text = json.dumps(content, indent=1)
        return Bundle(name, {file: text.encode()}).upload(self.s3, self.bucket, self.prefix) + file

    def source_archive(self, script: str) -> str:
        """The same in one archive, which the trials of a tuning job take: its API has no way to name an entrypoint.

        The training toolkit in AWS's images unpacks `sagemaker_submit_directory` only if that is a gzipped tar.
        """
        return bundle(self.root, script).upload_archive(self.s3, self.bucket, self.prefix)


def default_role(session: PipelineSession) -> str:
    configured = resolve_value_from_config(None, PIPELINE_ROLE_ARN_PATH, sagemaker_session=session)
    if configured:
        return str(configured)
    try:
        return str(get_execution_role(session))
    except ValueError as error:
        raise LookupError(
            "No execution role. Set SAGEMAKER_ROLE_ARN to the ARN of a role that SageMaker may assume, or "
            "SageMaker.Pipeline.RoleArn in the SDK's defaults file."
        ) from error
