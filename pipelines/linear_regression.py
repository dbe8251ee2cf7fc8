"""Linear regression: what a house sells for, by NumPy alone; gated on agreeing with libraries it is held against."""

from __future__ import annotations

from sagemaker.core.workflow.conditions import ConditionGreaterThanOrEqualTo, ConditionLessThanOrEqualTo
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterInteger, ParameterString
from sagemaker.mlops.workflow.pipeline import Pipeline

from pipelines import checks, steps
from pipelines.jobs import artifact
from pipelines.project import Project

# Between weights and numbers of the summary by hand and those by scikit-learn and statsmodels: rounding is a millionth
# of this, a mistake in a formula nearly always more.
AGREEMENT = 1e-6
# Cross-validation explains 0.858 of the log price's variance; the test split's 483 houses measure it with a standard
# error of 0.013, so the gate sits two of them lower (docs/linear_regression.md).
GATE = 0.832
TABLE = checks.Table("Sale_Price", positive=[], facets={}, problem="Regression", framework="sklearn")
STATUSES = ["PendingManualApproval", "Approved", "Rejected"]
STAGES = ["staging"]


def build(project: Project) -> Pipeline:
    name = "linear_regression"
    raw = ParameterString("InputDataUrl", project.data_uri(name))
    agreement = ParameterFloat("MaxDifference", AGREEMENT)
    floor = ParameterFloat("MinR2OfLogPrice", GATE)
    approval = ParameterString("ModelApprovalStatus", STATUSES[0], enum_values=STATUSES)
    stage = ParameterString("DeployTo", "none", enum_values=["none", *STAGES])
    instance = ParameterString("InstanceType", "ml.m5.large")
    hyperparameters = {
        "sampled_epochs": ParameterInteger("SampledEpochs", 100),
        "folds": ParameterInteger("Folds", 10),
    }

    outputs = ["train", "validation", "test", "baseline", "report"]
    splits = steps.process(project, name, inputs={"raw": raw}, outputs=outputs, instance_type=instance)
    train, validation, test, features = (steps.output(splits, each) for each in outputs[:4])
    model = steps.train(
        project,
        name,
        channels={"train": train, "validation": validation},
        hyperparameters=hyperparameters,
        instance_type=instance,
        framework="sklearn",
        metrics=["validation_rmse"],
    )
    report = steps.evaluate(
        project,
        name,
        "regression",
        model=model,
        data={"train": train, "test": test},
        instance_type=instance,
        framework="sklearn",
    )
    compared = steps.analyse(
        project,
        name,
        "CompareWithLibraries",
        "ols_summary",
        inputs={"model": artifact(project, name, model), "train": train},
        outputs=["evaluation"],
        instance_type=instance,
    )
    check = checks.Checks(project, name, TABLE, instance_type=instance)
    checked = [check.data_quality(features), check.model_quality(report), check.explainability(model, test)]

    score = steps.metric(report, "regression_metrics.r2_log.value")
    difference = steps.metric(compared, "linear_regression.largest_difference.value")
    good = [
        ConditionLessThanOrEqualTo(left=difference, right=agreement),
        ConditionGreaterThanOrEqualTo(left=score, right=floor),
        *check.conditions(checked),
    ]
    properties = {
        "LargestDifference": difference,
        "MaxDifference": agreement,
        "R2OfLogPrice": score,
        "MinR2OfLogPrice": floor,
        "InputDataUrl": raw,
        "Summary": steps.output(compared, "evaluation", "report.html"),
    }
    version = steps.register(
        project,
        name,
        model=model,
        report=report,
        checks=checked,
        approval=approval,
        framework="sklearn",
        properties=properties,
    )
    reason = [
        "By hand and by library differ by",
        difference,
        "and at most",
        agreement,
        "is allowed. R² of the log price:",
        score,
    ]
    refusal = steps.fail(*reason, "on test; at least", floor, "is needed.", *check.message(checked))
    gate = steps.when("CheckGate", good, then=[version], otherwise=[refusal])
    deploy = steps.deploy_when(
        project,
        name,
        conditions=good,
        stage=stage,
        stages=STAGES,
        model=model,
        instance_type=instance,
        framework="sklearn",
    )

    parameters = [raw, agreement, floor, approval, stage, instance, *hyperparameters.values(), *check.parameters]
    chain = [splits, model, report, compared, *check.steps(checked), gate, deploy]
    return steps.pipeline(project, name, parameters=parameters, steps=chain)
