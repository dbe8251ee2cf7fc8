"""Census: who earns above 50,000? Binary, 24 % positive, with the bias between groups before and after a mitigation."""

from __future__ import annotations

from dataclasses import replace

from sagemaker.core.workflow.conditions import ConditionGreaterThanOrEqualTo
from sagemaker.core.workflow.parameters import ParameterBoolean, ParameterFloat, ParameterInteger, ParameterString
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import Step, TrainingStep

from pipelines import checks, steps
from pipelines.jobs import artifact
from pipelines.project import Project

# The floor is a cross-validated ROC-AUC of 0.925, measured on the test split's 6,513 people with a standard error of
# 0.003: the gate sits two of them lower. The mitigation may cost 0.01 besides (docs/census.md).
GATE, MITIGATED_GATE = 0.919, 0.909
FACETS = {
    "gender": ["Female"],
    "ethnicity": ["Black", "Asian-Pac-Islander", "Amer-Indian-Eskimo", "Other"],
}
TABLE = checks.Table("loan", positive=[1], facets=FACETS)
STATUSES = ["PendingManualApproval", "Approved", "Rejected"]


def build(project: Project) -> Pipeline:
    raw = ParameterString("InputDataUrl", project.data_uri("census"))
    floor = ParameterFloat("MinRocAuc", GATE)
    mitigated_floor = ParameterFloat("MinRocAucMitigated", MITIGATED_GATE)
    facet = ParameterString("Facet", "gender", enum_values=list(FACETS))
    approval = ParameterString("ModelApprovalStatus", STATUSES[0], enum_values=STATUSES)
    instance = ParameterString("InstanceType", "ml.m5.large")
    rounds = ParameterInteger("NumRound", 1000)

    outputs = ["train", "validation", "test", "baseline", "report"]
    splits = steps.process(project, "census", inputs={"raw": raw}, outputs=outputs, instance_type=instance)
    train, validation, test, features = (steps.output(splits, name) for name in outputs[:4])
    # Recorded, not refused: of two versions that differ on purpose one always looks worse than the approved one.
    record = ParameterBoolean("FailOnViolation", default_value=False)
    check = checks.Checks(project, "census", TABLE, instance_type=instance, fail_on_violation=record)
    data_checks = [check.data_quality(features), check.data_bias(train)]

    def candidate(mitigation: str, suffix: str, floor: ParameterFloat) -> tuple[TrainingStep, list[Step]]:
        """One of the two models and all its steps: it is trained, judged, checked, and registered if it is good."""
        hyperparameters = {"mitigation": mitigation, "facet": facet, "num_round": rounds}
        model = steps.train(
            project,
            "census",
            channels={"train": train, "validation": validation},
            hyperparameters=hyperparameters,
            instance_type=instance,
            name=f"Train{suffix}",
        )
        judged = {"train": train, "validation": validation, "test": test}
        report = steps.evaluate(
            project,
            "census",
            "classification",
            model=model,
            data=judged,
            instance_type=instance,
            name=f"Evaluate{suffix}",
        )
        mine = replace(check, suffix=suffix)
        checked = [mine.model_quality(report), mine.model_bias(report, model, test), mine.explainability(model, test)]
        score = steps.metric(report, "binary_classification_metrics.auc.value")
        version = steps.register(
            project,
            "census",
            model=model,
            report=report,
            checks=[*data_checks, *checked],
            approval=approval,
            properties={"Mitigation": mitigation, "Facet": facet, "RocAuc": score, "InputDataUrl": raw},
            name=f"Register{suffix}",
        )
        good = [ConditionGreaterThanOrEqualTo(left=score, right=floor), *check.conditions([*data_checks, *checked])]
        reason = ["ROC-AUC", score, "on test; at least", floor, "is needed.", *check.message([*data_checks, *checked])]
        gate = steps.when(
            f"CheckGate{suffix}", good, then=[version], otherwise=[steps.fail(*reason, name=f"GateFailed{suffix}")]
        )
        return model, [model, report, *mine.steps(checked), gate]

    model, plain = candidate("none", "", floor)
    mitigated, fair = candidate("reweighing", "Mitigated", mitigated_floor)
    compared = {"model": model, "mitigated": mitigated}
    sources = {"test": test, **{name: artifact(project, "census", each) for name, each in compared.items()}}
    trade_off = steps.analyse(
        project,
        "census",
        "TradeOff",
        "fairness_trade_off",
        inputs=sources,
        outputs=["trade_off"],
        instance_type=instance,
        framework="xgboost",
        arguments=["--facets", ",".join(FACETS)],
    )

    parameters = [raw, floor, mitigated_floor, facet, approval, instance, rounds, *check.parameters]
    chain = [splits, *check.steps(data_checks), *plain, *fair, trade_off]
    return steps.pipeline(project, "census", parameters=parameters, steps=chain)
