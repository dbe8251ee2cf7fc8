"""Groups and versions of the registry, and which endpoints serve them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import streamlit as st
from botocore.exceptions import ClientError

from dashboard import account, look
from dashboard.registry.reading import Document
from deploy import names, served, state
from mlops import use_cases

PAGE = 25  # versions on a page
_CHOICES = 100  # versions that are offered to compare with
_SERVING = ("InService", "Updating", "SystemUpdating", "RollingBack")
_ENDPOINTS = 50  # of any name, the newest, whose models are looked at


@dataclass(frozen=True)
class Group:
    name: str  # of another account's group its ARN, by which calls name it
    arn: str
    use_case: bool

    @property
    def title(self) -> str:
        owner = self.arn.split(":")[4]
        short = self.arn.rsplit("/", 1)[-1]
        return f"{short} of account {owner}" if self.name == self.arn else short


@account.kept
def groups() -> list[Group]:
    """Those of use cases first, each kind by name; groups that other accounts share come last."""
    ours = {case.name for case in use_cases.find_all()}
    mine = account.target().account
    listed = {each["ModelPackageGroupArn"]: each["ModelPackageGroupName"] for each in _groups("SameAccount")}
    try:
        shared = [each["ModelPackageGroupArn"] for each in _groups("CrossAccount")]
    except ClientError:  # nothing is shared with whom may not ask
        shared = []
    found = [Group(name, arn, name in ours) for arn, name in listed.items()]
    found += [Group(arn, arn, False) for arn in shared if arn not in listed and arn.split(":")[4] != mine]
    return sorted(found, key=lambda each: (not each.use_case, each.name.startswith("arn:"), each.name))


def _groups(whose: str) -> list[dict[str, Any]]:
    pages = account.client("sagemaker").get_paginator("list_model_package_groups")
    query = {"CrossAccountFilterOption": whose, "PaginationConfig": {"PageSize": 100}}
    return [each for page in pages.paginate(**query) for each in page["ModelPackageGroupSummaryList"]]


@dataclass(frozen=True)
class Page:
    packages: list[Document]  # DescribeModelPackage, newest first
    older: datetime | None  # what `before` of the next page is; None where there are no older ones


@account.kept
def page(group: str, approval: str = "", before: datetime | None = None) -> Page:
    """Versions of a group, optionally those of one ModelApprovalStatus, made at `before` at the latest."""
    sagemaker = account.client("sagemaker")
    listed = _summaries(group, PAGE + 1, approval, before)
    packages = account.together(lambda each: describe(sagemaker, each["ModelPackageArn"]), listed[:PAGE])
    return Page([each for each in packages if each], listed[PAGE]["CreationTime"] if len(listed) > PAGE else None)


def _summaries(group: str, count: int, approval: str = "", before: datetime | None = None) -> list[dict[str, Any]]:
    query: dict[str, Any] = {"ModelPackageGroupName": group, "SortBy": "CreationTime", "SortOrder": "Descending"}
    query |= {"ModelApprovalStatus": approval} if approval else {}
    query |= {"CreationTimeBefore": before + timedelta(milliseconds=1)} if before else {}
    query["MaxResults"] = min(count, 100)
    return list(account.client("sagemaker").list_model_packages(**query)["ModelPackageSummaryList"])


@account.kept
def newest(group: str) -> list[dict[str, Any]]:
    """Summaries of as many versions as are offered to compare with, newest first."""
    found = _summaries(group, _CHOICES)
    return sorted(found, key=lambda each: -each.get("ModelPackageVersion", 0))


@account.kept
def package(group: Group, version: str) -> Document:
    """DescribeModelPackage of a version's number. Raises LookupError naming the group where there is none."""
    arn = f"{group.arn.replace(':model-package-group/', ':model-package/')}/{version}"
    if version.isdecimal() and (found := describe(account.client("sagemaker"), arn)):
        return found
    raise LookupError(f"The group {group.title} has no version {version}.")


def describe(sagemaker: Any, arn: str) -> Document | None:
    """None for one that was deleted."""
    found = state.find(sagemaker.describe_model_package, ModelPackageName=arn)
    return {key: value for key, value in found.items() if key != "ResponseMetadata"} if found else None


def serving(group: Group) -> dict[str, list[str]]:
    """What `in_service` finds; says it where that is not all."""
    found = in_service(group)
    if found.hidden:
        st.warning(look.harmless(found.hidden), icon=":material/warning:")
    return found.endpoints


@dataclass(frozen=True)
class Serving:
    endpoints: dict[str, list[str]]  # names by what they serve: the ARN of a model package, the address of an artifact
    hidden: str = ""  # why that is not known of an endpoint that is named after the group


@account.kept
def in_service(group: Group) -> Serving:
    """Looked for among endpoints that are named after the group, and the newest of all."""
    sagemaker, prefix = account.client("sagemaker"), production(group).removesuffix("production")
    named: dict[str, Any] = {"NameContains": prefix, "MaxResults": 100}
    queries = [named, {"MaxResults": _ENDPOINTS}]
    newest_first = {"SortBy": "CreationTime", "SortOrder": "Descending"}
    listed = account.together(lambda query: sagemaker.list_endpoints(**query, **newest_first)["Endpoints"], queries)
    serving = [each["EndpointName"] for some in listed for each in some if each["EndpointStatus"] in _SERVING]
    running = list(dict.fromkeys(serving))
    found: dict[str, list[str]] = {}
    hidden = ""
    for endpoint, models in zip(running, account.together(lambda name: _served(sagemaker, name), running), strict=True):
        if isinstance(models, str):
            hidden = hidden or (f"What {endpoint} serves is not known. {models}" if endpoint.startswith(prefix) else "")
            continue
        for each in models:
            found.setdefault(each, []).append(endpoint)
    return Serving(found, hidden)


def _served(sagemaker: Any, endpoint: str) -> list[str] | str:
    """Or why it is not known."""
    try:
        containers = served.containers(sagemaker, endpoint)
    except ClientError as error:
        return look.sentence(error)
    except (LookupError, KeyError):  # gone meanwhile, or of inference components
        return []
    named = [each.get("ModelPackageName") or each.get("ModelDataUrl") for each in containers]
    return list(dict.fromkeys(each for each in named if each))


def endpoints_of(package: Document, serving: dict[str, list[str]]) -> list[str]:
    """A pipeline's own deploy step makes its model from the artifact, so that counts too."""
    found = [*serving.get(package["ModelPackageArn"], []), *serving.get(artifact(package), [])]
    return sorted(set(found), key=lambda name: (not name.endswith("-production"), name))


def artifact(package: Document) -> str:
    containers = package.get("InferenceSpecification", {}).get("Containers", [])
    return next((str(each["ModelDataUrl"]) for each in containers if each.get("ModelDataUrl")), "")


def production(group: Group) -> str:
    """The name that the endpoint of the group's production has."""
    return names.endpoint_name(group.arn.rsplit("/", 1)[-1], "production")
