"""Source actions: a commit of a local repository, or an object in S3, as the pipeline's artifact."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from botocore.exceptions import ClientError

from sagelocal.cicd import remote
from sagelocal.cicd.codepipeline.work import Document, Outcome, Work, artifact_key, failed

_MESSAGE_LIMIT = 2048
_UNAVAILABLE = "RevisionUnavailable"


def connection(work: Work) -> Outcome:
    """CodeStarSourceConnection: any connection of the account leads to the repositories on this machine."""
    given = work.configuration
    named = {"ConnectionArn": given["ConnectionArn"], "FullRepositoryName": given["FullRepositoryId"]}
    return _commit(work, given["FullRepositoryId"], named)


def codecommit(work: Work) -> Outcome:
    name = work.configuration["RepositoryName"]
    return _commit(work, name, {"RepositoryName": name})


def _commit(work: Work, repository: str, named: dict[str, str]) -> Outcome:
    given, override = work.configuration, work.execution["_revisions"].get(work.action["name"], {})
    branch = override.get("branch", given["BranchName"])
    try:
        bare = remote.repository(work.app.settings, repository)
        commit = remote.commit(bare, override.get("value") or f"refs/heads/{branch}")
    except remote.NoRepository as error:
        return failed(str(error), _UNAVAILABLE)
    clone = given.get("OutputArtifactFormat") == "CODEBUILD_CLONE_REF"
    name = work.action["outputArtifacts"][0]["name"]
    try:
        s3 = _put_reference(work, name, repository, commit.id) if clone else _put_zip(work, name, bare, commit.id)
    except ClientError as error:
        return failed(f"The artifact {name} could not be stored: {error}", "PermissionError")
    found = {
        **named,
        "AuthorDate": commit.authored,
        "BranchName": branch,
        "CommitId": commit.id,
        "CommitMessage": commit.message,
    }
    if "RepositoryName" in named:
        found["CommitterDate"] = commit.committed
    else:
        found |= {"AuthorDisplayName": commit.author, "AuthorEmail": commit.email, "AuthorId": commit.email}
    work.note(_external=commit.id)
    return Outcome(
        summary=commit.message[:_MESSAGE_LIMIT],
        variables=found,
        artifacts={name: {"s3": s3, "commit": commit.id, **({"repository": repository} if clone else {})}},
        revision={
            "revisionId": commit.id,
            "revisionSummary": commit.message[:_MESSAGE_LIMIT],
            "created": work.app.now(),
        },
    )


def _put_zip(work: Work, name: str, bare: Path, commit: str) -> str:
    bucket, key = work.bucket["location"], artifact_key(work.declaration["name"], name)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "source.zip"
        remote.archive(bare, commit, file)
        with file.open("rb") as body:
            work.app.s3.put_object(Bucket=bucket, Key=key, Body=body, **work.encryption)
    return f"s3://{bucket}/{key}"


def _put_reference(work: Work, name: str, repository: str, commit: str) -> str:
    """What stands for a repository that is to be cloned: the object only says of what and where."""
    bucket, key = work.bucket["location"], artifact_key(work.declaration["name"], name)
    written = json.dumps({"FullRepositoryId": repository, "CommitId": commit}).encode()
    work.app.s3.put_object(Bucket=bucket, Key=key, Body=written, **work.encryption)
    return f"s3://{bucket}/{key}"


def s3(work: Work) -> Outcome:
    """An object's version is what a later action gets, whatever comes to its key meanwhile: it is copied."""
    override = work.execution["_revisions"].get(work.action["name"], {})
    bucket, key = work.configuration["S3Bucket"], work.configuration["S3ObjectKey"]
    if override.get("type") == "S3_OBJECT_KEY":
        key = override["value"]
    version = override["value"] if override.get("type") == "S3_OBJECT_VERSION_ID" else None
    where: Document = {"Bucket": bucket, "Key": key, **({"VersionId": version} if version else {})}
    name = work.action["outputArtifacts"][0]["name"]
    store, copy = work.bucket["location"], artifact_key(work.declaration["name"], name)
    try:
        head = work.app.s3.head_object(**where)
        work.app.s3.copy_object(Bucket=store, Key=copy, CopySource=where, **work.encryption)
    except ClientError as error:
        return failed(f"The object s3://{bucket}/{key} could not be read: {error}", _UNAVAILABLE)
    found = head.get("VersionId", version or "null")
    etag = head["ETag"].strip('"')
    summary = head.get("Metadata", {}).get("codepipeline-artifact-revision-summary", f"Amazon S3 version id: {found}")
    work.note(_external=found)
    return Outcome(
        summary=summary,
        variables={"BucketName": bucket, "ETag": etag, "ObjectKey": key, "VersionId": found},
        artifacts={name: {"s3": f"s3://{store}/{copy}"}},
        revision={
            "revisionId": found,
            "revisionChangeIdentifier": etag,
            "revisionSummary": summary,
            "created": head["LastModified"].timestamp(),
        },
    )
