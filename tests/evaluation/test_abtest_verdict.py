"""What an A/B test's plan, captures, labels and metrics lead to: one verdict, and a page that says it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from moto import mock_aws

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

import abtest_analysis
import abtest_guardrails
import abtest_plan
import abtest_verdict
import abtest_words
from abtest_guardrails import Guardrail, Served
from abtest_plan import Metric, Plan, Variant
from abtest_samples import Sample
from abtest_verdict import Outcome, State

from deploy.labels import lines

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
END = START + timedelta(hours=3)
BUCKET, CAPTURE, TRUTH = "bucket", "s3://bucket/data-capture/shop", "s3://bucket/ground-truth/shop"
KEPT = Guardrail("errors", 0.0, 0.0, 0.0, -0.001, 0.001, 0.01, abtest_guardrails.KEPT)


def plan(*metrics: str, **more: Any) -> Plan:
    given: dict[str, Any] = {"effect": 0.03, "baseline": 0.7, "metrics": tuple(map(Metric, metrics or ("accuracy",)))}
    given |= {"a": Variant("AllTraffic", 12, 50.0), "b": Variant("B", 13, 50.0)}
    return Plan("20260302T090000", "shop", start=START.isoformat(), **given | more)


def sample(values: Any, covariate: Any = None, units: Any = None) -> Sample:
    times = np.datetime64("2026-03-02T09:00:00") + np.arange(len(values)).astype("timedelta64[s]")
    return Sample(np.asarray(values, float), times, np.arange(len(values)) if units is None else units, covariate)


def shares(seed: int, *of: float, size: int = 4000) -> tuple[Sample, ...]:
    random = np.random.default_rng(seed)
    return tuple(sample(random.random(size) < each) for each in of)


def judged(
    wanted: Plan, *samples: Any, counts: Any = (4000, 4000), guardrails: Any = (KEPT,)
) -> abtest_verdict.Verdict:
    by_name = {metric.name: each for metric, each in zip(wanted.metrics, samples, strict=True)}
    return abtest_verdict.judge(wanted, by_name, {"requests captured": counts}, guardrails)


# The plan.


def test_a_plan_survives_being_stored() -> None:
    stored = plan("accuracy", "retained=0", "brier", unit="customer", covariate="tenure")
    assert Plan.from_json(stored.to_json()) == stored
    assert [each.name for each in stored.metrics] == ["accuracy", "retained", "brier"]
    assert (stored.metrics[1].wanted, stored.metrics[2].lower_is_better) == ("0", True)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"effect": 0.0}, "effect is 0"),
        ({"alpha": 1.5}, "alpha is 1.5"),
        ({"unit": "session"}, "request, customer"),
        ({"metrics": ()}, "at least one metric"),
        ({"b": Variant("B", 13, 0.0)}, "share of the traffic"),
        ({"max_latency": 1.0}, "max_latency above 1"),
    ],
)
def test_a_plan_that_makes_no_test_is_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan(**more)


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(ValueError, match="none of accuracy, brier, value and NAME=VALUE"):
        Metric("clicks")


def test_customers_keep_their_variant() -> None:
    split = {"AllTraffic": 90.0, "B": 10.0}
    found = {str(each): abtest_plan.assign(str(each), split, "first") for each in range(20_000)}
    assert found == {each: abtest_plan.assign(each, split, "first") for each in found}
    in_b = {each for each, variant in found.items() if variant == "B"}
    assert len(in_b) == pytest.approx(2000, abs=4 * (20_000 * 0.09) ** 0.5)
    again = {each for each in found if abtest_plan.assign(each, split, "second") == "B"}
    assert len(in_b & again) == pytest.approx(200, abs=60)  # another test mixes them anew
    assert abtest_plan.assign("anyone", {"A": 1.0, "B": 0.0}, "") == "A"


# The verdict.


def test_a_better_a_worse_and_an_equal_version() -> None:
    better = judged(plan(), shares(1, 0.70, 0.76))
    assert (better.outcome, better.winner, better.decided) == (Outcome.B, "B", True)
    assert better.findings[0].state is State.BETTER
    worse = judged(plan(), shares(2, 0.76, 0.70))
    assert (worse.outcome, worse.winner) == (Outcome.A, "A")
    equal = judged(plan(), shares(3, 0.7, 0.7, size=20_000))
    assert (equal.outcome, equal.winner, equal.decided) == (Outcome.SAME, "A", True)
    early = judged(plan(), shares(4, 0.70, 0.76, size=300))
    assert (early.outcome, early.winner, early.decided) == (Outcome.OPEN, "", False)


def test_it_says_how_many_records_it_needs() -> None:
    found = judged(plan(), shares(5, 0.7, 0.7, size=50))
    assert found.needed == 2 * 3554  # R: power.prop.test(p1 = .70, p2 = .73, power = .80)
    assert found.at_most == round(found.needed * 1.9379358)
    uneven = judged(plan(a=Variant("AllTraffic", 12, 90.0), b=Variant("B", 13, 10.0)), shares(5, 0.7, 0.7, size=50))
    assert uneven.needed > 2.5 * found.needed


def test_a_mismatch_of_the_split_stops_everything() -> None:
    found = judged(plan(), shares(1, 0.70, 0.76), counts=(4200, 3800))
    assert (found.outcome, found.winner, found.decided) == (Outcome.INVALID, "", False)
    assert "can't be trusted: 4,200 requests captured for A and 3,800 for B" in abtest_words.sentence(plan(), found)


def test_a_broken_guardrail_wins_over_success_and_mismatch() -> None:
    harm = abtest_guardrails.errors(Served(2000, 2), Served(2000, 600), plan())
    assert harm.state == abtest_guardrails.BROKEN
    found = judged(plan(), shares(1, 0.70, 0.76), counts=(2000, 1400), guardrails=(harm,))
    assert (found.outcome, found.winner, found.decided) == (Outcome.HARM, "A", True)
    assert "30.0% of its requests fail, and 0.1% of A's. Keep A (version 12)." in abtest_words.sentence(plan(), found)


def test_better_here_and_worse_there_is_for_people() -> None:
    both = plan("accuracy", "retained=0")
    found = judged(both, shares(1, 0.70, 0.78), shares(2, 0.80, 0.70))
    assert (found.outcome, found.decided) == (Outcome.MIXED, False)
    assert "Somebody has to choose." in abtest_words.sentence(both, found)


def test_several_metrics_pay_for_being_several() -> None:
    """An effect that is just significant alone isn't beside four others (Holm)."""
    metrics = ["accuracy", *(f"m{number}=1" for number in range(4))]
    samples = [shares(1, 0.70, 0.7465), *(shares(10 + number, 0.5, 0.5) for number in range(4))]
    alone, together = judged(plan(), samples[0]), judged(plan(*metrics), *samples)
    assert alone.findings[0].effect.p_value == together.findings[0].effect.p_value
    assert alone.outcome is Outcome.B
    assert together.findings[0].adjusted == pytest.approx(5 * alone.findings[0].adjusted)
    assert together.findings[0].state is State.OPEN


