"""Fraud: which card transactions are? Binary, 1 % positive, ever later days to judge: gated on average precision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagemaker.core.parameter import ContinuousParameter, IntegerParameter
from sagemaker.core.workflow.conditions import ConditionGreaterThan, ConditionGreaterThanOrEqualTo
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterInteger, ParameterString
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import ProcessingStep, TuningStep

from pipelines import checks, steps
from pipelines.jobs import Text, artifact, text
from pipelines.project import Project

GATE = 0.60  # the floor itself: two weeks of test measure it with a standard error far smaller than the distance to it
# What each member's tuning job tries. The depth and number of trees also bound how long the reasons of an alert take.
MEMBERS = {
    "rules": {
        "share": ContinuousParameter(0.005, 0.1, scaling_type="Logarithmic"),
        "most": IntegerParameter(3, 10),
    },
    "isolation_forest": {
        "sample": IntegerParameter(128, 2048, scaling_type="Logarithmic"),
        "columns": ContinuousParameter(0.3, 1.0),
    },
    "one_class_svm": {
        "gamma": ContinuousParameter(0.1, 5.0, scaling_type="Logarithmic"),
        "nu": ContinuousParameter(0.005, 0.1, scaling_type="Logarithmic"),
    },
    "random_forest": {
        "max_depth": IntegerParameter(5, 8),
        "min_child_weight": ContinuousParameter(1, 20, scaling_type="Logarithmic"),
        "columns": ContinuousParameter(0.3, 0.8),
    },
    "boosted_trees": {
        "eta": ContinuousParameter(0.05, 0.2, scaling_type="Logarithmic"),
        "max_depth": IntegerParameter(3, 6),
        "min_child_weight": ContinuousParameter(1, 20, scaling_type="Logarithmic"),
        "columns": ContinuousParameter(0.4, 0.9),
    },
    "network": {
        "learning_rate": ContinuousParameter(0.001, 0.01, scaling_type="Logarithmic"),
        "weight_decay": ContinuousParameter(0.001, 0.1, scaling_type="Logarithmic"),
    },
}
TRIALS = 4  # of each member, unless Trials says otherwise
OBJECTIVES = {"xgboost": "validation:aucpr", "pytorch": "average_precision"}  # as each image reads it from the log
TABLE = checks.Table("fraud", positive=[1], facets={})  # a simulation has no people that could be treated unequally
NOTE = (
    "The transactions are simulated, after the Fraud Detection Handbook: no customer, terminal or fraud is real. "
    "That a model finds these frauds says that it learnt the simulation's rules, not how it would do at a bank."
)
STATUSES = ["PendingManualApproval", "Approved", "Rejected"]
STAGES = ["staging"]  # where the pipeline may deploy by itself; production, with its canary, goes through approval


def build(project: Project) -> Pipeline:
    raw = ParameterString("InputDataUrl", project.data_uri("fraud"))
    floor = ParameterFloat("MinAveragePrecision", GATE)
    current = ParameterString("CurrentModelUrl", "none")  # what a candidate has to beat: of a retraining
    # The network needs PyTorch: AWS's image has it, a laptop the extra `torch`.
    members = ParameterString("Members", ",".join(name for name in MEMBERS if name != "network"))
    imbalance = ParameterString("Imbalance", "none,weights,focal,undersampling")
    trials = ParameterInteger("Trials", TRIALS)
    alert_cost = ParameterFloat("AlertCost", 10.0)  # euros of an analyst's time; a missed fraud costs its amount
    top = ParameterInteger("CardsADay", 100)  # that analysts can look at
    resamples = ParameterInteger("Resamples", 200)
    note = ParameterString("Note", NOTE)
    days = {
        "train-days": ParameterInteger("TrainDays", 42),
        "validation-days": ParameterInteger("ValidationDays", 14),
        "test-days": ParameterInteger("TestDays", 14),
        "delay-days": ParameterInteger("DelayDays", 7),
    }
    engine = ParameterString("Engine", "pandas", enum_values=["pandas", "spark"])
    approval = ParameterString("ModelApprovalStatus", STATUSES[0], enum_values=STATUSES)
    stage = ParameterString("DeployTo", "none", enum_values=["none", *STAGES])
    small = ParameterString("ProcessingInstanceType", "ml.m5.xlarge")
    large = ParameterString("TrainingInstanceType", "ml.m5.xlarge")
    serving = ParameterString("EndpointInstanceType", "ml.m5.large")

    outputs = ["train", "validation", "test", "report"]
    split = options({**days, "engine": engine})
    splits = steps.process(project, "fraud", inputs={"raw": raw}, outputs=outputs, instance_type=small, arguments=split)
    train, validation, test = (steps.output(splits, name) for name in outputs[:3])
    channels, asked = {"train": train, "validation": validation}, {"members": members, "imbalance": imbalance}
    tuned = {member: tune(project, member, channels, asked, trials, large) for member in MEMBERS}
    model = steps.train(
        project,
        "fraud",
        name="Ensemble",
        script="fraud_ensemble",
        channels={"validation": validation, **{name: artifact(project, "fraud", job) for name, job in tuned.items()}},
        hyperparameters={"alert_cost": alert_cost},
        instance_type=large,
    )
    report = steps.analyse(
        project,
        "fraud",
        "Evaluate",
        "rare_events",
        inputs={"model": artifact(project, "fraud", model), **channels, "test": test},
        outputs=["evaluation", "predictions", "answered", "sample"],
        instance_type=small,
        framework="xgboost",
        arguments=options({"top": top, "resamples": resamples, "in-service": current, "note": note}),
    )
    check = checks.Checks(project, "fraud", TABLE, instance_type=small)
    checked = [
        # Features with the score that each got: so a monitor sees scores move, too.
        check.data_quality(steps.output(report, "answered"), answer="score"),
        check.model_quality(report),
        check.explainability(model, steps.output(report, "sample")),
    ]

    found = numbers(report)
    score, beaten = found["AveragePrecision"], found["CurrentAveragePrecision"]
    good = [
        ConditionGreaterThanOrEqualTo(left=score, right=floor),
        ConditionGreaterThan(left=score, right=beaten),
        *check.conditions(checked),
    ]
    properties = {**found, "MinAveragePrecision": floor, "CurrentModelUrl": current, "InputDataUrl": raw}
    version = steps.register(
        project, "fraud", model=model, report=report, checks=checked, approval=approval, properties=properties
    )
    reason = ["Average precision", score, "on test; at least", floor, "is needed, and more than the", beaten]
    refusal = steps.fail(*reason, "of the model in service.", *check.message(checked))
    gate = steps.when("CheckGate", good, then=[version], otherwise=[refusal])
    deploy = steps.deploy_when(
        project, "fraud", conditions=good, stage=stage, stages=STAGES, model=model, instance_type=serving
    )

    learning = [raw, floor, current, members, imbalance, trials, alert_cost, top, resamples, note]
    parameters = [*learning, *days.values(), engine, approval, stage, small, large, serving, *check.parameters]
    chain = [splits, *tuned.values(), model, report, *check.steps(checked), gate, deploy]
    return steps.pipeline(project, "fraud", parameters=parameters, steps=chain)


def tune(
    project: Project,
    member: str,
    channels: Mapping[str, Text],
    asked: Mapping[str, Text],
    trials: ParameterInteger,
    instance_type: Text,
) -> TuningStep:
    """The member's tuning job, whose best trial is the trained member."""
    framework = "pytorch" if member == "network" else "xgboost"
    return steps.tune(
        project,
        "fraud",
        name="Tune" + member.title().replace("_", ""),
        channels=channels,
        hyperparameters={"member": member, **asked},
        ranges=MEMBERS[member],
        objective=OBJECTIVES[framework],
        jobs=trials,
        parallel=1,  # the members are side by side already
        strategy="Random",  # as good as any for a handful of and the same ones each time
        framework=framework,
        metrics=["average_precision"] if framework == "pytorch" else [],
        instance_type=instance_type,
    )


def options(values: Mapping[str, Text]) -> list[Text]:
    """A script's arguments: `--name value` of each."""
    return [part for name, value in values.items() for part in (f"--{name}", text(value))]


def numbers(report: ProcessingStep) -> dict[str, Any]:
    """What a version says of itself, by the names of its properties."""
    return {
        "AveragePrecision": steps.metric(report, "binary_classification_metrics.average_precision.value"),
        "CurrentAveragePrecision": steps.metric(report, "comparison.average_precision.current"),
        "CardPrecision": steps.metric(report, "rare_events.card_precision.value"),
        "EurosADay": steps.metric(report, "rare_events.cost_a_day.value"),
    }
