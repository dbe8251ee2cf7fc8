"""What AWS checks of a job's request beyond shapes."""

from __future__ import annotations

import os

from sagelocal.api.errors import AwsError, validation
from sagelocal.jobs.transfer import TransferError, split_uri


def s3_uri(uri: str) -> tuple[str, str]:
    """Bucket and key. Raises AwsError."""
    try:
        return split_uri(uri)
    except TransferError as error:
        raise validation(str(error)) from error


def unique(names: list[str], what: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise validation(f"{what} must be unique, and {name} is given {names.count(name)} times.")


def below(path: str | None, folder: str, what: str) -> None:
    """LocalPath rules; also keeps `..` from leaving the job's folder."""
    if not path or not os.path.normpath(path).startswith(folder + "/"):
        raise validation(f"{what} must be a path under {folder}/, and is {path or 'missing'}.")


def deletable(status: str, arn: str) -> None:
    """Raises AwsError for a job that has not ended: DeleteProcessingJob and DeleteTrainingJob take no other."""
    if status in ("InProgress", "Stopping"):
        raise AwsError("ResourceInUse", f"The job {arn} is in status {status}: stop it, and delete it when it ended.")


def terminal(status: str, name: str, what: str) -> None:
    """Raises AwsError when a job that shall stop has ended already."""
    if status not in ("InProgress", "Stopping"):
        raise validation(f"The request was rejected because the {what} job {name} is in status {status}.")
