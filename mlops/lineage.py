"""`mlops lineage`: from an endpoint back to commit, data, execution, package and approver.

By Describe and lineage calls alone, so it works on AWS and on a laptop. What one of them may not be asked, or does not
know (a package of another account, an execution that was deleted), is said and stops nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from deploy import lineage as recorded
from mlops import console, storage
from mlops.targets import Target

Document = dict[str, Any]
_DEPTH = 10  # QueryLineage's own limit
_HASH = re.compile(
    r"[0-9a-f]{16,64}"
)  # of a content, as a folder: data.bucket and pipelines.source make such addresses
_UNREADABLE = ("AccessDeniedException", "AccessDenied", "ResourceNotFound", "ValidationException")
_TAGS = {"mlops:commit": "CommitId", "mlops:pipeline-execution": "PipelineExecutionId", "mlops:build": "Build"}


def show(target: Target, endpoint: str, *, as_json: bool) -> None:
    """Raises LookupError when there is no such endpoint."""
    found = trace(target, endpoint)
    if as_json:
        console.say(as_text(found))
    else:
        _draw(found)


def as_text(found: Document) -> str:
    """As JSON, times as ISO 8601 has them."""
    return json.dumps(found, indent=1, default=_plain)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def trace(target: Target, name: str) -> Document:
    """All that is known, as it becomes JSON; a fact that nothing tells is None."""
    sagemaker = target.client("sagemaker")
    try:
        endpoint = sagemaker.describe_endpoint(EndpointName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("ResourceNotFound", "ValidationException"):
            raise
        raise LookupError(
            f"There is no endpoint {name} in {target.region}: mlops status lists those there are."
        ) from None
    config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    packages: dict[str, Document] = {}
    return {
        "endpoint": {
            "name": name,
            "arn": endpoint["EndpointArn"],
            "status": endpoint["EndpointStatus"],
            "config": endpoint["EndpointConfigName"],
            "created": endpoint["CreationTime"],
            "modified": endpoint["LastModifiedTime"],
        },
        "release": release(target, endpoint["EndpointArn"]),
        "variants": [
            variant(target, each, packages)
            for member in ("ProductionVariants", "ShadowProductionVariants")
            for each in config.get(member, [])
        ],
    }


def release(target: Target, arn: str) -> Document | None:
    """What put there what serves now: the newest action that delivery recorded, or else the endpoint's tags."""
    sagemaker = target.client("sagemaker")
    query = {"SourceUri": arn, "ActionType": recorded.RELEASE, "SortBy": "CreationTime", "SortOrder": "Descending"}
    actions = _asked(lambda: sagemaker.list_actions(**query)["ActionSummaries"])
    if actions:
        described = sagemaker.describe_action(ActionName=actions[0]["ActionName"])
        facts = {**described.get("Properties", {}), **described.get("MetadataProperties", {})}
        by, at = _who(described.get("CreatedBy")), described["CreationTime"]
    else:
        tags = _asked(lambda: sagemaker.list_tags(ResourceArn=arn)["Tags"]) or []
        facts = {_TAGS[each["Key"]]: each["Value"] for each in tags if each["Key"] in _TAGS}
        by, at = None, None
    if not facts:
        return None
    pipeline, execution = facts.get("Pipeline"), facts.get("PipelineExecutionId")
    return {
        "at": at,
        "by": by,
        "commit": facts.get("CommitId"),
        "repository": facts.get("Repository"),
        "pipeline": pipeline,
        "execution": execution,
        "build": facts.get("Build"),
        "approvals": approvals(target, pipeline, execution) if pipeline and execution else [],
        "releases": len(actions or []),
    }


def approvals(target: Target, pipeline: str, execution: str) -> list[Document]:
    """Who let a release on, and why: the answered manual approvals of a CodePipeline execution."""
    codepipeline = target.client("codepipeline")
    pages = codepipeline.get_paginator("list_action_executions").paginate(
        pipelineName=pipeline, filter={"pipelineExecutionId": execution}
    )
    listed = _asked(lambda: [each for page in pages for each in page["actionExecutionDetails"]]) or []
    found = []
    for each in listed:
        if each.get("input", {}).get("actionTypeId", {}).get("category") != "Approval":
            continue
        result = each.get("output", {}).get("executionResult", {})
        found.append(
            {
                "stage": each["stageName"],
                "status": each["status"],
                "by": each.get("updatedBy"),
                "at": each.get("lastUpdateTime"),
                "why": result.get("externalExecutionSummary") or None,
            }
        )
    return found


def variant(target: Target, described: Mapping[str, Any], packages: dict[str, Document]) -> Document:
    """A variant of the endpoint config with its model package; `packages` are those that are known already."""
    sagemaker, name = target.client("sagemaker"), described.get("ModelName")
    model = _asked(lambda: sagemaker.describe_model(ModelName=name)) if name else None
    containers = [model[member] for member in ("PrimaryContainer",) if member in model] if model else []
    containers += (model or {}).get("Containers", [])
    arn = next((each["ModelPackageName"] for each in containers if "ModelPackageName" in each), None)
    if arn and arn not in packages:
        packages[arn] = package(target, arn)
    return {
        "name": described["VariantName"],
        "model": name,
        "model_data": [each["ModelDataUrl"] for each in containers if "ModelDataUrl" in each],
        "package": packages.get(arn) if arn else None,
    }


