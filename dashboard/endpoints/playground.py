"""The playground: a form of the model's input, or any body; the endpoint's answer, and what led to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import changes, look, navigation, surroundings
from dashboard.endpoints import answers, described, invocations, served
from dashboard.endpoints.described import Found
from dashboard.endpoints.invocations import Question
from dashboard.endpoints.schema import Field

TITLE, ICON = "Playground", ":material/send:"

_COLUMNS = 2  # of the form
_TYPES = ["application/json", "text/csv", "application/jsonlines", "text/plain", "application/x-npy"]
_BY_WEIGHT, _EACH = "by their weights", "each of them"
_FORM, _BODY = "Form", "Body"


def page() -> None:
    name = _choose(served.names())
    if name is None:
        return
    found = served.endpoint(name)
    variants = [each.name for each in described.variants(found) if not each.shadow]
    if not variants:
        st.info(f"{name} has no variant that answers.")
        return
    variant = _variant(found, variants)
    _description(found, variant if variant in variants else variants[0] if len(variants) == 1 else "")
    question, reply = st.columns(2, gap="large")
    with question:
        asked = _ask(found, variants, variant)
    with reply:
        if asked:
            answers.ask(found, *asked)
        answers.show(found)


def _choose(names: Sequence[str]) -> str | None:
    """The endpoint of the address (`?endpoint=churn-production`), else the newest; the choice goes into the address."""
    asked = st.query_params.get("endpoint")
    if asked and asked not in names:
        status = _status(asked)
        if status in described.SERVING:
            names = [asked, *names]
        else:
            st.warning(f"Endpoint {asked} {status}, and answers nothing.", icon=":material/warning:")
    if not names:
        look.empty("No endpoint is in service.", "mlops run churn", "mlops approve churn", "mlops deploy churn")
        return None
    chosen = st.selectbox("Endpoint", names, index=names.index(asked) if asked in names else 0, width=420)
    st.query_params["endpoint"] = chosen
    return chosen


def _status(name: str) -> str:
    try:
        status = served.endpoint(name).status
    except LookupError:
        return "does not exist"
    return status if status in described.SERVING else f"is {status}"


def _variant(found: Found, names: Sequence[str]) -> str:
    """A variant's name, or _BY_WEIGHT, which leaves the choice to the endpoint, or _EACH."""
    if len(names) == 1 or described.is_asynchronous(found):
        return _BY_WEIGHT
    return st.segmented_control(
        "Variant that answers", [_BY_WEIGHT, _EACH, *names], default=_BY_WEIGHT, key=f"variant-{found.name}"
    ) or _BY_WEIGHT  # fmt: skip


def _description(found: Found, variant: str) -> None:
    """`variant`: the one that answers; empty where it may be another each time."""
    served_ = _version(found, variant) if variant else f"{found.name} serves {described.serves(found)}."
    captured = (found.endpoint.get("DataCaptureConfig") or {}).get("EnableCapture")
    kept = " Data capture keeps what is sent here: monitors see it as traffic." if captured else ""
    st.caption(look.plain(served_ + kept))
    navigation.link("Its variants, traffic and alarms", "endpoints", icon=":material/dns:", endpoint=found.name)


def _version(found: Found, variant: str) -> str:
    try:
        package = served.package(found.name, variant)
    except LookupError:
        return f"{found.name} serves {described.serves(found)}, {described.mode(found)}."
    version, group = package.get("ModelPackageVersion", ""), package.get("ModelPackageGroupName", "")
    return f"{found.name} serves version {version} of {group}, made {look.moment(package['CreationTime'])}."


def _ask(
    found: Found, variants: Sequence[str], variant: str
) -> tuple[Question, list[Mapping[str, str]], dict[str, Any]] | None:
    """Once it is sent: the question, where to put it, one mapping a request, and the record if it was a form's."""
    of = variant if variant in variants else variants[0]
    try:
        fields = served.fields(found.name, of)
    except LookupError as error:
        fields = []
        st.info(
            f"What a request holds is not known, so write it yourself. {look.plain(str(error))}", icon=":material/info:"
        )
    how = _FORM
    if fields:
        how = st.segmented_control("Ask with", [_FORM, _BODY], default=_FORM, key=f"how-{found.name}") or _FORM
    where = _where(found)
    with st.form(f"{how}-{found.name}-{of}"):
        record: dict[str, Any] = {}
        if fields and how == _FORM:
            record = _inputs(fields)
            explain = st.checkbox("Explain the answer (SHAP)", value=True)
            question = Question(invocations.of_record(record, explain=explain), where=where)
        else:
            question = _body(where)
        sent = _send()
    if not sent:
        return None
    if variant == _EACH:
        return question, [{"TargetVariant": each} for each in variants], record
    return question, [{"TargetVariant": variant} if variant in variants else {}], record


def _send() -> bool:
    may = surroundings.read().may_change
    sent = st.form_submit_button("Send", type="primary", disabled=not may, help=None if may else changes.NOT_ALLOWED)
    if not may:
        st.caption(f"A request is traffic of the endpoint. {changes.NOT_ALLOWED}")
    return sent and may


def _inputs(fields: Sequence[Field]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for start in range(0, len(fields), _COLUMNS):  # row by row: on a phone a row's columns are stacked
        for column, field in zip(st.columns(_COLUMNS), fields[start : start + _COLUMNS], strict=False):
            record[field.name] = _input(column, field)
    return record


def _input(where: Any, field: Field) -> Any:
    """A widget that starts at the training data's most frequent value or median."""
    label = look.harmless(field.name)
    if field.kind == "category":
        return where.selectbox(label, field.values)
    if field.kind == "text":
        return where.text_input(label, value=field.values[0] if field.values else "")
    number: type[int] | type[float] = int if field.kind == "integer" else float
    said = f"{number(field.low):,} to {number(field.high):,} in the training data"
    return where.number_input(label, value=number(field.middle), step=number(1), help=said)


def _body(where: Mapping[str, str]) -> Question:
    body = st.text_area("Body", height=220, placeholder='{"instances": [{"feature": 1}]}\n\nor a line of CSV')
    kind, accept = st.columns(2)
    content_type = kind.selectbox("Content type", _TYPES, accept_new_options=True)
    accepted = accept.selectbox("Accept", _TYPES, accept_new_options=True)
    return Question(body, content_type or "", accepted or "", where)


def _where(found: Found) -> dict[str, str]:
    """Which model or container is asked, where an endpoint has several behind one variant."""
    where: dict[str, str | None] = {}
    if described.is_multi_model(found):
        names = served.models(found.name)
        where["TargetModel"] = st.selectbox("Model (TargetModel)", names, accept_new_options=True)
    if hosts := described.hosts(found):
        where["TargetContainerHostname"] = st.selectbox("Container (TargetContainerHostname)", hosts)
    if described.has_components(found):
        where["InferenceComponentName"] = st.text_input("Inference component (InferenceComponentName)")
    return {name: value for name, value in where.items() if value}
