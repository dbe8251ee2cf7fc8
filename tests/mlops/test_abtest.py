"""An A/B test from two registered versions to the winner alone, on a running sagelocal."""

from __future__ import annotations

import io
import os
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import regex
from botocore.validate import ParamValidator

from deploy import checks, declaration, registry, served
from deploy.declaration import Alarm, Deployment
from deploy.strategies import Canary, Rolling
from evaluation.abtest_plan import Metric, Plan, Variant
from mlops import abtest, deployment, labels, promotion, targets, traffic
from mlops.abtest import Running
from mlops.errors import Failure
from mlops.targets import LAPTOP, Target
from sagelocal.config import Settings

NAME, STAGE = "churn-staging", "staging"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
ENVIRONMENT = {
    "SAGEMAKER_PROGRAM": "inference.py",
    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
    "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
}
# A record is its truth and how hard it is, 0 to 1: a model is right about all that are easier than it can.
HANDLER = """
def model_fn(model_dir):
    return {skill}

def transform_fn(skill, body, content_type, accept):
    truth, difficulty = body.strip().split(",")
    right = float(difficulty) < skill
    answer = int(truth) if right else 1 - int(truth)
    return f"{0.9 if answer else 0.1},{answer}", accept
"""
SHORT = Deployment(strategy=Canary("50%", 1, 0), alarms=(Alarm("Invocation5XXErrors", 0.5),))