def test_lower_is_better_for_the_brier_score() -> None:
    random = np.random.default_rng(6)
    a, b = random.beta(2, 8, 6000), random.beta(1.5, 8, 6000)
    found = judged(plan("brier", effect=0.1), (sample(a), sample(b)))
    assert found.findings[0].effect.value < 0
    assert (found.outcome, found.findings[0].ranks.superiority < 0.5) == (Outcome.B, True)


def test_a_covariate_makes_the_interval_shorter() -> None:
    random = np.random.default_rng(7)
    known = random.gamma(2, 10, (2, 3000))
    spent = known + random.gamma(2, 5, (2, 3000))
    wanted = plan("value", effect=0.1, covariate="before")
    found = judged(wanted, tuple(sample(y, x) for x, y in zip(known, spent, strict=True))).findings[0]
    plain = judged(plan("value", effect=0.1), tuple(map(sample, spent))).findings[0]
    assert found.removed == pytest.approx(0.8, abs=0.02)
    assert found.effect.high - found.effect.low < 0.55 * (plain.effect.high - plain.effect.low)
    assert found.means == plain.means


def test_requests_of_one_customer_are_no_new_evidence() -> None:
    """Ten equal answers each: by requests it looks decided, by customers it isn't."""
    random = np.random.default_rng(8)
    units = np.repeat(np.arange(300), 10)
    a, b = (sample(np.repeat(random.random(300) < each, 10), units=units) for each in (0.70, 0.76))
    by_request, by_customer = judged(plan(), (a, b)), judged(plan(unit="customer"), (a, b))
    assert (by_request.outcome, by_customer.outcome) == (Outcome.B, Outcome.OPEN)
    assert by_customer.findings[0].lift is None


