"""Model cards: each edit of the content makes a version; the status is of a version, and changes in place.

The API reference says that one UpdateModelCard changes content or status and never both, and that Describe answers the
newest version unless one is named. Its words for errors, and which status a new version has, were not found: here it
keeps the one before.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal.api import listing
from sagelocal.api.errors import AwsError, validation
from sagelocal.api.resources import RESOURCES, Resource
from sagelocal.store import Condition

if TYPE_CHECKING:
    import jsonschema

    from sagelocal.app import SageLocal

Document = dict[str, Any]
CARD, VERSION, EXPORT = "ModelCard", "ModelCardVersion", "ModelCardExportJob"
_SCHEMA = Path(__file__).parent / "content.schema.json"
_VERSIONS = Resource(
    VERSION, "model-card", "ModelCardVersionSummaryList", "ModelCardStatus", order="Descending", noun=CARD
)


def create_model_card(app: SageLocal, request: Document) -> Document:
    check_content(request["Content"])
    document = {name: value for name, value in request.items() if name != "Tags"}
    document |= {"ModelCardVersion": 1, "CreatedBy": {}, "LastModifiedBy": {}}
    with app.store.transaction():
        made = app.create(CARD, document, tags=request.get("Tags"))
        _keep(app, made)
    return made


def update_model_card(app: SageLocal, request: Document) -> Document:
    card = app.find(CARD, request["ModelCardName"])
    name = card["_name"]
    if "Content" in request and "ModelCardStatus" in request:
        raise validation("You cannot update both the content and the status of a model card in a single call.")
    if "Content" in request:
        check_content(request["Content"])
    with app.store.transaction():
        version = app.store.get(CARD, name)["ModelCardVersion"]
        if "Content" in request:
            moment = app.now()
            changes = {"Content": request["Content"], "ModelCardVersion": version + 1, "LastModifiedTime": moment}
            _keep(app, app.store.update(CARD, name, changes))
        elif "ModelCardStatus" in request:
            changes = {"ModelCardStatus": request["ModelCardStatus"]}
            app.store.update(CARD, name, changes)
            app.store.update(VERSION, _key(name, version), changes)
    return {"ModelCardArn": card["ModelCardArn"]}


def describe_model_card(app: SageLocal, request: Document) -> Document:
    """The newest version, or the one that is asked for. IncludedData MetadataOnly leaves the content empty."""
    card = app.find(CARD, request["ModelCardName"])
    found = find_version(app, card, request["ModelCardVersion"]) if "ModelCardVersion" in request else card
    shown = {**found, "CreationTime": card["CreationTime"]}
    return {**shown, "Content": ""} if request.get("IncludedData") == "MetadataOnly" else shown


def delete_model_card(app: SageLocal, request: Document) -> Document:
    """With its versions and what is known of its exports; the exported files stay in S3."""
    card = app.find(CARD, request["ModelCardName"])
    with app.store.transaction():
        for kind in (VERSION, EXPORT):
            for each in app.store.list(kind, parent=card["_name"]):
                app.store.delete(kind, each["_name"])
        app.store.delete(CARD, card["_name"])
    return {}


def list_model_card_versions(app: SageLocal, request: Document) -> Document:
    card = app.find(CARD, request["ModelCardName"])
    asked = {name: value for name, value in request.items() if name != "SortBy"} | {"SortBy": "ModelCardVersion"}
    where: list[Condition] = []
    if "ModelCardStatus" in request:
        where.append(("ModelCardStatus", "=", request["ModelCardStatus"]))
    return listing.stored(app.store, _VERSIONS, asked, card["_name"], where)


def create_model_card_export_job(app: SageLocal, request: Document) -> Document:
    card = app.find(CARD, request["ModelCardName"])
    version = request.get("ModelCardVersion", card["ModelCardVersion"])
    find_version(app, card, version)
    name = request["ModelCardExportJobName"]
    document = {
        **request,
        "ModelCardName": card["ModelCardName"],
        "ModelCardVersion": version,
        "Status": "InProgress",
    }
    path = f"{card['ModelCardName'].lower()}/export-job/{name.lower()}"
    key = _key(card["_name"], name)
    made = app.create(EXPORT, document, parent=card["_name"], name=key, path=path)
    app.model_cards.start(key)
    return made


def describe_model_card_export_job(app: SageLocal, request: Document) -> Document:
    return _shown(app.find(EXPORT, request["ModelCardExportJobArn"]))


def list_model_card_export_jobs(app: SageLocal, request: Document) -> Document:
    where: list[Condition] = []
    if "ModelCardVersion" in request:
        where.append(("ModelCardVersion", "=", request["ModelCardVersion"]))
    if contained := request.get("ModelCardExportJobNameContains"):
        where.append(("ModelCardExportJobName", "contains", contained))
    found = app.store.find(CARD, request["ModelCardName"])
    parent = found["_name"] if found else request["ModelCardName"]
    page = listing.stored(app.store, RESOURCES[EXPORT], request, parent, where)
    summaries = RESOURCES[EXPORT].summaries
    return {**page, summaries: [_shown(each) for each in page[summaries]]}


def find_version(app: SageLocal, card: Document, version: int) -> Document:
    found = app.store.find(VERSION, _key(card["_name"], version))
    if found is None:
        raise AwsError("ResourceNotFound", f"Model card {card['ModelCardArn']} has no version {version}.")
    return found


def check_content(content: str) -> None:
    """Raises ValidationException for what is no JSON or not by the developer guide's schema."""
    try:
        document = json.loads(content)
    except ValueError as error:
        raise validation(f"The content of a model card has to be JSON: {error}.") from error
    problems = sorted(_validator().iter_errors(document), key=lambda each: each.json_path)
    if problems:
        said = "; ".join(f"{each.json_path}: {each.message}" for each in problems[:5])
        raise validation(f"The content does not follow the model card JSON schema: {said}")


@functools.cache
def _validator() -> jsonschema.Draft7Validator:
    import jsonschema  # 0.1 s that a start need not take

    return jsonschema.Draft7Validator(json.loads(_SCHEMA.read_text(encoding="utf-8")))


def _keep(app: SageLocal, card: Document) -> None:
    """The card as it is now, as one of its versions."""
    key = _key(card["_name"], card["ModelCardVersion"])
    document = {**card, "_name": key, "CreationTime": card["LastModifiedTime"]}
    app.store.create(VERSION, key, document, parent=card["_name"])


def _key(card: str, part: object) -> str:
    return f"{card}/{part}"


def _shown(job: Document) -> Document:
    return {**job, "CreatedAt": job["CreationTime"], "LastModifiedAt": job["LastModifiedTime"]}


OPERATIONS = {
    "CreateModelCard": create_model_card,
    "UpdateModelCard": update_model_card,
    "DescribeModelCard": describe_model_card,
    "DeleteModelCard": delete_model_card,
    "ListModelCardVersions": list_model_card_versions,
    "CreateModelCardExportJob": create_model_card_export_job,
    "DescribeModelCardExportJob": describe_model_card_export_job,
    "ListModelCardExportJobs": list_model_card_export_jobs,
}
