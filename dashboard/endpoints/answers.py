"""Asking, and what came back: facts, reasons, the same question as a program, and all that was asked before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import streamlit as st
from botocore.exceptions import BotoCoreError, ClientError

from dashboard import account, effects, look
from dashboard.endpoints import described, invocations
from dashboard.endpoints.described import Found
from dashboard.endpoints.invocations import Answer, Question

_PATIENCE = 60.0  # s for an asynchronous answer
_HISTORY, _LAST = "playground-history", "playground-last"


@dataclass(frozen=True)
class Exchange:
    endpoint: str
    question: Question
    record: Mapping[str, Any]  # of the form; empty for a body of one's own
    answer: Answer | None
    error: str = ""


def ask(found: Found, question: Question, where: Sequence[Mapping[str, str]], record: Mapping[str, Any]) -> None:
    """Sends it to each of the places, and keeps what came back in the browser's session alone."""
    made = []
    for each in where:
        aimed = replace(question, where={**question.where, **each})
        with st.spinner(f"Asking {each.get('TargetVariant', found.name)} …"):
            made.append(_exchange(found, aimed, record))
    st.session_state[_LAST] = made
    history = st.session_state.setdefault(_HISTORY, [])
    history[:0] = [_row(each) for each in made]


def _exchange(found: Found, question: Question, record: Mapping[str, Any]) -> Exchange:
    runtime = account.client("sagemaker-runtime")
    try:
        if described.is_asynchronous(found):
            answer = invocations.ask_later(runtime, account.client("s3"), found.name, question, _PATIENCE)
        else:
            answer = invocations.ask(runtime, found.name, question)
    except (ClientError, BotoCoreError, account.ReadOnly, RuntimeError, TimeoutError, ValueError) as error:
        return Exchange(found.name, question, record, None, look.sentence(error))
    return Exchange(found.name, question, record, answer)


def _row(exchange: Exchange) -> dict[str, Any]:
    answer = exchange.answer
    row: dict[str, Any] = {
        "at": look.moment(datetime.now(UTC)),
        "endpoint": exchange.endpoint,
        "variant": answer.variant if answer else exchange.question.where.get("TargetVariant", ""),
        "latency": f"{answer.milliseconds:.1f} ms" if answer else "",
    }
    if answer is None:
        return {**row, "error": exchange.error}
    return {**row, **(flat(answer.prediction) or {"answer": answer.body[:200]})}


def show(found: Found) -> None:
    """The last answers of this endpoint, and the history."""
    last: list[Exchange] = st.session_state.get(_LAST, [])
    if not last or last[0].endpoint != found.name:
        st.info("The form starts at what is most frequent in the training data. Change it, then send it.")
    else:
        _side_by_side(found, last)
    if rows := st.session_state.get(_HISTORY):
        st.subheader("Asked so far")
        st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", alt="All that was asked, the newest first")


def _side_by_side(found: Found, exchanges: Sequence[Exchange]) -> None:
    """One answer as it is; several as a table, with what led to each in a tab of its own."""
    if len(exchanges) == 1:
        _show(found, exchanges[0])
        return
    names = [each.question.where.get("TargetVariant", "") for each in exchanges]
    answered = [(name, each.answer) for name, each in zip(names, exchanges, strict=True) if each.answer]
    if answered:
        st.table(pd.DataFrame([{"variant": name, **_facts(answer)} for name, answer in answered]).set_index("variant"))
    for tab, each in zip(st.tabs(names), exchanges, strict=True):
        with tab:
            _details(found, each)


def _facts(answer: Answer) -> dict[str, Any]:
    facts = {name: _number(value) for name, value in flat(answer.prediction).items()}
    return {**facts, "latency": f"{answer.milliseconds:.1f} ms"}


def flat(prediction: Mapping[str, Any]) -> dict[str, Any]:
    """What is in an object has its own name: `probabilities: setosa`."""
    facts: dict[str, Any] = {}
    for name, value in prediction.items():
        if isinstance(value, Mapping):
            facts |= {f"{name}: {inner}": each for inner, each in value.items()}
        else:
            facts[name] = value if isinstance(value, int | float | str) else json.dumps(value)
    return facts


def _show(found: Found, exchange: Exchange) -> None:
    if answer := exchange.answer:
        facts = _facts(answer) | ({"variant": answer.variant} if answer.variant else {})
        columns = st.columns(2)
        for number, (name, value) in enumerate(facts.items()):
            columns[number % 2].metric(name, value, border=True)
    _details(found, exchange)


def _details(found: Found, exchange: Exchange) -> None:
    """What led to the answer, and the exchange itself; or why there is no answer."""
    answer = exchange.answer
    if answer is None:
        st.error(look.plain(exchange.error), icon=":material/error:")
    elif answer.reasons:
        st.subheader("What led to this answer")
        effects.draw(exchange.record, answer.reasons, what="score")
    elif exchange.record and '"explain"' in exchange.question.body:
        st.caption("This model sends no SHAP values with its answers.")
    _program(found, exchange)


def _program(found: Found, exchange: Exchange) -> None:
    answer = exchange.answer
    with st.expander("Request and response", expanded=answer is not None and not answer.prediction):
        st.code(snippet(exchange, asynchronous=described.is_asynchronous(found)), language="python", wrap_lines=True)
        if answer:
            language = "json" if answer.body.lstrip().startswith(("{", "[")) else None
            st.code(answer.body, language=language, wrap_lines=True)
            st.caption(f"request id {answer.request_id}")


def _number(value: Any) -> Any:
    return f"{value:.4g}" if isinstance(value, float) else value


def snippet(exchange: Exchange, *, asynchronous: bool) -> str:
    """The same question from a program."""
    question = exchange.question
    said = {"EndpointName": exchange.endpoint, "ContentType": question.content_type, "Accept": question.accept}
    arguments = [f"    {name}={json.dumps(value)},\n" for name, value in {**said, **question.where}.items() if value]
    call, shown = (
        ("invoke_endpoint_async", 'response["OutputLocation"]')
        if asynchronous
        else ("invoke_endpoint", 'response["Body"].read().decode()')
    )
    return (
        f'import boto3\n\nresponse = boto3.client("sagemaker-runtime").{call}(\n{"".join(arguments)}'
        f"    Body={question.body!r},\n)\nprint({shown})"
    )
