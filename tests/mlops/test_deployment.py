"""What `mlops deploy` and `undeploy` make of their options, show and ask."""

from __future__ import annotations

import dataclasses
from typing import cast

import pytest

from deploy import declaration
from deploy.changes import Change
from deploy.declaration import Deployment, Monitoring, Variant
from deploy.state import State
from deploy.strategies import AllAtOnce, Canary, Rolling
from deploy.view import progress
from mlops import deployment
from mlops.deployment import Overrides, overridden
from mlops.errors import Failure
from mlops.targets import Target

CANARY = Deployment(strategy=Canary(size="20%", wait_interval=7, termination_wait=8))
NOTHING = State(None, None, {}, [], [], [], [], [], [])


def test_options_win_over_the_declaration() -> None:
    assert overridden(CANARY, Overrides()) == CANARY
    (variant,) = overridden(CANARY, Overrides(version=3, instance_type="ml.c5.large", instance_count=4)).variants
    assert variant == Variant(version=3, instance_type="ml.c5.large", instance_count=4)
    assert overridden(CANARY, Overrides(strategy="canary")).strategy == CANARY.strategy  # with its declared sizes
    assert overridden(CANARY, Overrides(strategy="rolling", bake=5)).strategy == Rolling(wait_interval=5)
    assert overridden(CANARY, Overrides(strategy="all-at-once", bake=5)).strategy == AllAtOnce(termination_wait=5)
    assert overridden(CANARY, Overrides(bake=0)).strategy == Canary("20%", 0, 0)


def test_a_stage_without_an_endpoint_takes_no_option_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = {"batch": Monitoring(captures="s3://bucket/transform/")}
    monkeypatch.setattr(declaration, "monitored", lambda use_case: watched)
    with pytest.raises(ValueError, match="The stage batch watches batch transform jobs and has no endpoint"):
        deployment.deploy(cast(Target, None), "churn", "batch", Overrides(version=3, instance_count=2))


def test_an_ab_test_and_a_shadow_are_more_variants() -> None:
    two = overridden(CANARY, Overrides(instance_count=2, variants=("challenger=4:0.1",)))
    assert two.variants == (Variant(instance_count=2), Variant("challenger", 4, 0.1, instance_count=2))
    (one,) = overridden(CANARY, Overrides(variants=("AllTraffic=4",))).variants
    assert one == Variant(version=4)
    assert overridden(CANARY, Overrides(shadow=5)).shadow == Variant("Shadow", 5)


@pytest.mark.parametrize("text", ["B", "=3", "B=", "B=x", "B=3:heavy"])
def test_a_variant_that_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=f"--variant {text}: write it as NAME=VERSION or NAME=VERSION:WEIGHT."):
        overridden(CANARY, Overrides(variants=(text,)))


def test_the_diff(capsys: pytest.CaptureFixture[str]) -> None:
    changes = [
        Change("+", "model", "churn-staging-2-0123abcd", ()),
        Change("~", "endpoint", "churn-staging", (), ("variant AllTraffic: weight 1 → 2",)),
    ]
    deployment.show("churn-staging", changes)
    assert capsys.readouterr().out.splitlines() == [
        "churn-staging",
        "  + model churn-staging-2-0123abcd",
        "  ~ endpoint churn-staging",
        "      variant AllTraffic: weight 1 → 2",
        "1 to add, 1 to change",
    ]
    deployment.show("churn-staging", [])
    assert capsys.readouterr().out == "churn-staging: nothing to change\n"


@pytest.mark.parametrize(
    ("sign", "yes", "terminal", "answer", "asked"),
    [
        ("~", False, True, "y", True),
        ("~", False, True, "", True),
        ("-", False, True, "no", True),
        ("+", False, True, None, False),  # nothing that exists changes
        ("~", True, True, None, False),
        ("~", False, False, None, False),  # a script, a pipeline
    ],
)
def test_a_terminal_is_asked_before_anything_changes(
    sign: str, yes: bool, terminal: bool, answer: str | None, asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions: list[str] = []

    def reply(text: str) -> str | None:
        questions.append(text)
        return answer

    monkeypatch.setattr("builtins.input", reply)
    monkeypatch.setattr("sys.stdin.isatty", lambda: terminal)
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    changes = [Change(sign, "endpoint", "churn-staging", ())]
    if asked and answer != "y":
        with pytest.raises(Failure, match="Nothing was changed"):
            deployment.confirm(changes, yes)
    else:
        deployment.confirm(changes, yes)
    assert bool(questions) is asked


def test_the_proof_names_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    before = dataclasses.replace(NOTHING, models=["churn-staging-1-0123abcd"]).listed()
    deployment.prove("churn-staging", before, NOTHING.listed())
    assert "Nothing of churn-staging is left" in capsys.readouterr().out
    with pytest.raises(Failure, match="Not all of churn-staging is gone"):
        deployment.prove("churn-staging", before, before)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["model", "1", "churn-staging-1-0123abcd"] in rows


def test_progress_says_what_the_new_fleet_does() -> None:
    status = {"Status": "Baking", "StatusMessage": "Baking for 60 seconds."}
    variant = {"VariantName": "A", "CurrentInstanceCount": 1, "DesiredInstanceCount": 2, "VariantStatus": [status]}
    one = {"EndpointConfigName": "new", "ProductionVariants": [variant]}
    shown = progress({"EndpointStatus": "Updating", "PendingDeploymentSummary": one})
    assert shown == "Updating: 1 of 2 instances, Baking for 60 seconds"
    two = {"EndpointConfigName": "new", "ProductionVariants": [variant, {"VariantName": "B"}]}
    shown = progress({"EndpointStatus": "Updating", "PendingDeploymentSummary": two})
    assert shown == "Updating: A, 1 of 2 instances, Baking for 60 seconds; B"
    assert progress({"EndpointStatus": "Creating"}) == "Creating"
