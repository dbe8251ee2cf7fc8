"""Segmentation: which kinds of customers does a shop have? Gated on how distinct segments are and whether they hold."""

from __future__ import annotations

from sagemaker.core.workflow.conditions import ConditionEquals, ConditionGreaterThanOrEqualTo
from sagemaker.core.workflow.parameters import ParameterBoolean, ParameterFloat, ParameterInteger, ParameterString
from sagemaker.mlops.workflow.pipeline import Pipeline

from pipelines import checks, steps
from pipelines.jobs import text
from pipelines.project import Project

# The chosen segments have a silhouette of 0.36 on customers that they were not made of, measured with a standard error
# of 0.01, and agree by 0.95 with those of bootstrap samples (docs/segmentation.md).
SILHOUETTE, STABILITY = 0.34, 0.8
TABLE = checks.Table("segment", positive=[], facets={}, problem="Clustering", framework="sklearn")
STATUSES = ["PendingManualApproval", "Approved", "Rejected"]
STAGES = ["staging"]  # where the pipeline may deploy by itself; production goes through approval


def build(project: Project) -> Pipeline:
    raw = ParameterString("InputDataUrl", project.data_uri("segmentation"))
    silhouette_floor = ParameterFloat("MinSilhouette", SILHOUETTE)
    stability_floor = ParameterFloat("MinStability", STABILITY)
    approval = ParameterString("ModelApprovalStatus", STATUSES[0], enum_values=STATUSES)
    stage = ParameterString("DeployTo", "none", enum_values=["none", *STAGES])
    instance = ParameterString("InstanceType", "ml.m5.large")
    # true: what an autoencoder's code would be worth, in AWS's PyTorch image; on a laptop the extra `torch`.
    autoencoder = ParameterBoolean("Autoencoder", default_value=False)
    resamples, folds = ParameterInteger("Resamples", 20), ParameterInteger("Folds", 5)
    hyperparameters = {
        "max_segments": ParameterInteger("MaxSegments", 8),
        "min_stability": stability_floor,
        "resamples": resamples,
        "folds": folds,
    }

    outputs = ["train", "test", "customers", "report"]
    splits = steps.process(project, "segmentation", inputs={"raw": raw}, outputs=outputs, instance_type=instance)
    train, test, customers = (steps.output(splits, name) for name in outputs[:3])
    model = steps.train(
        project,
        "segmentation",
        channels={"train": train},
        hyperparameters=hyperparameters,
        instance_type=instance,
        framework="sklearn",
        metrics=["silhouette", "stability"],
    )
    report = steps.evaluate(
        project,
        "segmentation",
        "clustering",
        model=model,
        data={"train": train, "test": test},
        instance_type=instance,
        framework="sklearn",
        arguments=["--resamples", text(resamples), "--folds", text(folds)],
    )
    represented = steps.train(
        project,
        "segmentation",
        script="segmentation_representations",
        channels={"train": train, "test": test},
        hyperparameters={"segments": steps.metric(report, "clustering_metrics.segments.value")},
        instance_type=instance,
        framework="pytorch",
        metrics=[f"{name}:silhouette" for name in ("scaled", "pca", "autoencoder")],
        name="CompareRepresentations",
    )
    flag = steps.when("CheckAutoencoder", [ConditionEquals(left=autoencoder, right=True)], then=[represented])
    # Features with the segment that each customer got: so a monitor sees segments' shares move, too.
    check = checks.Checks(project, "segmentation", TABLE, instance_type=instance)
    checked = [check.data_quality(steps.output(report, "predictions"))]

    silhouette = steps.metric(report, "clustering_metrics.silhouette.value")
    stability = steps.metric(report, "clustering_metrics.stability.value")
    good = [
        ConditionGreaterThanOrEqualTo(left=silhouette, right=silhouette_floor),
        ConditionGreaterThanOrEqualTo(left=stability, right=stability_floor),
        *check.conditions(checked),
    ]
    properties = {
        "Silhouette": silhouette,
        "MinSilhouette": silhouette_floor,
        "Stability": stability,
        "MinStability": stability_floor,
        "InputDataUrl": raw,
    }
    version = steps.register(
        project,
        "segmentation",
        model=model,
        report=report,
        checks=checked,
        approval=approval,
        framework="sklearn",
        properties=properties,
    )
    reason = ["Silhouette", silhouette, "on test; at least", silhouette_floor, "is needed. Stability", stability]
    refusal = steps.fail(*reason, "at least", stability_floor, "is needed.", *check.message(checked))
    assigned = steps.transform(
        project,
        "segmentation",
        model=model,
        data=customers,
        instance_type=instance,
        framework="sklearn",
        output_filter="$[0,-2,-1]",  # a customer's id, the segment's number and its name
        name="Assign",
    )
    gate = steps.when("CheckGate", good, then=[version, *assigned], otherwise=[refusal])
    deploy = steps.deploy_when(
        project,
        "segmentation",
        conditions=good,
        stage=stage,
        stages=STAGES,
        model=model,
        instance_type=instance,
        framework="sklearn",
    )

    given = [raw, silhouette_floor, approval, stage, instance, autoencoder]
    parameters = [*given, *hyperparameters.values(), *check.parameters]
    chain = [splits, model, report, flag, *check.steps(checked), gate, deploy]
    return steps.pipeline(project, "segmentation", parameters=parameters, steps=chain)
