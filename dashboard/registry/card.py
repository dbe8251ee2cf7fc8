"""A version's model card, as SageMaker keeps it, and its PDF."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st
from botocore.exceptions import ClientError

from dashboard import account, look, objects
from dashboard.registry.measured import Version
from dashboard.registry.reading import Document
from dashboard.registry.versions import Group
from deploy import model_card
from deploy.state import find

_SECTIONS = {  # of the schema of model cards (developer guide, "Model card JSON schema"), in its order
    "model_overview": "Overview",
    "intended_uses": "Intended uses",
    "business_details": "Business",
    "training_details": "Training",
    "evaluation_details": "Evaluation",
    "additional_information": "More",
}
_UNNAMED = ("metric_groups", "metric_data")  # what is in them has names
_MOST = 40  # rows of a list


def show(group: Group, candidate: Version) -> None:
    case = group.arn.rsplit("/", 1)[-1]
    found = read(
        model_card.name(case, candidate.number), candidate.package.get("ModelCard", {}).get("ModelCardContent", "")
    )
    if not found:
        command = f"mlops card {case} --version {candidate.number}"
        look.empty(f"{candidate.label.capitalize()} has no model card.", *([command] if group.use_case else []))
        return
    content, status, pdf = found
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(look.badge(status) if status else "")
        for link in objects.links((pdf,)).values() if pdf else ():
            st.link_button("PDF", link, icon=":material/picture_as_pdf:")
    for section, title in _SECTIONS.items():
        if content.get(section):
            st.subheader(title, anchor=False)
            draw(content[section])


@account.kept
def read(name: str, registered: str) -> tuple[Document, str, str] | None:
    """Content, status and the PDF's address; None without a card. `registered`: what the version itself holds."""
    sagemaker = account.client("sagemaker")
    described = find(sagemaker.describe_model_card, ModelCardName=name) or {}
    text = described.get("Content") or registered
    if not text:
        return None
    pdf = _exported(sagemaker, name) if described else ""
    return json.loads(text), described.get("ModelCardStatus", ""), pdf


def _exported(sagemaker: Any, name: str) -> str:
    query = {"ModelCardName": name, "StatusEquals": "Completed", "SortBy": "CreationTime", "SortOrder": "Descending"}
    try:
        found = sagemaker.list_model_card_export_jobs(**query)["ModelCardExportJobSummaries"]
        if not found:
            return ""
        arn = found[0]["ModelCardExportJobArn"]
        job = sagemaker.describe_model_card_export_job(ModelCardExportJobArn=arn)
    except ClientError:  # who may read cards may not always read exports
        return ""
    return str(job.get("ExportArtifacts", {}).get("S3ExportArtifacts", ""))


def draw(value: Any) -> None:
    """A part of a card: what is a word or number in a table, what is more below it."""
    if isinstance(value, Mapping):
        _members(value)
    elif isinstance(value, list):
        _list([each for each in value[:_MOST] if isinstance(each, Mapping)])


def _members(section: Mapping[str, Any]) -> None:
    if rows := leaves(section):
        st.table([{"": look.plain(name), " ": look.plain(text)} for name, text in rows.items()], hide_header=True)
    for key, value in section.items():
        if isinstance(value, Mapping | list) and value and _words(key) not in rows:
            if key not in _UNNAMED:
                st.markdown(f"**{look.plain(_words(key))}**")
            draw(value)


def leaves(section: Mapping[str, Any]) -> dict[str, str]:
    """Words and numbers, and lists of them."""
    found = {}
    for key, value in section.items():
        plain = isinstance(value, str | int | float)
        if plain or (isinstance(value, list) and all(isinstance(each, str | int | float) for each in value)):
            found[_words(key)] = str(value) if plain else ", ".join(map(str, value[:_MOST]))
    return {name: text for name, text in found.items() if text}


def _list(values: list[Mapping[str, Any]]) -> None:
    """Names with values are a table; graphs are drawn on the other parts of the page."""
    named = [each for each in values if "name" in each and isinstance(each.get("value"), str | int | float)]
    if named:
        st.table([_row(each) for each in named], hide_header=True)
    for each in values:
        if each in named or isinstance(each.get("value"), list):
            continue
        if title := each.get("name"):
            st.markdown(f"**{look.plain(str(title))}**")
        _members({key: value for key, value in each.items() if key != "name"})


def _row(metric: Mapping[str, Any]) -> dict[str, str]:
    said = (metric["name"], _number(metric["value"]), metric.get("notes", ""))
    return {" " * place: look.plain(str(each)) for place, each in enumerate(said)}


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _words(key: str) -> str:
    spaced = key.replace("_", " ")
    return spaced[:1].upper() + spaced[1:]
