"""EDA: what is in a table, what is wrong with it, and what it says? A case study of any table; nothing is learned."""

from __future__ import annotations

from sagemaker.core.workflow.parameters import ParameterString
from sagemaker.mlops.workflow.pipeline import Pipeline

from pipelines import steps
from pipelines.project import Project

NONE = "none"  # a parameter's value can't be empty


def build(project: Project) -> Pipeline:
    raw = ParameterString("InputDataUrl", project.data_uri("eda"))
    target = ParameterString("Target", NONE)
    order = ParameterString("Order", NONE)
    title = ParameterString("Title", "Case study")
    corrupt_share = ParameterString("CorruptShare", "0.05")
    instance = ParameterString("InstanceType", "ml.m5.large")

    clean = steps.process(
        project,
        "eda",
        inputs={"raw": raw},
        outputs=["table", "quality"],
        instance_type=instance,
        arguments=["--target", target, "--corrupt-share", corrupt_share],
    )
    study = steps.analyse(
        project,
        "eda",
        "CaseStudy",
        "case_study",
        inputs={name: steps.output(clean, name) for name in ("table", "quality")},
        outputs=["report"],
        instance_type=instance,
        arguments=["--target", target, "--order", order, "--title", title],
    )
    parameters = [raw, target, order, title, corrupt_share, instance]
    return steps.pipeline(project, "eda", parameters=parameters, steps=[clean, study])
