"""The dashboard: Streamlit pages over plain boto3. `mlops dashboard` opens it (server.py runs it).

Each folder is a page, whose page.py says which file draws what; navigation.py has their addresses. `scored/` is what
pages of use cases, such as churn.py, are made of. What pages share:

account.py, objects.py     the account's clients, kept answers, calls side by side; objects of S3
look.py                    states, times, numbers, errors, what redraws itself, the pages of a list
changes.py                 whatever changes something, confirmed before
surroundings.py            what the command line said
alarms.py, logs.py         CloudWatch's alarms, and logs
bias.py, effects.py        bias metrics, and SHAP values of one record
graph/                     a graph's drawing

Clients follow the environment (endpoint variables, credentials, region) that the command line has set.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import account, changes, look, navigation, surroundings

_STYLE = Path(__file__).with_name("look.css")
_ICON = Path(__file__).with_name("icon.svg")  # a browser would fetch Streamlit's own icons from Google


def main(first: str = "") -> None:
    """Draws the page that the address names, or `first`; without one, the root leads to the first of them."""
    st.set_page_config(page_title="mlops", page_icon=_ICON, layout="wide")
    st.html(_STYLE)
    every = {"": list(navigation.PAGES), "Use cases": list(navigation.own_pages())}
    pages = {
        heading: [navigation.page(address, default=address == first) for address in addresses]
        for heading, addresses in every.items()
        if addresses
    }
    if not first:  # the default page has no address but the root: as such, /pipelines would not be found
        pages[""].append(st.Page(_root, title="mlops", url_path="root", default=True, visibility="hidden"))
    chosen = st.navigation(pages)
    st.query_params.update()  # changes nothing but the browser's address, which a link within the same page leaves
    with look.errors():
        _where()
        changes.said()
        st.title(chosen.title)
        chosen.run()


def _root() -> None:
    st.switch_page(navigation.page(next(iter(navigation.PAGES))), query_params=st.query_params.to_dict())


def _where() -> None:
    """Account and region: on AWS in red on every page, else beneath the menu."""
    around, target = surroundings.read(), account.target()
    place = f"account {target.account}, region {target.region}"
    if around.target == "aws":
        changing = "changes are allowed" if around.may_change else "read-only"
        st.markdown(f":red-background[:red[:material/cloud: **AWS {place}: {changing}**]]")
    st.sidebar.caption(place)


if __name__ == "__main__":
    main()
