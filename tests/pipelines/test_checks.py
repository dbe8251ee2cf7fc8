"""The checks of churn's pipeline, by this project's jobs and by AWS's steps."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.run_pipeline import load
from pipelines.source import bundle
from sagelocal.api.validation import validate
from sagelocal.workflow import definition

ROOT = Path(__file__).parents[2]
KINDS = {
    "DataQuality": "DATA_QUALITY",
    "DataBias": "DATA_BIAS",
    "ModelQuality": "MODEL_QUALITY",
    "ModelBias": "MODEL_BIAS",
    "Explainability": "MODEL_EXPLAINABILITY",
}
Steps = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def managed(project: Any) -> dict[str, Any]:
    return json.loads(load("churn", dataclasses.replace(project, checks="managed")).definition())


def by_name(compiled: dict[str, Any]) -> Steps:
    return {step["Name"]: step for step in compiled["Steps"]}


def gate(compiled: dict[str, Any]) -> dict[str, Any]:
    return by_name(compiled)["CheckGate"]["Arguments"]


def leaves(value: Any) -> set[str]:
    """Dotted paths of the files that a member of CreateModelPackage points to."""
    return {f"{member}.{leaf}" for member, files in value.items() for leaf in files}


@pytest.mark.parametrize("which", ["churn", "managed"])
def test_sagelocal_takes_the_definition(which: str, request: pytest.FixtureRequest) -> None:
    definition.parse(json.dumps(request.getfixturevalue(which)))


def test_ours_are_jobs_and_a_setting_makes_them_awss_own_steps(churn: Any, managed: Any) -> None:
    assert {by_name(churn)[name]["Type"] for name in KINDS} == {"Processing"}
    found = {name: by_name(managed)[name] for name in KINDS}
    assert {name: step["CheckType"] for name, step in found.items()} == KINDS
    for name, step in found.items():
        assert step["Type"] == ("QualityCheck" if name.endswith("Quality") else "ClarifyCheck")
        assert step["ModelPackageGroupName"] == "churn"
        for rule in ("SkipCheck", "RegisterNewBaseline", "FailOnViolation"):
            assert step[rule] == {"Get": f"Parameters.{rule}"}
        request = json.loads(
            json.dumps(step["Arguments"]).replace('{"Get": "Parameters.ProcessingInstanceType"}', '"ml.m5.large"')
        )
        plain = {**request, "ProcessingInputs": [], "ProcessingOutputConfig": {"Outputs": []}}
        validate("sagemaker", "CreateProcessingJob", {"ProcessingJobName": "x", **plain})


def test_the_same_module_compiles_to_the_same_parameters_and_is_the_same_twice(
    project: Any, churn: Any, managed: Any
) -> None:
    assert churn["Parameters"] == managed["Parameters"]
    assert {each["Name"]: each["DefaultValue"] for each in churn["Parameters"]}.items() >= {
        ("FailOnViolation", True),
        ("SkipCheck", False),
        ("RegisterNewBaseline", False),
    }
    assert json.loads(load("churn", dataclasses.replace(project, checks="managed")).definition()) == managed


def test_a_model_of_scikit_learn_is_explained_by_the_library_shap(
    project: Any, churn: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pipelines.churn

    monkeypatch.setattr(pipelines.churn, "TABLE", dataclasses.replace(pipelines.churn.TABLE, framework="sklearn"))
    compiled = json.loads(load("churn", project).definition())
    found = [by_name(each)["Explainability"]["Arguments"]["AppSpecification"] for each in (churn, compiled)]
    for each, script, image in zip(
        found,
        ("explainability", "explainability_by_shap"),
        ("sagemaker-xgboost", "sagemaker-scikit-learn"),
        strict=True,
    ):
        assert each["ContainerEntrypoint"][-1].endswith(f"/{script}.py")
        assert image in each["ImageUri"]
    bundles = [bundle(ROOT, f"evaluation/{script}.py") for script in ("explainability", "explainability_by_shap")]
    assert [b"shap==" in each.files["requirements.txt"] for each in bundles] == [False, True]
    assert set(bundles[1].files) - set(bundles[0].files) == {"explainability_by_shap.py"}


def test_no_check_is_cached_as_its_baseline_is_in_the_registry(churn: Any, managed: Any) -> None:
    for compiled in (churn, managed):
        assert not [name for name in KINDS if "CacheConfig" in by_name(compiled)[name]]


def test_checks_of_the_data_wait_for_the_data_alone(churn: Any, managed: Any) -> None:
    for compiled in (churn, managed):
        for name in ("DataQuality", "DataBias"):
            text = json.dumps(by_name(compiled)[name])
            assert "Steps.ProcessData." in text
            assert "Steps.Tune." not in text
            assert "Steps.Evaluate." not in text


def test_a_violation_closes_the_gate_unless_it_is_only_to_be_recorded(churn: Any) -> None:
    conditions = gate(churn)["Conditions"][-len(KINDS) :]
    assert [each["Conditions"][0]["LeftValue"]["Std:JsonGet"] for each in conditions] == [
        {"PropertyFile": {"Get": f"Steps.{name}.PropertyFiles.check"}, "Path": "violations"} for name in KINDS
    ]
    for each in conditions:
        assert each["Type"] == "Or"
        assert [one["Type"] for one in each["Conditions"]] == ["Equals", "Equals"]
        assert each["Conditions"][0]["RightValue"] == 0
        assert each["Conditions"][1]["LeftValue"] == {"Get": "Parameters.FailOnViolation"}
        assert each["Conditions"][1]["RightValue"] is False
    deploy = by_name(churn)["CheckDeployTo"]["Arguments"]["Conditions"]
    assert deploy[: len(gate(churn)["Conditions"])] == gate(churn)["Conditions"]
    message = json.dumps(gate(churn)["ElseSteps"][0]["Arguments"]["ErrorMessage"])
    for name in KINDS:
        assert f'"{name}:", {{"Std:JsonGet": {{"PropertyFile": {{"Get": "Steps.{name}.PropertyFiles.check"}}' in message


def test_awss_steps_fail_by_themselves_and_are_waited_for(managed: Any) -> None:
    assert gate(managed)["Conditions"][-len(KINDS) :] == [
        {
            "Type": "Not",
            "Condition": {
                "Type": "Equals",
                "LeftValue": {"Get": f"Steps.{name}.CalculatedBaselineConstraints"},
                "RightValue": "",
            },
        }
        for name in KINDS
    ]


REPORTS = {
    "ModelDataQuality.Statistics", "ModelDataQuality.Constraints", "ModelQuality.Statistics",
    "ModelQuality.Constraints", "Bias.Report", "Bias.PreTrainingReport", "Bias.PostTrainingReport",
    "Explainability.Report",
}  # fmt: skip
BASELINES = {
    "ModelDataQuality.Statistics", "ModelDataQuality.Constraints", "ModelQuality.Statistics",
    "ModelQuality.Constraints", "Bias.ConfigFile", "Bias.PreTrainingConstraints", "Bias.PostTrainingConstraints",
    "Explainability.ConfigFile", "Explainability.Constraints",
}  # fmt: skip


@pytest.mark.parametrize("which", ["churn", "managed"])
def test_the_version_carries_what_was_calculated_and_what_the_next_run_compares_with(
    which: str, request: pytest.FixtureRequest
) -> None:
    version = gate(request.getfixturevalue(which))["IfSteps"][0]["Arguments"]
    assert leaves(version["ModelMetrics"]) == REPORTS
    assert leaves(version["DriftCheckBaselines"]) == BASELINES
    calculated = json.dumps(version["ModelMetrics"]["Bias"]["PreTrainingReport"])
    used = json.dumps(version["DriftCheckBaselines"]["Bias"]["PreTrainingConstraints"])
    if which == "managed":
        assert "Steps.DataBias.CalculatedBaselineConstraints" in calculated
        assert "Steps.DataBias.BaselineUsedForDriftCheckConstraints" in used
    else:
        assert calculated.endswith('"analysis.json"]}}}')
        assert used.endswith('"drift_check_baseline", "analysis.json"]}}}')
        assert "Steps.Evaluate.ProcessingOutputConfig.Outputs['evaluation']" in json.dumps(
            version["CustomerMetadataProperties"]["Evaluation"]
        )
        assert set(version["CustomerMetadataProperties"]) >= {f"{name}Check" for name in KINDS}


def test_the_registered_configurations_name_label_outcome_and_groups(project: Any, churn: Any) -> None:
    baselines = gate(churn)["IfSteps"][0]["Arguments"]["DriftCheckBaselines"]
    for member, method in (("Bias", "post_training_bias"), ("Explainability", "shap")):
        bucket, key = baselines[member]["ConfigFile"]["S3Uri"].removeprefix("s3://").split("/", 1)
        config = json.loads(project.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        assert method in config["methods"]
        assert (config["label"], config["label_values_or_threshold"]) == ("Churn", [1])
        assert config["facet"] == [
            {"name_or_index": "gender", "value_or_threshold": ["Female"]},
            {"name_or_index": "SeniorCitizen", "value_or_threshold": [1]},
        ]


def test_one_model_is_made_for_all_of_awss_checks_that_ask_it(churn: Any, managed: Any) -> None:
    assert "CreateModelToCheck" not in by_name(churn)
    assert by_name(managed)["CreateModelToCheck"]["Type"] == "Model"
    for name in ("ModelBias", "Explainability"):
        assert by_name(managed)[name]["ModelName"] == {"Get": "Steps.CreateModelToCheck.ModelName"}


def test_the_environment_chooses_and_another_value_is_refused(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert project.checks == "ours"
    monkeypatch.setenv("MLOPS_CHECKS", "managed")
    assert type(project).from_environment().checks == "managed"
    monkeypatch.setenv("MLOPS_CHECKS", "theirs")
    with pytest.raises(LookupError, match="MLOPS_CHECKS is theirs: it must be ours or managed"):
        type(project).from_environment()
