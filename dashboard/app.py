"""The dashboard: Streamlit pages over plain boto3. `mlops invoke churn --open` opens its playground.

Clients follow the environment (endpoint variables, credentials, region) that the command line has set.
"""

from __future__ import annotations

import streamlit as st

from dashboard import playground

st.set_page_config(page_title="mlops", page_icon=":material/hub:", layout="wide")
st.navigation([st.Page(playground.page, title="Playground", icon=":material/send:")]).run()
