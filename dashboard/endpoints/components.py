"""Inference components: the models that share an endpoint's instances."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import account, look
from dashboard.endpoints.described import Found

_MOST = 25


def show(found: Found) -> None:
    every = read(found.name)
    if not every:
        st.caption("No inference component is on its instances yet: CreateInferenceComponent puts a model there.")
        return
    st.dataframe(
        [_row(each) for each in every],
        hide_index=True,
        width="stretch",
        column_config={"status": look.status_column("status", [each["InferenceComponentStatus"] for each in every])},
        alt=f"Inference components of {found.name}",
    )


def _row(component: dict[str, Any]) -> dict[str, Any]:
    runtime = component.get("RuntimeConfig", {})
    now, then = runtime.get("CurrentCopyCount", 0), runtime.get("DesiredCopyCount", 0)
    return {
        "inference component": component["InferenceComponentName"],
        "status": [component["InferenceComponentStatus"]],
        "variant": component.get("VariantName", ""),
        "model": component.get("Specification", {}).get("ModelName", ""),
        "copies": str(now) if now == then else f"{now} → {then}",
        "why": component.get("FailureReason", ""),
    }


@account.kept
def read(endpoint: str) -> list[dict[str, Any]]:
    """DescribeInferenceComponent of each."""
    sagemaker = account.client("sagemaker")
    page = sagemaker.list_inference_components(EndpointNameEquals=endpoint, MaxResults=_MOST)
    names = [each["InferenceComponentName"] for each in page["InferenceComponents"]]
    return [sagemaker.describe_inference_component(InferenceComponentName=each) for each in names]
