"""The account that the pages show, by boto3 as the process's own AWS variables lead it.

Reading is kept for some seconds (`kept`), nothing else is kept anywhere. Unless changes are allowed, the clients
themselves refuse every call that is not one of reading: no page can forget to ask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

import streamlit as st

from dashboard import surroundings
from mlops import targets
from mlops.targets import Target

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A")

KEPT_SECONDS = 5
AT_ONCE = 10  # calls: as many connections as a botocore client keeps
_READING = (
    "BatchDescribe",
    "BatchGet",
    "Describe",
    "Filter",
    "Get",
    "Head",
    "List",
    "Query",
    "Search",
    "TestEventPattern",
)


class ReadOnly(Exception):
    """A call that changes something, where that is not allowed."""


def kept(function: Callable[P, R]) -> Callable[P, R]:
    """The answer of the same arguments, for KEPT_SECONDS; `changes` forgets them all when something was changed.

    Arguments whose names begin with _ are not compared (Streamlit's rule).
    """
    return st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)(function)


@st.cache_resource(show_spinner=False)
def target() -> Target:
    """What mlops' readings take. Raises LookupError without credentials or region."""
    found = targets.connect("here")
    if not surroundings.read().may_change:
        found.session.events.register("provide-client-params", refuse)
    return found


def client(service: str) -> Any:
    """A boto3 client; one a service, as they are safe to share between threads."""
    return target().client(service)


def together(function: Callable[[A], R], arguments: Iterable[A]) -> list[R]:
    """The function of each, side by side, in their order. Make clients before: boto3 makes them in one thread only."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(function, arguments))


def refuse(model: Any, **_: Any) -> None:
    """A botocore handler. Raises ReadOnly for what is not reading, before anything is sent."""
    if not model.name.startswith(_READING):
        raise ReadOnly(f"{model.name} changes the account: start with `mlops dashboard --target aws --allow-changes`.")
