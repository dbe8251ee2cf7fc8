"""The playground: a form of the model's input, the endpoint's answer, and what in the record led to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st
from botocore.exceptions import BotoCoreError, ClientError

from dashboard import account, look
from dashboard.endpoints import invocations, served
from dashboard.endpoints.invocations import Answer
from dashboard.endpoints.schema import Field

_COLUMNS = 2  # of the form
_REASONS = 10  # bars shown
_HISTORY = "playground-history"


TITLE, ICON = "Playground", ":material/send:"


def page() -> None:
    endpoint = _choose(served.endpoints())
    if endpoint is None:
        look.empty("No endpoint is in service.", "mlops run churn", "mlops approve churn", "mlops deploy churn")
        return
    variant = _variant(served.variants(endpoint))
    st.caption(served.description(endpoint))
    question, reply = st.columns(2, gap="large")
    with question:
        record, explain = _form(endpoint, served.fields(endpoint))
    with reply:
        if record is not None:
            _ask(endpoint, record, explain=explain, variant=variant)
        else:
            st.info("The form starts at what is most frequent in the training data. Change it, then send it.")
        _history()


def _choose(names: Sequence[str]) -> str | None:
    """The endpoint of the address (`?endpoint=churn-production`), else the newest; the choice goes into the address."""
    if not names:
        return None
    asked = st.query_params.get("endpoint")
    if asked and asked not in names:
        st.warning(f"Endpoint {asked} is not in service.")
    chosen = st.sidebar.selectbox("Endpoint", names, index=names.index(asked) if asked in names else 0)
    st.query_params["endpoint"] = chosen
    return chosen


def _variant(names: Sequence[str]) -> str | None:
    """None leaves the choice to the endpoint's weights."""
    if len(names) == 1:
        return None
    by_weight = "by their weights"
    chosen = st.sidebar.selectbox("Variant", [by_weight, *names])
    return None if chosen == by_weight else chosen


def _form(endpoint: str, fields: Sequence[Field]) -> tuple[dict[str, Any] | None, bool]:
    """The record once it was sent; until then None."""
    with st.form(f"record-{endpoint}"):
        record: dict[str, Any] = {}
        for start in range(0, len(fields), _COLUMNS):  # row by row: on a phone a row's columns are stacked
            for column, field in zip(st.columns(_COLUMNS), fields[start : start + _COLUMNS], strict=False):
                record[field.name] = _input(column, field)
        explain = st.checkbox("Explain the answer (SHAP)", value=True)
        sent = st.form_submit_button("Send", type="primary")
    return (record if sent else None), explain


def _input(where: Any, field: Field) -> Any:
    """A widget that starts at the training data's most frequent value or median."""
    if field.kind == "category":
        return where.selectbox(field.name, field.values)
    if field.kind == "text":
        return where.text_input(field.name, value=field.values[0] if field.values else "")
    number: type[int] | type[float] = int if field.kind == "integer" else float
    said = f"{number(field.low):,} to {number(field.high):,} in the training data"
    return where.number_input(field.name, value=number(field.middle), step=number(1), help=said)


def _ask(endpoint: str, record: dict[str, Any], *, explain: bool, variant: str | None) -> None:
    runtime = account.client("sagemaker-runtime")
    try:
        with st.spinner(f"Asking {endpoint} …"):
            answer = invocations.ask(runtime, endpoint, record, explain=explain, variant=variant)
    except (ClientError, BotoCoreError) as error:
        st.error(look.sentence(error))
        return
    _remember(endpoint, answer)
    _show(endpoint, record, answer, explain=explain)


def _show(endpoint: str, record: dict[str, Any], answer: Answer, *, explain: bool) -> None:
    facts: dict[str, Any] = {name: _number(value) for name, value in answer.prediction.items()}
    facts |= {"latency": f"{answer.milliseconds:.1f} ms", "variant": answer.variant}
    columns = st.columns(2)
    for number, (name, value) in enumerate(facts.items()):
        columns[number % 2].metric(name, value, border=True)
    if answer.reasons:
        _reasons(record, answer.reasons)
    elif explain:
        st.caption("This model sends no SHAP values with its answers.")
    with st.expander("Request and response", expanded=not answer.prediction):
        st.code(_snippet(endpoint, invocations.request_body(record, explain=explain)), language="python")
        st.code(answer.body, language="json")
        st.caption(f"request id {answer.request_id}")


def _reasons(record: dict[str, Any], reasons: dict[str, float]) -> None:
    table = pd.DataFrame(
        {
            "feature": [f"{name} = {record.get(name, '')}" for name in reasons],
            "SHAP value": list(reasons.values()),
            "effect": ["raises the score" if value > 0 else "lowers the score" for value in reasons.values()],
        }
    )
    table = table.loc[table["SHAP value"].abs().sort_values(ascending=False).index].head(_REASONS)
    colours = alt.Scale(domain=["raises the score", "lowers the score"], range=["#d1495b", "#2e86ab"])
    chart = (
        alt.Chart(table)
        .mark_bar()
        .encode(
            x=alt.X("SHAP value:Q", title=None),
            y=alt.Y("feature:N", sort=None, title=None, axis=alt.Axis(labelLimit=220)),
            color=alt.Color("effect:N", scale=colours, legend=None),
            tooltip=["feature", "SHAP value", "effect"],
        )
    )
    st.subheader("What led to this answer")
    st.caption("SHAP values in log-odds: to the right a feature raises the score, to the left it lowers it.")
    st.altair_chart(chart, width="stretch", alt="SHAP value of each feature of this record, the largest first")


def _remember(endpoint: str, answer: Answer) -> None:
    """In the browser's session only."""
    row = {
        "endpoint": endpoint,
        "variant": answer.variant,
        "latency": f"{answer.milliseconds:.1f} ms",
        **answer.prediction,
    }
    st.session_state.setdefault(_HISTORY, []).insert(0, row)


def _history() -> None:
    if rows := st.session_state.get(_HISTORY):
        st.subheader("Asked so far")
        st.dataframe(pd.DataFrame(rows), hide_index=True)


def _number(value: Any) -> Any:
    return f"{value:.4g}" if isinstance(value, float) else value


def _snippet(endpoint: str, body: str) -> str:
    """The same question from a program."""
    return (
        'import boto3\n\nresponse = boto3.client("sagemaker-runtime").invoke_endpoint(\n'
        f"    EndpointName={json.dumps(endpoint)},\n"
        f'    ContentType="{invocations.JSON}",\n    Accept="{invocations.JSON}",\n'
        f"    Body={body!r},\n)\n"
        'print(response["Body"].read().decode())'
    )
