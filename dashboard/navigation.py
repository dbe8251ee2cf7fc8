"""Which pages there are, and links between them.

A page is a module with TITLE, ICON and `page()`. The ones below are for every use case; a use case's own is the file of
its name in this folder (`ls */churn.py` shows it too), or page.py of the folder of its name, found and not registered.
"""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import streamlit as st

from deploy.names import module_name
from mlops import use_cases

HERE = Path(__file__).resolve().parent
PAGES = {  # address: module; the first one is what opens
    "pipelines": "dashboard.executions.page",
    "registry": "dashboard.registry.page",
    "endpoints": "dashboard.endpoints.page",
    "playground": "dashboard.endpoints.playground",
    "monitoring": "dashboard.monitoring.page",
    "experiments": "dashboard.experiments.page",
    "delivery": "dashboard.delivery.page",
}


@functools.cache
def own_pages(folder: Path = HERE) -> dict[str, str]:
    """Of the use cases that have one, sorted by name: address to module."""
    found = {}
    for case in use_cases.find_all():
        for own in (module_name(case.name), f"{module_name(case.name)}/page"):
            if (folder / f"{own}.py").is_file():
                found[case.name] = f"dashboard.{own.replace('/', '.')}"
    return found


def module(address: str) -> ModuleType:
    return importlib.import_module({**PAGES, **own_pages()}[address])


def page(address: str, *, default: bool = False) -> Any:
    """Streamlit's page of an address. Raises KeyError for one that is none."""
    found = module(address)
    return st.Page(found.page, title=found.TITLE, icon=found.ICON, url_path=address, default=default)


def link(label: str, address: str, *, icon: str | None = None, **query: str) -> None:
    """A link to a page of ours, such as `link("version 3", "registry", group="churn", version="3")`."""
    st.page_link(page(address), label=label, icon=icon, query_params=query or None)


def to_version(group: str, version: str) -> None:
    """A link to a version of a model package group."""
    link(f"{group} version {version}", "registry", icon=":material/inventory_2:", group=group, version=version)


def execution(arn: str) -> tuple[str, str]:
    """Pipeline and id, as addresses have them, of an execution's ARN; empty for what is none."""
    pipeline, _, identifier = arn.rpartition(":pipeline/")[2].partition("/execution/")
    return (pipeline, identifier) if identifier else ("", "")