@pytest.fixture
def target(laptop: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    before = dict(os.environ)
    targets.enter_laptop(laptop, os.environ)
    monkeypatch.setattr(declaration, "find", lambda use_case, stage: SHORT)
    yield Target(LAPTOP, laptop.account, laptop.region, boto3.Session(), laptop)
    os.environ.clear()
    os.environ.update(before)


def register(target: Target, skill: float) -> None:
    sagemaker, bucket = target.client("sagemaker"), target.place.bucket
    registry.ensure_group(sagemaker, "churn")
    buffer, code = io.BytesIO(), HANDLER.replace("{skill}", str(skill)).encode()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        entry = tarfile.TarInfo("code/inference.py")
        entry.size = len(code)
        packed.addfile(entry, io.BytesIO(code))
    key = f"models/{skill}/model.tar.gz"
    target.client("s3").put_object(Bucket=bucket, Key=key, Body=buffer.getvalue())
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{bucket}/{key}", "Environment": ENVIRONMENT}
    sagemaker.create_model_package(
        ModelPackageGroupName="churn",
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )


def people(target: Target, folder: Path, count: int, seed: int) -> None:
    """Asks about so many, then tells what became of them."""
    draw = random.Random(seed)
    records = [(draw.randint(0, 1), draw.random()) for _ in range(count)]
    sent = traffic.replay(target, NAME, [f"{truth},{difficulty:.6f}" for truth, difficulty in records])
    rows = [f"{sent.batch}-{number},{'Yes' if truth else 'No'}" for number, (truth, _) in enumerate(records)]
    (file := folder / "labels.csv").write_text("inference_id,Churn\n" + "\n".join(rows) + "\n")
    labels.label(target, "churn", STAGE, file, None, "Churn")


@pytest.mark.namespaces
@pytest.mark.slow
def test_from_two_versions_to_the_better_one(
    target: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for skill in (0.65, 0.9):
        register(target, skill)
    with pytest.raises(LookupError, match="No A/B test of churn-staging runs"):
        promotion.promote(target, "churn", STAGE, None, tmp_path)
    options = abtest.Options(1, 2, effect=0.15, baseline=0.65)
    abtest.start(target, "churn", STAGE, options, yes=True)
    assert "276 labelled records" in capsys.readouterr().out
    with pytest.raises(Failure, match="An A/B test of churn-staging runs"):
        abtest.start(target, "churn", STAGE, options, yes=True)
    with pytest.raises(Failure, match="Let it decide.*or deploy over it with --yes"):
        deployment.deploy(target, "churn", STAGE, deployment.Overrides(version=2))
    people(target, tmp_path, 60, seed=1)
    early = abtest.look(target, "churn", STAGE, tmp_path)
    assert (early["outcome"], early["winner"], early["decided"]) == ("open", "", False)
    with pytest.raises(Failure, match="Nothing is decided yet.*--yes --reason"):
        promotion.promote(target, "churn", STAGE, None, tmp_path)
    people(target, tmp_path, 500, seed=2)
    with pytest.raises(Failure, match="B \\(version 2\\) is better.*To promote A all the same"):
        promotion.promote(target, "churn", STAGE, "A", tmp_path, yes=True)
    assert promotion.promote(target, "churn", STAGE, None, tmp_path) == "B"
    sagemaker = target.client("sagemaker")
    found = sagemaker.describe_endpoint(EndpointName=NAME)
    assert [each["VariantName"] for each in found["ProductionVariants"]] == ["AllTraffic"]
    package = served.package(sagemaker, "churn", NAME)
    assert package["ModelPackageVersion"] == 2
    assert "B (version 2) is better" in package["ApprovalDescription"]
    assert package["CustomerMetadataProperties"]["abTestAgainst"] == "1"
    (action,) = sagemaker.list_actions(ActionType="ABTest")["ActionSummaries"]
    behind = sagemaker.list_associations(DestinationArn=action["ActionArn"])["AssociationSummaries"]
    assert [each["SourceType"] for each in behind] == ["Model", "Model"]
    with pytest.raises(LookupError, match="No A/B test"):  # it is over
        abtest.stop(target, "churn", STAGE)


# Without an endpoint.


def plan(strategy: Any = None) -> tuple[Deployment, Running]:
    declared = Deployment(strategy=strategy or SHORT.strategy)
    a, b = Variant("AllTraffic", 12, 90.0), Variant("B", 13, 10.0)
    return declared, Running(Plan("20260302T090000", NAME, a, b, "2026-03-02T09:00:00+00:00"), "s3://bucket/folder")


def test_bs_version_takes_as_place_under_strategy_and_alarms_before_b_goes() -> None:
    first, then = promotion.steps(*plan(), "B")
    both = deployment.overridden(plan()[0], first)
    assert {each.name: (each.version, each.weight) for each in both.variants} == {
        "AllTraffic": (13, 90.0),
        "B": (13, 10.0),
    }
    (alone,) = deployment.overridden(plan()[0], then).variants
    assert (alone.name, alone.version, alone.weight) == ("AllTraffic", 13, 1.0)
    assert [each.version for each in promotion.steps(*plan(), "A")] == [12]


def test_a_rolling_update_is_for_one_variant() -> None:
    declared, test = plan(Rolling("50%", 1))
    checks.check(deployment.overridden(declared, abtest.both(declared, test.plan)), STAGE)
    steps = promotion.steps(declared, test, "B")
    assert [each.version for each in steps] == [12, 13]
    for each in steps:
        checks.check(deployment.overridden(declared, each), STAGE)


@pytest.mark.parametrize(
    ("text", "shares"), [("50/50", (50, 50)), ("0.9/0.1", (0.9, 0.1)), ("50", None), ("100/0", None), ("a/b", None)]
)
def test_how_traffic_is_split(text: str, shares: tuple[float, float] | None) -> None:
    if shares:
        assert abtest.split(text) == shares
    else:
        with pytest.raises(ValueError, match="write it as 50/50"):
            abtest.split(text)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (Deployment(capture=None), "captures no data"),
        (Deployment((declaration.Variant(), declaration.Variant("C"))), "declares 2 variants"),
    ],
)
def test_a_stage_that_allows_no_test(declared: Deployment, message: str) -> None:
    nowhere: Any = None
    with pytest.raises(ValueError, match=message):
        abtest.planned(nowhere, "churn", STAGE, abtest.Options(1, 2), declared)


@pytest.mark.parametrize(
    ("problem", "metric", "message"),
    [
        ("Clustering", "accuracy", "Nobody ever learns the true segment"),
        ("Regression", "value", "are near or far"),
        ("MulticlassClassification", "brier", "of two classes"),
        ("MulticlassClassification", "accuracy", ""),
        ("BinaryClassification", "brier", ""),
        ("", "brier", ""),
    ],
)
def test_what_a_test_can_judge(problem: str, metric: str, message: str) -> None:
    if not message:
        abtest.check_judged(problem, [Metric(metric)])
        return
    with pytest.raises(ValueError, match=message):
        abtest.check_judged(problem, [Metric(metric)])