def package(target: Target, arn: str) -> Document:
    sagemaker = target.client("sagemaker")
    described = _asked(lambda: sagemaker.describe_model_package(ModelPackageName=arn))
    if described is None:
        return {"arn": arn, "unreadable": "This account may not describe it, or it is gone."}
    metadata = described.get("MetadataProperties", {})
    containers = described.get("InferenceSpecification", {}).get("Containers", [])
    made_by = metadata.get("GeneratedBy", "")
    return {
        "arn": described["ModelPackageArn"],
        "group": described.get("ModelPackageGroupName"),
        "version": described.get("ModelPackageVersion"),
        "registered": described["CreationTime"],
        "model_data": [each["ModelDataUrl"] for each in containers if "ModelDataUrl" in each],
        "commit": metadata.get("CommitId"),
        "repository": metadata.get("Repository"),
        "approval": approval(sagemaker, described),
        "execution": execution(sagemaker, made_by) if ":pipeline/" in made_by else None,
        **ancestors(sagemaker, described["ModelPackageArn"]),
    }


def approval(sagemaker: Any, described: Document) -> Document:
    """Of a model package: SageMaker's own lineage action shows when it was decided, later changes set aside."""
    arn = described["ModelPackageArn"]
    listed = _asked(lambda: sagemaker.list_actions(SourceUri=arn, ActionType="Approval")["ActionSummaries"])
    action = sagemaker.describe_action(ActionName=listed[0]["ActionName"]) if listed else {}
    decided = described.get("ModelApprovalStatus") != "PendingManualApproval"
    by = _who(action.get("LastModifiedBy")) or _who(described.get("LastModifiedBy")) or _who(described.get("CreatedBy"))
    return {
        "status": described.get("ModelApprovalStatus"),
        "by": by if decided else None,
        "at": (action.get("LastModifiedTime") or described.get("LastModifiedTime")) if decided else None,
        "why": described.get("ApprovalDescription"),
    }


def execution(sagemaker: Any, arn: str) -> Document:
    described = _asked(lambda: sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn))
    if described is None:
        return {"arn": arn, "unreadable": "This account may not describe it, or it is gone."}
    return {
        "arn": arn,
        "name": described.get("PipelineExecutionDisplayName"),
        "description": described.get("PipelineExecutionDescription"),
        "status": described["PipelineExecutionStatus"],
        "started": described["CreationTime"],
        "ended": described["LastModifiedTime"],
        "by": _who(described.get("CreatedBy")),
    }


def ancestors(sagemaker: Any, package_arn: str) -> Document:
    """What went into a model package, by QueryLineage: `data` and `code` that no job made, images, and the jobs."""
    start = _asked(lambda: recorded.artifact(sagemaker, package_arn))
    empty: Document = {"data": [], "code": [], "images": [], "jobs": []}
    if not start:
        return empty
    vertices, edges = _walk(sagemaker, start)
    made = {each["DestinationArn"] for each in edges if each.get("AssociationType") == "Produced"}
    with ThreadPoolExecutor() as pool:
        described = list(pool.map(lambda each: _went_in(sagemaker, each, made), vertices))
    found = {kind: [one for kinds in described for one in kinds.get(kind, [])] for kind in empty}
    for kind in ("data", "code"):
        versions = {version["uri"]: version for version in found[kind]}
        found[kind] = [versions[uri] for uri in sorted(versions)]
    found["images"].sort()
    found["jobs"].sort(key=lambda job: str(job["started"]))
    return found


def _went_in(sagemaker: Any, vertex: Document, made: set[str]) -> Document:
    """What a vertex adds to the ancestors."""
    if vertex.get("LineageType") == "TrialComponent":
        job = _job(sagemaker, vertex["Arn"])
        return {"jobs": [job], "code": _submitted(sagemaker, job["arn"])}
    if vertex.get("LineageType") != "Artifact" or vertex["Arn"] in made:
        return {}
    uri = sagemaker.describe_artifact(ArtifactArn=vertex["Arn"])["Source"]["SourceUri"]
    if vertex.get("Type") == "Image":
        return {"images": [uri]}
    if vertex.get("Type") == "DataSet":
        return {"code" if "/code/" in uri else "data": [version(uri)]}
    return {}


def _walk(sagemaker: Any, start: str) -> tuple[list[Document], list[Document]]:
    query = {"StartArns": [start], "Direction": "Ascendants", "IncludeEdges": True, "MaxDepth": _DEPTH}
    vertices: dict[str, Document] = {}
    edges: list[Document] = []
    while True:
        page = sagemaker.query_lineage(**query)
        vertices |= {each["Arn"]: each for each in page.get("Vertices", [])}
        edges += page.get("Edges", [])
        if not page.get("NextToken"):
            return [each for arn, each in vertices.items() if arn != start], edges
        query["NextToken"] = page["NextToken"]


