"""AutoML: any table with a target; the best of seven families of models, blended, after a search within a budget."""

from __future__ import annotations

from sagemaker.core.parameter import CategoricalParameter
from sagemaker.core.workflow.conditions import ConditionGreaterThanOrEqualTo
from sagemaker.core.workflow.functions import Join
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterInteger, ParameterString
from sagemaker.mlops.workflow.pipeline import Pipeline

from pipelines import checks, steps
from pipelines.project import Project

# A training job each, those that take longest first. What each tries begins with what did well on similar tables.
FAMILIES = [
    "boosted_trees",
    "gradient_boosting",
    "random_forest",
    "extra_trees",
    "network",
    "linear",
    "neighbours",
]
GATE = 0.0  # of the skill: better than an answer that ignores the record; who knows the table gives more
STATUSES = ["PendingManualApproval", "Approved", "Rejected"]
STAGES = ["staging"]


def build(project: Project) -> Pipeline:
    raw = ParameterString("InputDataUrl", project.data_uri("automl"))
    target = ParameterString("Target", "Churn")
    problem = ParameterString("Problem", "auto", enum_values=["auto", "binary", "multiclass", "regression"])
    # The objective that the XGBoost image knows as validation:<metric>.
    metric = ParameterString("Metric", "auc")
    objective_type = ParameterString("ObjectiveType", "Maximize", enum_values=["Maximize", "Minimize"])
    search_seconds = ParameterInteger("SearchSeconds", 210)
    ensemble_seconds = ParameterInteger("EnsembleSeconds", 45)
    most = ParameterInteger("MaxConfigurations", 500)  # of a family
    parallel = ParameterInteger("ParallelSearches", 2)  # how many there is room for: each gets its part of the time
    floor = ParameterFloat("MinSkill", GATE)
    resamples = ParameterInteger("Resamples", 1000)
    approval = ParameterString("ModelApprovalStatus", STATUSES[0], enum_values=STATUSES)
    stage = ParameterString("DeployTo", "none", enum_values=["none", *STAGES])
    instance = ParameterString("InstanceType", "ml.m5.large")

    outputs = ["train", "validation", "test", "baseline", "report"]
    splits = steps.process(
        project,
        "automl",
        inputs={"raw": raw},
        outputs=outputs,
        instance_type=instance,
        arguments=["--target", target, "--problem", problem],
    )
    train, validation, test, features = (steps.output(splits, name) for name in outputs[:4])
    asked = {"target": target, "problem": problem, "metric": metric}
    search = steps.tune(
        project,
        "automl",
        channels={"train": train},
        hyperparameters={**asked, "seconds": search_seconds, "parallel": parallel, "most": most},
        ranges={"family": CategoricalParameter(FAMILIES)},
        objective=Join(on=":", values=["validation", metric]),
        objective_type=objective_type,
        jobs=len(FAMILIES),
        parallel=len(FAMILIES),  # as many as there is room for
        strategy="Grid",  # each family once; inside of each job Optuna searches
        instance_type=instance,
    )
    # The artifacts of all trials: their names begin with that of the tuning job.
    trials = Join(on="/", values=[project.uri("models", "automl"), search.properties.HyperParameterTuningJobName])
    model = steps.train(
        project,
        "automl",
        channels={"train": train, "trials": trials},
        hyperparameters={**asked, "seconds": ensemble_seconds},
        instance_type=instance,
        name="Ensemble",
        script="automl_ensemble",
    )
    judged = {"train": train, "validation": validation, "test": test}
    report = steps.evaluate(
        project,
        "automl",
        "automl",
        model=model,
        data=judged,
        instance_type=instance,
        arguments=["--resamples", resamples.to_string()],
    )
    check = checks.Checks(project, "automl", checks.Table("", positive=[], facets={}), instance_type=instance)
    checked = [check.data_quality(features)]

    skill = steps.metric(report, "automl.skill.value")
    good = [ConditionGreaterThanOrEqualTo(left=skill, right=floor), *check.conditions(checked)]
    properties = {"Skill": skill, "MinSkill": floor, "Target": target, "Metric": metric, "InputDataUrl": raw}
    candidate = steps.register(
        project, "automl", model=model, report=report, checks=checked, approval=approval, properties=properties
    )
    refusal = steps.fail("Skill", skill, "on test; at least", floor, "is needed.", *check.message(checked))
    gate = steps.when("CheckGate", good, then=[candidate], otherwise=[refusal])
    deploy = steps.deploy_when(
        project, "automl", conditions=good, stage=stage, stages=STAGES, model=model, instance_type=instance
    )

    asking = [raw, target, problem, metric, objective_type]
    budget = [search_seconds, ensemble_seconds, most, parallel]
    parameters = [*asking, *budget, floor, resamples, approval, stage, instance, *check.parameters]
    chain = [splits, search, model, report, *check.steps(checked), gate, deploy]
    return steps.pipeline(project, "automl", parameters=parameters, steps=chain)