def test_only_the_winner_is_promoted_without_a_reason() -> None:
    _, test = plan()
    won = {"winner": "B", "sentence": "B is better."}
    assert [promotion._letter(test, each) for each in ("A", "AllTraffic", "B", None)] == ["A", "A", "B", ""]
    with pytest.raises(ValueError, match="A \\(AllTraffic\\) or B \\(B\\)"):
        promotion._letter(test, "C")
    for given in ({"yes": True, "reason": ""}, {"yes": False, "reason": "cheaper"}):
        with pytest.raises(Failure, match="B is better. To promote A all the same: .* --variant A --yes --reason WHY"):
            promotion._refuse_unless("churn", STAGE, "A", won, **given)  # type: ignore[arg-type]
    promotion._refuse_unless("churn", STAGE, "A", won, yes=True, reason="cheaper")
    with pytest.raises(Failure):  # no winner, and none named
        promotion._refuse_unless("churn", STAGE, "", won | {"winner": ""}, yes=True, reason="cheaper")


def test_customers_keep_their_variant_in_traffic(monkeypatch: pytest.MonkeyPatch) -> None:
    _, test = plan()
    monkeypatch.setattr(abtest, "find", lambda target, use_case, stage: test)
    nowhere: Any = None
    customers = traffic._variants(nowhere, "churn", STAGE, [3, 4, 3])
    assert customers[0] == customers[2]
    assert {variant for _, variant in traffic._variants(nowhere, "churn", STAGE, list(range(100)))} == {
        "AllTraffic",
        "B",
    }
    assert traffic.ids("traffic-1", 3, customers) == [
        "customer-3/traffic-1-0",
        "customer-4/traffic-1-1",
        "customer-3/traffic-1-2",
    ]


def test_what_is_recorded_are_requests_that_aws_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against botocore's model of the API: every request, each pattern of the metadata included."""
    client = boto3.client("sagemaker", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    made: list[tuple[str, dict[str, Any]]] = []
    arn = "arn:aws:sagemaker:us-east-1:123456789012:model-package/churn/13"

    class Recorded:
        def __getattr__(self, operation: str) -> Any:
            def call(**request: Any) -> dict[str, Any]:
                name = client.meta.method_to_api_mapping[operation]
                shape = client.meta.service_model.operation_model(name).input_shape
                assert ParamValidator().validate(request, shape).generate_report() == ""
                made.append((operation, request))
                return {
                    "ActionArn": arn, "ArtifactArn": arn, "ArtifactSummaries": [], "EndpointArn": arn,
                    "ContextSummaries": [{"ContextArn": arn}],
                }  # fmt: skip

            return call

    class There:
        def client(self, service: str) -> Any:
            return Recorded()

    package = {"ModelPackageArn": arn, "ApprovalDescription": "Looked good."}
    monkeypatch.setattr(registry, "package", lambda sagemaker, use_case, version: package)
    monkeypatch.setattr(promotion, "described", lambda call, **name: None)
    found = {"findings": [{"metric": {"text": "retained=No, thanks"}, "effect": {"value": 0.04}}]}
    there: Any = There()
    promotion.record(there, "churn", plan()[1], "B", found, "B is better (+4 points).")
    (update,) = [request for operation, request in made if operation == "update_model_package"]
    assert update["CustomerMetadataProperties"]["abTestAgainst"] == "12"
    assert update["ApprovalDescription"] == "Looked good. A/B test 20260302T090000: B is better (+4 points)."
    assert "ModelApprovalStatus" not in update  # it would start the delivery
    pattern = client.meta.service_model.shape_for("CustomerMetadataValue").metadata["pattern"]
    assert all(regex.fullmatch(pattern, value) for value in update["CustomerMetadataProperties"].values())
    assert [operation for operation, _ in made].count("add_association") == 3
