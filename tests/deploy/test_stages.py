"""deploy/stages.yml: what goes over what, and what is said of a word that nothing knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy import monitor_checks, stages
from deploy.declaration import (
    CURRENT_MODEL,
    Autoscaling,
    Capture,
    Deployment,
    Kind,
    Mode,
    Monitor,
    Monitoring,
    Source,
    Variant,
)
from deploy.strategies import AllAtOnce, Canary
from mlops import fraud_challenger
from mlops.use_cases import find_all


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "stages.yml"
    monkeypatch.setattr(stages, "FILE", path)
    return path


def test_what_the_project_declares() -> None:
    for case in find_all():
        for stage in stages.of(case.name).values():
            assert not stage.monitoring or list(monitor_checks.problems(stage.monitoring)) == []
    production = stages.find("production", "churn")
    assert production.deployment.strategy == Canary("50%", 300, 120)
    assert production.monitoring and production.monitoring.retraining
    assert production.monitoring.retraining.on == (Kind.DATA_QUALITY, Kind.MODEL_QUALITY)
    assert production.monitoring.retraining.parameters["CurrentModelUrl"] == CURRENT_MODEL
    fraud = stages.find("production", "fraud").monitoring
    assert fraud and fraud.retraining
    assert (fraud.retraining.source, fraud.retraining.window) == (Source.SCORES, f"P{fraud_challenger.DAYS}D")
    assert fraud.retraining.on == (Kind.DATA_QUALITY, Kind.MODEL_QUALITY)
    # As `mlops retrain` starts it.
    assert fraud.retraining.parameters == {"CurrentModelUrl": CURRENT_MODEL, **fraud_challenger.PARAMETERS}
    other = stages.find("production", "census").monitoring
    assert other and set(other.monitors()) == {Kind.DATA_QUALITY, Kind.EXPLAINABILITY} and not other.retraining


def test_members_of_a_use_case_go_over_its_stages(file: Path) -> None:
    file.write_text("""
staging:
  cost_ceiling: 10
  deployment:
    variants: [{instance_count: 3}, {name: B, version: 2, weight: 0.5}]
    strategy: {kind: canary, size: 1, wait_interval: 7}
    autoscaling: {target_value: 5, max_capacity: 9}
    capture: {initial_sampling_percentage: 10}
  monitoring: {label: a, explainability: null}
  use_cases:
    churn:
      cost_ceiling: 20
      deployment:
        mode: asynchronous
        variants: [{environment: {A: "1"}}]
        strategy: {kind: all-at-once}
        autoscaling: {min_capacity: 0}
        capture: null
      monitoring: {data_quality: {window: P1D, thresholds: {"*": 0.2}}}
""")
    stage, churn = stages.find("staging", "census"), stages.find("staging", "churn")
    assert stage == stages.find("staging")
    assert stage.deployment == Deployment(
        variants=(Variant(instance_count=3), Variant("B", version=2, weight=0.5)),
        strategy=Canary(1, 7),
        autoscaling=Autoscaling(5, max_capacity=9),
        capture=Capture(10),
    )
    assert (stage.cost_ceiling, churn.cost_ceiling) == (10, 20)
    assert churn.deployment == Deployment(
        mode=Mode.ASYNCHRONOUS,
        variants=(Variant(environment={"A": "1"}),),
        strategy=AllAtOnce(),
        autoscaling=Autoscaling(5, 0, 9),
        capture=None,
    )
    watched = Monitor(window="P1D", thresholds={"*": 0.2})
    assert churn.monitoring == Monitoring(label="a", data_quality=watched, explainability=None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("staging: {foo: 1}", "staging: there is no foo. There are account, region, role"),
        ("staging: {name: x}", "staging: there is no name"),
        ("staging: {use_cases: {chrn: {}}}", r"use_cases.chrn, and there is no pipelines/chrn.py"),
        ("staging: {use_cases: {churn: {account: x}}}", "staging, churn: there is no account. There are deployment,"),
        ("staging: {deployment: {variants: [{instance_cout: 2}]}}", "no deployment.variants.0.instance_cout. Is it in"),
        (
            "staging: {use_cases: {census: {monitoring: {lable: x}}}}",
            "staging, census: there is no monitoring.lable. I",
        ),
        ("staging: {account: 123456789012}", "staging: account is 123456789012: .* a valid string. Put it in quotes"),
        ("staging: {account: '12'}", "account is '12', and has to be twelve digits"),
        ("staging: {role: admin}", "role is 'admin', and has to be a role's ARN"),
        ("staging: {time_to_live: 8h}", "time_to_live is '8h', and has to be an ISO 8601 duration"),
        ("staging: {cost_ceiling: 0}", "cost_ceiling is 0, and has to be above 0"),
        ("staging: {deployment: {strategy: canary}}", "deployment.strategy is 'canary': it has a `kind`, which is one"),
        ("staging: {deployment: {strategy: {kind: canary, sice: 2}}}", "no deployment.strategy.sice. Is it size?"),
        ("staging: {deployment: {capture: yes}}", 'deployment.capture is "yes": input should be an object'),
        ("staging: {monitoring: {retraining: {on: [drift]}}}", "on.0 is \"drift\": input should be 'data-quality'"),
        ("staging: {deployment: 3}", "staging deployment is 3, and has to be a mapping"),
        ("a b: {}", "a b: name is 'a b', and has to be letters"),
        ("staging: {}\nstaging: {}", "is no YAML: staging stands there twice"),
        ("staging: [", "is no YAML"),
        ("staging: 3", "staging is 3, and has to be a mapping"),
    ],
)
def test_what_has_no_place_there_is_named(text: str, said: str, file: Path) -> None:
    file.write_text(text)
    with pytest.raises(ValueError, match=f"(?s)^{file}.*{said}"):
        stages.of("churn")


def test_a_stage_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(LookupError, match=r"stages.yml declares no stage prod. It has staging, production, rehearsal"):
        stages.find("prod")
