"""Iris: which species is a flower? Three, equally frequent, so gated on accuracy. The smallest pipeline here."""

from __future__ import annotations

from sagemaker.core.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter
from sagemaker.core.workflow.conditions import ConditionGreaterThanOrEqualTo
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterInteger, ParameterString
from sagemaker.mlops.workflow.pipeline import Pipeline

from pipelines import checks, steps
from pipelines.project import Project

# The floor is a cross-validated accuracy of 0.95. The test split's 30 flowers measure it with a standard error of 0.04,
# so the gate sits two of them lower (docs/iris.md).
GATE = 0.87
# Which of four models, and each one's own: a trial of one model passes by what the others have.
RANGES = {
    "model": CategoricalParameter(["logistic_regression", "decision_tree", "knn", "svm"]),
    "C": ContinuousParameter(0.1, 100, scaling_type="Logarithmic"),
    "max_depth": IntegerParameter(2, 5),
    "n_neighbors": IntegerParameter(3, 15),
}
TRIALS = 8
TABLE = checks.Table("species", positive=[], facets={}, problem="MulticlassClassification", framework="sklearn")
STATUSES = ["PendingManualApproval", "Approved", "Rejected"]
STAGES = ["staging"]  # where the pipeline may deploy by itself; production goes through approval


def build(project: Project) -> Pipeline:
    raw = ParameterString("InputDataUrl", project.data_uri("iris"))
    floor = ParameterFloat("MinAccuracy", GATE)
    approval = ParameterString("ModelApprovalStatus", STATUSES[0], enum_values=STATUSES)
    stage = ParameterString("DeployTo", "none", enum_values=["none", *STAGES])
    instance = ParameterString("InstanceType", "ml.m5.large")
    folds = ParameterInteger("Folds", 5)

    outputs = ["train", "test", "baseline", "report"]
    splits = steps.process(project, "iris", inputs={"raw": raw}, outputs=outputs, instance_type=instance)
    train, test, features = (steps.output(splits, name) for name in outputs[:3])

    model = steps.tune(
        project,
        "iris",
        channels={"train": train},
        hyperparameters={"folds": folds},
        ranges=RANGES,
        objective="cv:accuracy",
        metrics=["cv:accuracy"],
        jobs=TRIALS,
        framework="sklearn",
        instance_type=instance,
    )
    report = steps.evaluate(
        project,
        "iris",
        "multiclass",
        model=model,
        data={"train": train, "test": test},
        framework="sklearn",
        instance_type=instance,
    )

    check = checks.Checks(project, "iris", TABLE, instance_type=instance)
    checked = [check.data_quality(features), check.model_quality(report), check.explainability(model, test)]

    accuracy = steps.metric(report, "multiclass_classification_metrics.accuracy.value")
    good = [ConditionGreaterThanOrEqualTo(left=accuracy, right=floor), *check.conditions(checked)]
    version = steps.register(
        project,
        "iris",
        model=model,
        report=report,
        checks=checked,
        approval=approval,
        framework="sklearn",
        properties={"Accuracy": accuracy, "MinAccuracy": floor, "InputDataUrl": raw},
    )
    refusal = steps.fail("Accuracy", accuracy, "on test; at least", floor, "is needed.", *check.message(checked))
    gate = steps.when("CheckGate", good, then=[version], otherwise=[refusal])
    deploy = steps.deploy_when(
        project,
        "iris",
        conditions=good,
        stage=stage,
        stages=STAGES,
        model=model,
        framework="sklearn",
        instance_type=instance,
    )

    parameters = [raw, floor, approval, stage, instance, folds, *check.parameters]
    chain = [splits, model, report, *check.steps(checked), gate, deploy]
    return steps.pipeline(project, "iris", parameters=parameters, steps=chain)
