"""Shifting traffic between the variants of an endpoint, without a deployment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from dashboard import account, changes, look
from dashboard.changes import Change
from dashboard.endpoints import described
from dashboard.endpoints.described import Found, Variant
from deploy.names import CHALLENGER


def show(found: Found) -> None:
    own = [each for each in described.variants(found) if not each.shadow]
    if len(own) < 2:
        _alone(found, own)
        return
    with st.expander("Shift traffic", icon=":material/tune:", expanded=True):
        now = {each.name: each.desired_weight for each in own}
        wanted = _asked(found.name, own)
        reason = _reason(found, now, wanted)
        if reason:
            st.caption(reason)
        changes.button(
            "Shift traffic …",
            change(found.name, now, wanted),
            key=f"shift-{found.name}",
            icon=":material/swap_horiz:",
            unless=reason,
        )


def _alone(found: Found, own: Sequence[Variant]) -> None:
    if not own:
        return
    if any(each.shadow for each in described.variants(found)):
        words = f"{own[0].name} answers every request, and the shadow's answers nobody gets: no traffic to shift."
    elif described.is_serverless(found):
        words = "A serverless endpoint has one variant, which takes every request: no traffic to shift."
    else:
        words = f"{own[0].name} is the only variant and takes every request: no traffic to shift."
        if owner := described.use_case(found):
            words += f" `mlops deploy {owner} --stage {described.stage(found)} --variant B=2:0.1` puts one beside it."
    st.caption(words)


def _asked(endpoint: str, own: Sequence[Variant]) -> dict[str, float]:
    """A number a variant, and what share of the requests all of them make of it."""
    columns = st.columns(min(len(own), 4))
    wanted = {
        each.name: columns[number % len(columns)].number_input(
            f"Weight of {each.name}",
            min_value=0.0,
            value=float(f"{each.desired_weight:.6g}"),  # AWS keeps weights in single precision
            step=0.1,
            format="%g",
            key=f"weight-{endpoint}-{each.name}",
        )
        for number, each in enumerate(own)
    }
    for number, (name, share) in enumerate(described.shares(wanted).items()):
        columns[number % len(columns)].progress(share, text=f"{name}: {percent(share)} of the requests")
    return wanted


def _reason(found: Found, now: Mapping[str, float], wanted: Mapping[str, float]) -> str:
    """Why the weights can't be set as they are asked for; empty when they can."""
    if found.status != "InService":
        return f"{found.name} is {found.status}: weights can be set once it is InService."
    if not sum(wanted.values()):
        return "At least one variant needs a weight above 0."
    before, after = described.shares(now), described.shares(wanted)
    if all(abs(before[name] - after[name]) < 1e-6 for name in after):
        return "These are the shares it has: change a weight to shift traffic."
    return ""


def change(endpoint: str, now: Mapping[str, float], wanted: Mapping[str, float]) -> Change:
    """UpdateEndpointWeightsAndCapacities, for which no instance is started or stopped."""
    before, after = described.shares(now), described.shares(wanted)
    rows = [f"| {look.plain(name)} | {percent(before[name])} | {percent(after[name])} |" for name in after]
    table = "\n".join(["| variant | of the requests now | then |", "|---|---|---|", *rows])

    test = " An A/B test that runs would find a sample-ratio mismatch." if CHALLENGER in wanted else ""

    def shift() -> str:
        sagemaker = account.client("sagemaker")
        variants = sagemaker.describe_endpoint(EndpointName=endpoint).get("ProductionVariants", [])
        if {each["VariantName"]: each.get("DesiredWeight") for each in variants} != dict(now):
            raise LookupError(
                "Nothing was sent: the variants or their weights were changed meanwhile. Load the page anew."
            )
        sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=endpoint,
            DesiredWeightsAndCapacities=[
                {"VariantName": name, "DesiredWeight": weight} for name, weight in wanted.items()
            ],
        )
        said = ", ".join(f"{name} {percent(share)}" for name, share in after.items())
        return f"The traffic of {endpoint} goes over: {said}."

    return Change(
        title=f"Shift the traffic of {endpoint}?",
        does=f"{table}\n\nNo instance starts or stops, and no request is lost. "
        f"`mlops deploy` sets the stage's declared weights again.{test}",
        confirm=f"Shift {endpoint}",
        call=shift,
    )


def percent(share: float) -> str:
    return f"{100 * share:.3g} %"
