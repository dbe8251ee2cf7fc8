"""What is said of two versions, from what was measured of them."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import pytest

from dashboard.registry import card, code, data, decision, fairness, follows, listing, measured, origin, performance
from dashboard.registry.follows import Listener
from dashboard.registry.measured import Version
from tests.dashboard.registry.made import evaluation, statistics

ARTIFACT = "s3://bucket/models/churn/{}/output/model.tar.gz"


def version(number: int, judged: dict[str, Any] | None = None, **documents: Any) -> Version:
    properties = documents.pop("properties", {})
    package = {
        "ModelPackageArn": f"arn:aws:sagemaker:us-east-1:111122223333:model-package/churn/{number}",
        "ModelPackageGroupName": "churn",
        "ModelPackageVersion": number,
        "ModelApprovalStatus": "PendingManualApproval",
        "InferenceSpecification": {"Containers": [{"Image": "i", "ModelDataUrl": ARTIFACT.format(number)}]},
        "CustomerMetadataProperties": properties,
    }
    return Version(package, {measured.EVALUATION: judged, **documents} if judged else documents, {})


def lead(lower: float, upper: float, against: int = 1) -> dict[str, Any]:
    """What an evaluation of 0.66 says of a version that has 0.48 on its records, though 0.65 on its own."""
    interval = {"level": 0.95, "lower": lower, "upper": upper}
    compared = {"candidate": 0.66, "current": 0.48, "lead": {"value": 0.18, "confidence_interval": interval}}
    return {"comparison": {"current_model": ARTIFACT.format(against), "records": 120, "average_precision": compared}}


@pytest.mark.parametrize(
    ("ours", "said", "good"),
    [
        (evaluation(0.7), "0.7000, that of version 1 0.6500: better, their 95 % intervals are apart.", True),
        (evaluation(0.6), "0.6000, that of version 1 0.6500: worse, their 95 % intervals are apart.", False),
        (evaluation(0.66), "no more apart than by chance, their 95 % intervals overlap.", None),
        (
            evaluation(0.66, **lead(0.1, 0.2)),
            "that of version 1 0.4800: better, by +0.1800 (95 % interval +0.1000",
            True,
        ),
        (evaluation(0.66, **lead(-0.1, 0.4)), "0.4800: no more apart than by chance, by +0.1800", None),
        (evaluation(0.66, **lead(0.1, 0.2, against=7)), "their 95 % intervals overlap.", None),
        ({"regression_metrics": {"rmse": {"value": 4.0}}}, "Version 2 and version 1 have no metric in common.", None),
    ],
    ids=["better", "worse", "chance", "paired", "paired by chance", "paired with another", "another problem"],
)
def test_the_headline_is_the_sharpest_that_is_known(ours: dict[str, Any], said: str, good: bool | None) -> None:
    found, better = measured.headline(version(2, ours), version(1, evaluation(0.65)))
    assert said in found
    assert better is good


def test_of_a_loss_less_is_better() -> None:
    rows = {each["Metric"]: each for each in performance.rows(version(2, evaluation(0.8)), version(1, evaluation(0.6)))}
    assert rows["log loss ↓"]["Difference"] == "\\-0\\.2000"
    assert "better" in rows["log loss ↓"][""]
    assert rows["average precision"]["Version 2"] == "0\\.8000 \\(0\\.780 to 0\\.820\\)"


def test_a_difference_on_the_same_records_has_its_own_interval() -> None:
    row = performance.rows(version(2, evaluation(0.66, **lead(0.1, 0.2))), version(1, evaluation(0.65)))[0]
    assert row["Version 1"].replace("\\", "") == "0.4800 on these records, 0.6500 on its own"
    assert row["Difference"].replace("\\", "") == "+0.1800 (+0.100 to +0.200)"


def test_curves_and_matrices_are_those_of_any_problem() -> None:
    multiclass = {
        "multiclass_classification_metrics": {
            "accuracy": {"value": 0.9},
            "gain_curve": {"shares": [0, 0.5, 1], "gains": [0, 0.8, "NaN"]},
            "confusion_matrix": {"a": {"a": 5, "b": 1}, "b": {"a": 0, "b": 6}},
        }
    }
    found = list(performance.curves(multiclass))
    assert [(each.title, each.x, each.points) for each in found] == [("Gain curve", "Shares", ((0, 0), (0.5, 0.8)))]
    assert performance.matrix(multiclass)["a"] == {"a": 5, "b": 1}
    assert {each.title for each in performance.curves(evaluation(0.7))} == {"ROC curve", "Calibration"}


def test_gates_and_checks_are_those_of_the_pipeline() -> None:
    properties = {"Recall": "0.5", "MinRecall": "0.6", "ModelBiasCheck": "3 violations", "DataBiasCheck": "skipped"}
    found = version(2, properties=properties)
    assert [next(iter(each.values())) for each in performance.checks([found])] == [
        "Gate: Recall",
        "Check: ModelBias",
        "Check: DataBias",
    ]
    assert decision.objections(found.package) == [
        "It failed its gate: Recall is 0.5, and has to be 0.6 at least.",
        "ModelBias: 3 violations.",
    ]


def test_a_gate_may_be_the_most_that_goes() -> None:
    found = version(
        2, properties={"MaxRmse": "0.1", "Rmse": "0.2", "LargestDifference": "1e-9", "MaxDifference": "1e-6"}
    )
    assert [each["Version 2"].partition("[")[0] for each in performance.checks([found])] == [
        ":red-badge",
        ":green-badge",
    ]
    assert decision.objections(found.package) == ["It failed its gate: Rmse is 0.2, and has to be 0.1 at most."]


def test_features_moved_new_gone_and_of_another_type() -> None:
    before, now = statistics(0.0), statistics(5.0)
    before["features"].append({**before["features"][1], "name": "old"})
    now["features"] += [{**now["features"][1], "name": "new"}, {**now["features"][0], "name": "odd"}]
    before["features"].append({**before["features"][1], "name": "odd"})
    constraints = {"monitoring_config": {"distribution_constraints": {"comparison_threshold": 0.05}}}
    found = data.compare(
        version(2, **{"data statistics": now}),
        version(1, **{"data statistics": before, "data constraints": constraints}),
    )
    by_name = {each.feature: each for each in found}
    assert by_name["tenure"].moved and by_name["tenure"].distance == pytest.approx(
        0.5 - 1.8 * (2 / 1000) ** 0.5, abs=0.005
    )
    assert by_name["tenure"].threshold == 0.05
    assert (by_name["Contract"].moved, by_name["Contract"].threshold) == (False, 0.1)
    assert {name: each.why for name, each in by_name.items() if each.why} == {
        "new": "is new",
        "old": "is gone",
        "odd": "was String, is Fractional",
    }


def test_bias_of_two_versions_is_a_row_for_each_group_and_metric() -> None:
    def analysis(value: float) -> dict[str, Any]:
        metrics = [{"name": "DPPL", "description": "gap", "value": value, "standard_deviation": 0.01}]
        facets = {"gender": [{"value_or_threshold": "Female", "metrics": [*metrics, {"name": "TE", "value": None}]}]}
        return {"post_training_bias_metrics": {"facets": facets}}

    both = [version(number, **{"bias of the predictions": analysis(number / 10)}) for number in (2, 1)]
    found = {each.label: fairness.measures(each) for each in both}
    broken = [{"facet": "gender", "facet_value": "Female", "metric_name": "DPPL"}]
    row = fairness.table(found, broken)[0]
    assert (row["group"], row["version 2"], row["check"]) == ("gender = Female", 0.2, "violated")
    assert row["difference"] == pytest.approx(0.1)
    assert fairness.sentences(broken, found["version 2"]) == [
        "gender = Female is farther from fair than the check allows: DPPL 0.2."
    ]


def test_where_a_job_has_its_source_from() -> None:
    channel = {"ChannelName": "code", "DataSource": {"S3DataSource": {"S3Uri": "s3://b/code/x/"}}}
    script = {"sagemaker_submit_directory": '"s3://b/code/x.tar.gz"'}
    assert (
        origin.source({"ProcessingInputs": [{"InputName": "code", "S3Input": {"S3Uri": "s3://b/p/"}}]}) == "s3://b/p/"
    )
    assert origin.source({"InputDataConfig": [channel]}) == "s3://b/code/x/"
    assert origin.source({"HyperParameters": script}) == "s3://b/code/x.tar.gz"
    assert origin.source({"TrainingJobDefinition": {"StaticHyperParameters": script}}) == "s3://b/code/x.tar.gz"
    assert origin.source({"ProcessingInputs": [{"InputName": "data"}]}) == ""


def test_a_long_diff_is_cut_and_says_so() -> None:
    found = code.differences({"a.py": "", "same.py": "x"}, {"a.py": "x = 1\n" * 1000, "same.py": "x"})
    lines = found["a.py"].splitlines()
    assert list(found) == ["a.py"]
    assert lines[-1] == f"… {1000 + 3 - len(lines) + 1:,} more lines"


def test_what_an_approval_starts_is_said_before() -> None:
    steps = ("staging", "test staging", "an approval by hand", "production")
    waits = Listener("r", "mlops-deploy", steps, running=2, queued=True)
    said = follows.said([waits], "churn").replace("\\", "")
    assert "It starts **mlops-deploy**: staging, then test staging, then an approval by hand, then production." in said
    assert "2 are there before it." in said
    assert "`mlops deploy churn`" in follows.said([], "churn")
    assert "mlops deploy" not in follows.said([], "")


def test_the_stages_of_a_pipeline_in_words() -> None:
    def stage(name: str, category: str) -> dict[str, Any]:
        return {"name": name, "actions": [{"actionTypeId": {"category": category}}]}

    stages = [stage("Source", "Source"), stage("TestStaging", "Test"), stage("Go", "Approval")]
    assert follows.steps({"stages": stages}) == ("test staging", "an approval by hand")


def test_a_row_of_the_list_is_also_one_of_other_people() -> None:
    package = {"ModelPackageArn": "arn:x", "ModelPackageVersion": 3, "CreationTime": None}
    assert listing.row(package, {"arn:x": ["theirs"]}) == {
        "version": 3,
        "approval": [],
        "serves": ["theirs"],
        "metrics": "",
        "checks": "",
        "made": None,
        "decided": "",
        "reason": "",
    }


def test_words_and_numbers_of_a_card_are_its_leaves() -> None:
    section = {"model_name": "churn", "model_artifact": ["s3://a", "s3://b"], "none": [], "more": {"a": 1}}
    assert card.leaves(section) == {"Model name": "churn", "Model artifact": "s3://a, s3://b"}


def test_a_decision_of_another_is_not_lost() -> None:
    seen = {"ModelApprovalStatus": "PendingManualApproval"}
    user = {"IamIdentity": {"Arn": "arn:aws:iam::111122223333:user/ann"}}
    now = {"ModelApprovalStatus": "Approved", "ApprovalDescription": "Better on all.", "LastModifiedBy": user}
    decision._unchanged(seen, seen | {"LastModifiedBy": user})
    with pytest.raises(LookupError, match="Nothing was sent.*Approved by ann: Better on all"):
        decision._unchanged(seen, now)


def test_an_archive_is_unpacked_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("./train.py")
        member.size = 9
        archive.addfile(member, io.BytesIO(b"print(1)\n"))
    assert dict(origin._unpacked(packed.getvalue())) == {"train.py": "print(1)\n"}
    monkeypatch.setattr(origin, "_UNPACKED", 1000)
    with pytest.raises(LookupError, match="holds more than"):
        dict(origin._unpacked(packed.getvalue()))
    with pytest.raises(LookupError, match="can't be read"):
        dict(origin._unpacked(b"nonsense"))