def test_versions_that_are_alike_are_rarely_told_apart_however_often_one_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole verdict on A against A; test_abtest.py has a thousand of them by the p-value, at every record."""
    monkeypatch.setattr(abtest_verdict, "_looks", lambda *_: [])
    random, tests, wrong = np.random.default_rng(9), 100, 0
    for _ in range(tests):
        a, b = random.random((2, 2000)) < 0.7
        looks = (judged(plan(effect=0.05), (sample(a[:size]), sample(b[:size]))) for size in (200, 500, 1000, 2000))
        wrong += any(each.outcome in (Outcome.A, Outcome.B) for each in looks)
    assert wrong <= 12  # 5, and three standard deviations


# Guardrails.


def test_errors_may_rise_by_so_much_only() -> None:
    assert abtest_guardrails.errors(Served(), Served(), plan()).state == abtest_guardrails.OPEN
    assert abtest_guardrails.errors(Served(90, 0), Served(90, 30), plan()).note == "too few requests yet"
    kept = abtest_guardrails.errors(Served(20_000, 10), Served(20_000, 30), plan())
    assert (kept.state, kept.low < 0.001 < kept.high) == (abtest_guardrails.KEPT, True)  # worse, within what is allowed
    assert abtest_guardrails.errors(Served(300, 0), Served(300, 4), plan()).state == abtest_guardrails.OPEN


def test_latency_is_compared_by_the_minute() -> None:
    random = np.random.default_rng(10)

    def minutes(count: int, mean: float) -> Served:
        answers = np.full(count, 50.0)
        return Served(50 * count, 0, answers * random.normal(mean, mean / 10, count), answers)

    few = abtest_guardrails.latency(minutes(29, 0.02), minutes(29, 0.02), plan())
    assert (few.state, few.note) == (abtest_guardrails.OPEN, "29 of 30 minutes with traffic on both")
    kept = abtest_guardrails.latency(minutes(120, 0.020), minutes(120, 0.021), plan())
    assert kept.state == abtest_guardrails.KEPT
    assert kept.low is not None and kept.high is not None and kept.low < 1.05 < kept.high < 1.2
    slow = abtest_guardrails.latency(minutes(120, 0.020), minutes(120, 0.030), plan())
    assert (slow.state, slow.value) == (abtest_guardrails.BROKEN, pytest.approx(1.5, abs=0.05))
    assert "1.5" in abtest_words.sentence(plan(), judged(plan(), shares(1, 0.7, 0.7), guardrails=(slow,)))


# From captures, labels and metrics to the page.


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    variables = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield


def serve(variant: str, count: int, right: float, seed: int, failing: int = 0) -> None:
    """A variant's captures, the truth about them, and its metrics: a request every seven seconds."""
    random = np.random.default_rng(seed)
    records, truth = [], {}
    for number in range(count):
        answer = int(random.random() < 0.5)
        moment = START + timedelta(seconds=7 * number)
        data = {
            side: {"observedContentType": "text/csv", "mode": mode, "data": text, "encoding": "CSV"}
            for side, mode, text in (
                ("endpointInput", "INPUT", f"{random.normal():.3f},x"),
                ("endpointOutput", "OUTPUT", f"0.{9 if answer else 1},{answer}"),
            )
        }
        event = {
            "eventId": f"{variant}-{number}",
            "inferenceId": f"c{number}/{variant}",
            "inferenceTime": f"{moment:%FT%TZ}",
        }
        records.append(json.dumps({"captureData": data, "eventMetadata": event, "eventVersion": "0"}))
        truth[event["inferenceId"]] = str(answer if random.random() < right else 1 - answer)
    s3, cloudwatch = boto3.client("s3"), boto3.client("cloudwatch")
    s3.put_object(Bucket=BUCKET, Key=f"data-capture/shop/{variant}/2026/03/02/09/a.jsonl", Body="\n".join(records))
    s3.put_object(Bucket=BUCKET, Key=f"ground-truth/shop/2026/03/02/12/{variant}.jsonl", Body="".join(lines(truth)))
    dimensions = [{"Name": "EndpointName", "Value": "shop"}, {"Name": "VariantName", "Value": variant}]
    for name, values in (
        ("Invocations", [1.0] * (count + failing)),
        ("Invocation5XXErrors", [0.0] * count + [1.0] * failing),
        ("ModelLatency", [20_000.0] * count),
    ):
        points = [
            {
                "MetricName": name,
                "Dimensions": dimensions,
                "Timestamp": START + timedelta(seconds=7 * number),
                "Value": value,
            }
            for number, value in enumerate(values)
        ]
        for place in range(0, len(points), 500):
            cloudwatch.put_metric_data(Namespace="AWS/SageMaker", MetricData=points[place : place + 500])