def _job(sagemaker: Any, component: str) -> Document:
    described = sagemaker.describe_trial_component(TrialComponentName=component.rsplit("/", 1)[1])
    source = described.get("Source", {}).get("SourceArn", component)
    return {"arn": source, "started": described.get("StartTime"), "ended": described.get("EndTime")}


def _submitted(sagemaker: Any, job: str) -> list[Document]:
    """The script of a training job in script mode: its address is a hyperparameter, which is no input to lineage."""
    if ":training-job/" not in job:
        return []
    described = _asked(lambda: sagemaker.describe_training_job(TrainingJobName=job.rsplit("/", 1)[1])) or {}
    submitted = described.get("HyperParameters", {}).get("sagemaker_submit_directory", "").strip('"')
    return [version(submitted)] if submitted.startswith("s3://") else []


def version(uri: str) -> Document:
    """An address with the content's hash in it, which this project's data and code always have."""
    parts = storage.split(uri)[1].rstrip("/").split("/")
    return {"uri": uri, "hash": next((name for each in parts if _HASH.fullmatch(name := each.split(".")[0])), None)}


def _who(context: Mapping[str, Any] | None) -> str | None:
    """A UserContext in a word: Studio's user, or IAM's identity."""
    if not context:
        return None
    identity = context.get("IamIdentity", {})
    return context.get("UserProfileName") or identity.get("SourceIdentity") or identity.get("Arn")


def _asked(call: Callable[[], Any]) -> Any:
    """None where the account may not ask, or there is nothing of that name."""
    try:
        return call()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _UNREADABLE or code.endswith("NotFoundException"):
            return None
        raise


def _draw(found: Document) -> None:
    from rich.text import Text
    from rich.tree import Tree

    endpoint = found["endpoint"]
    tree = Tree(Text(f"{endpoint['name']}  {endpoint['status']}, config {endpoint['config']}", style="bold"))
    _branch(tree, _of_release(found["release"]))
    for each in found["variants"]:
        node = tree.add(Text(f"variant {each['name']}  model {each['model']}"))
        if each["package"] is None:
            node.add(Text(f"no model package: made of {', '.join(each['model_data']) or 'its image alone'}"))
        else:
            _branch(node, _of_package(each["package"]))
    console.stdout().print(tree)


Lines = Iterator[tuple[int, str]]  # depth and text


def _branch(tree: Any, lines: Lines) -> None:
    from rich.text import Text

    nodes = [tree]
    for depth, line in lines:
        del nodes[depth + 1 :]
        nodes.append(nodes[depth].add(Text(line)))


def _of_release(release: Document | None) -> Lines:
    if release is None:
        yield 0, "released by hand: no build recorded it (mlops deploy, or a pipeline's own step)"
        return
    yield 0, f"released  {_sentence(release['at'], release['by'])}"
    if release["pipeline"] or release["execution"]:
        yield 1, f"CodePipeline  {release['pipeline'] or ''} execution {release['execution'] or 'unknown'}"
    if release["build"]:
        yield 1, f"build  {release['build']}"
    if release["commit"]:
        yield 1, f"commit of the release  {_commit(release)}"
    for each in release["approvals"]:
        why = f": {each['why']}" if each["why"] else ""
        yield 1, f"{each['stage']}  {each['status']} {_sentence(each['at'], each['by'])}{why}"


def _of_package(package: Document) -> Lines:
    if "unreadable" in package:
        yield 0, f"package {package['arn']}  {package['unreadable']}"
        return
    yield 0, f"package {package['group']} version {package['version']}  {package['arn']}"
    approval = package["approval"]
    why = f": {approval['why']}" if approval["why"] else " (no reason was given)" if approval["by"] else ""
    yield 1, f"{approval['status']}  {_sentence(approval['at'], approval['by'])}{why}"
    yield 1, f"commit  {_commit(package) if package['commit'] else 'unknown: nothing told the pipeline which it was'}"
    execution = package["execution"]
    if execution is None:
        yield 1, "execution  none: registered by hand"
    elif "unreadable" in execution:
        yield 1, f"execution {execution['arn']}  {execution['unreadable']}"
    else:
        yield (
            1,
            f"execution {execution['name']}  {execution['status']} {_sentence(execution['started'], execution['by'])}",
        )
        yield 2, execution["arn"]
        if execution["description"]:
            yield 2, execution["description"]
    for label in ("data", "code"):
        if package[label]:
            yield 1, label
            yield from ((2, _address(each)) for each in package[label])
    for each in package["jobs"]:
        yield 1, f"job  {each['arn'].split(':', 5)[-1]}"
    for each in package["images"]:
        yield 1, f"image  {each}"


def _address(version: Document) -> str:
    return f"{version['hash'] or 'no content hash'}  {version['uri']}"


def _commit(document: Document) -> str:
    repository = f" of {document['repository']}" if document["repository"] else ""
    return f"{document['commit']}{repository}"


def _sentence(at: datetime | None, by: str | None) -> str:
    when = at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if at else ""
    return " ".join(part for part in (when, f"by {by}" if by else "") if part)