def analysed(folder: Path, wanted: Plan) -> dict[str, Any]:
    (folder / "plan.json").write_text(wanted.to_json())
    (folder / "features.csv").write_text("score,kind\n")
    args = abtest_analysis.Args(
        plan=str(folder / "plan.json"),
        capture_uri=CAPTURE,
        ground_truth_uri=TRUTH,
        features=str(folder / "features.csv"),
        end=END.isoformat(),
        output_path=str(folder),
    )
    abtest_analysis.analyse(args)
    found: dict[str, Any] = json.loads((folder / "abtest.json").read_text())
    return found


@pytest.mark.usefixtures("account")
def test_from_captures_to_the_page(tmp_path: Path) -> None:
    serve("AllTraffic", 700, 0.65, seed=1)
    serve("B", 690, 0.85, seed=2)
    found = analysed(tmp_path, plan(effect=0.1, covariate="score"))
    assert (found["outcome"], found["winner"], found["decided"]) == ("b", "B", True)
    (accuracy,) = found["findings"]
    assert accuracy["sizes"] == [700, 690]
    assert accuracy["means"] == pytest.approx([0.65, 0.85], abs=0.04)
    assert accuracy["removed"] == pytest.approx(0, abs=0.01)  # noise explains nothing
    counts = {each["what"]: each["counts"] for each in found["ratios"]}
    assert counts == {f"requests {each}": [700, 690] for each in ("sent", "captured", "with a label")}
    errors, latency = found["guardrails"]
    assert (errors["state"], latency["state"], latency["value"]) == ("kept", "kept", pytest.approx(1.0))
    page = (tmp_path / "report.html").read_text()
    assert found["sentence"] in page.replace("&#39;", "'")
    assert "% of the answers are right with B and" in page
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.usefixtures("account")
def test_a_variant_that_fails_is_told_from_one_that_nobody_asked(tmp_path: Path) -> None:
    serve("AllTraffic", 800, 0.7, seed=1)
    serve("B", 560, 0.7, seed=2, failing=240)
    harm = analysed(tmp_path, plan())
    assert (harm["outcome"], harm["winner"]) == ("harm", "A")
    assert {each["what"]: each["p_value"] > 0.001 for each in harm["ratios"]} == {
        "requests sent": True,
        "requests captured": False,
        "requests with a label": False,
    }


@pytest.mark.usefixtures("account")
def test_without_labels_or_requests_nothing_is_decided(tmp_path: Path) -> None:
    nothing = analysed(tmp_path, plan())
    assert (nothing["outcome"], nothing["ratios"]) == ("open", [])
    assert "the truth about 0 records is known" in nothing["sentence"]
    serve("AllTraffic", 300, 0.7, seed=1)
    one = analysed(tmp_path, plan("accuracy", "value"))
    assert (one["outcome"], one["winner"]) == ("invalid", "")
    assert "300 requests sent for A and 0 for B" in one["sentence"]


@pytest.mark.usefixtures("account")
def test_an_unknown_covariate_is_named(tmp_path: Path) -> None:
    serve("AllTraffic", 200, 0.7, seed=1)
    serve("B", 200, 0.7, seed=2)
    with pytest.raises(ValueError, match="The covariate tenure is no feature of the requests, which have score, kind"):
        analysed(tmp_path, plan(covariate="tenure"))
    with pytest.raises(ValueError, match="kind is no number"):
        analysed(tmp_path, plan(covariate="kind"))
