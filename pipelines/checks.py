"""Checks of the data and of the model against the last approved version: a step each, and what the gate makes of it.

    check = checks.Checks(project, "churn", TABLE, instance_type=small)
    checked = [check.data_quality(features), check.data_bias(train), check.model_quality(report)]
    gate = steps.when("CheckGate", [good, *check.conditions(checked)], …)

By default a check is an ordinary Processing job of this project's own analyses, as Model Monitor and Clarify take no
new customers since 2026-07-30; a project with `checks="managed"` gets the SDK's QualityCheckStep and ClarifyCheckStep
from the same calls. Either calculates a new baseline, compares it with the previous one, that of the latest approved
version, and says which of the two the next run compares with. The pipeline's parameters decide as for AWS's steps:

| SkipCheck | RegisterNewBaseline | compares | the version carries |
|---|---|---|---|
| false | false | with the previous baseline | the previous one |
| false | true | with the previous baseline | the new one |
| true | false | no | the previous one |
| true | true | no | the new one |

Where there is no previous baseline, ours compares nothing and registers the new one; AWS's steps fail unless both are
true. What to do about violations is FailOnViolation's: true, and the candidate is not registered; false, and they are
recorded with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sagemaker.core.workflow.conditions import Condition, ConditionEquals, ConditionNot, ConditionOr
from sagemaker.core.workflow.functions import JsonGet
from sagemaker.core.workflow.parameters import Parameter, ParameterBoolean
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.steps import ProcessingStep, Step

from deploy.names import aws_name
from pipelines import steps
from pipelines.jobs import Text, artifact, processing, text
from pipelines.project import Project

OUTPUT, CONFIG = "/opt/ml/processing/output", "/opt/ml/processing/input/config"
CSV = "text/csv"
ANALYSIS = "analysis_config.json"
FOUND = ("violations", "verdict", "message")  # members of check.json
# CheckType -> the step's name.
STEPS = {
    "DATA_QUALITY": "DataQuality",
    "MODEL_QUALITY": "ModelQuality",
    "DATA_BIAS": "DataBias",
    "MODEL_BIAS": "ModelBias",
    "MODEL_EXPLAINABILITY": "Explainability",
}
# A model's framework -> the script that explains it. XGBoost's artifacts do themselves, others need the library shap.
EXPLAINERS = {"xgboost": "explainability", "sklearn": "explainability_by_shap"}
# CheckType -> the member of ModelMetrics and DriftCheckBaselines, and by part of a baseline: its file, the leaf of the
# first, the leaf of the second.
MEMBERS: dict[str, tuple[str, dict[str, tuple[str, str, str]]]] = {
    **{
        kind: (
            member,
            {
                "Statistics": ("statistics.json", "Statistics", "Statistics"),
                "Constraints": ("constraints.json", "Constraints", "Constraints"),
            },
        )
        for kind, member in (("DATA_QUALITY", "ModelDataQuality"), ("MODEL_QUALITY", "ModelQuality"))
    },
    "DATA_BIAS": ("Bias", {"Constraints": ("analysis.json", "PreTrainingReport", "PreTrainingConstraints")}),
    "MODEL_BIAS": ("Bias", {"Constraints": ("analysis.json", "PostTrainingReport", "PostTrainingConstraints")}),
    "MODEL_EXPLAINABILITY": ("Explainability", {"Constraints": ("analysis.json", "Report", "Constraints")}),
}


@dataclass(frozen=True)
class Table:
    """What analyses have to know of a use case's tables: CSV with a header."""

    label: str
    positive: Sequence[int | str]  # values of the label that are the favourable outcome
    facets: Mapping[str, Sequence[int | str]]  # column to its values that are the group to be protected
    problem: str = "BinaryClassification"  # as Model Monitor names it
    framework: str = "xgboost"  # of the model, among EXPLAINERS
    # Clarify's methods.shap. The samples are Kernel SHAP's, of each record (AWS's step); ours is exact for trees.
    shap: Mapping[str, Any] = field(default_factory=lambda: {"agg_method": "mean_abs", "num_samples": 100})

    def analysis(self, methods: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """Clarify's analysis configuration."""
        facets = [{"name_or_index": name, "value_or_threshold": list(values)} for name, values in self.facets.items()]
        return {
            "version": "1.0",
            "dataset_type": CSV,
            "label": self.label,
            "label_values_or_threshold": list(self.positive),
            "facet": facets,
            **more,
            "methods": {**methods, "report": {"name": "report", "title": "Analysis Report"}},
        }


@dataclass(frozen=True)
class Check:
    """A check's step and where its results are; of baselines the URIs by part, Statistics and Constraints."""

    kind: str  # CheckType
    step: Step
    report: Text  # URI of report.html
    calculated: Mapping[str, Text]  # the new baseline
    used: Mapping[str, Text]  # the baseline that the version carries
    config: Text | None = None  # URI of the analysis configuration, of bias and explainability
    violations: JsonGet | None = None  # how many; None where AWS's step itself fails of them, and so are these:
    verdict: JsonGet | None = None  # "2 violations", "no earlier baseline" …
    message: JsonGet | None = None  # the same with what they are and where the report is
    model: ModelStep | None = None  # that the step asks

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """This check's share of ModelMetrics: what it calculated."""
        member, parts = MEMBERS[self.kind]
        found = {leaf: source(self.calculated[part]) for part, (_, leaf, _) in parts.items()}
        if self.kind == "MODEL_BIAS":  # "the bias report for a model" (API reference, Bias)
            found["Report"] = found["PostTrainingReport"]
        return {member: found}

    @property
    def baselines(self) -> dict[str, dict[str, Any]]:
        """This check's share of DriftCheckBaselines: what the next run and the monitors compare with. Bias has one
        ConfigFile for both of its stages: that of the model's, which monitors take.
        """
        member, parts = MEMBERS[self.kind]
        found = {leaf: source(self.used[part]) for part, (_, _, leaf) in parts.items()}
        carried = self.config and self.kind != "DATA_BIAS"
        return {member: found | ({"ConfigFile": source(self.config)} if carried else {})}


def source(uri: Text) -> dict[str, Text]:
    return {"ContentType": "application/json", "S3Uri": uri}


@dataclass
class Checks:
    """Makes the checks of one pipeline; `parameters` have to be among its parameters."""

    project: Project
    use_case: str
    table: Table
    instance_type: Text
    fail_on_violation: ParameterBoolean = field(
        default_factory=lambda: ParameterBoolean("FailOnViolation", default_value=True)
    )
    skip_check: ParameterBoolean = field(default_factory=lambda: ParameterBoolean("SkipCheck", default_value=False))
    register_new_baseline: ParameterBoolean = field(
        default_factory=lambda: ParameterBoolean("RegisterNewBaseline", default_value=False)
    )
    suffix: str = ""  # of the steps' names, where a pipeline checks a second model: `dataclasses.replace(check, …)`

    @property
    def parameters(self) -> list[Parameter]:
        return [self.fail_on_violation, self.skip_check, self.register_new_baseline]

    def data_quality(self, features: Text, answer: str = "") -> Check:
        """Are the features still like those that the approved version learned from? Also what monitors compare with.

        `answer`: a column with what the model says. Another version says otherwise, so ours does not compare it here;
        a monitor whose declaration has a threshold for it does.
        """
        named = {"answer_column": answer} if answer and self.project.checks != "managed" else {}
        return self._quality("DATA_QUALITY", "data_quality", features, named)

    def model_quality(self, report: ProcessingStep) -> Check:
        """Is the model as good on the test set as the approved version was on its own?"""
        names = {
            "analysis_type": "MODEL_QUALITY",
            "problem_type": self.table.problem,
            "inference_attribute": "prediction" if self.table.problem == "Regression" else "predicted_label",
            "ground_truth_attribute": self.table.label,
        }
        if self.table.problem == "BinaryClassification":
            names["probability_attribute"] = "probability"
        return self._quality("MODEL_QUALITY", "model_quality", steps.output(report, "predictions"), names)

    def data_bias(self, train: Text) -> Check:
        """Do the groups of each facet differ more than before in the data?"""
        if self.project.checks == "managed":
            return self._managed.data_bias(train)
        config = self.table.analysis({"pre_training_bias": {"methods": "all"}})
        return self._clarify("DATA_BIAS", "bias", config, {"data": train}, ["--stage", "pre_training"])

    def model_bias(self, report: ProcessingStep, model: steps.Model, test: Text) -> Check:
        """Does the model treat the groups of each facet more differently than before?

        Ours takes the report's predictions; AWS's step asks the model about the test set, behind its own endpoint.
        """
        if self.project.checks == "managed":
            return self._managed.model_bias(model, test)
        more = {"predicted_label": "predicted_label", "excluded_columns": ["probability"]}
        config = self.table.analysis({"post_training_bias": {"methods": "all"}}, **more)
        data = {"data": steps.output(report, "predictions")}
        return self._clarify("MODEL_BIAS", "bias", config, data, ["--stage", "post_training"])

    def explainability(self, model: steps.Model, test: Text) -> Check:
        """Do the same features drive the model as before?"""
        if self.project.checks == "managed":
            return self._managed.explainability(model, test)
        config = self.table.analysis({"shap": dict(self.table.shap)})
        inputs = {"data": test, "model": artifact(self.project, self.use_case, model)}
        framework = self.table.framework
        return self._clarify("MODEL_EXPLAINABILITY", EXPLAINERS[framework], config, inputs, framework=framework)

    def steps(self, checked: Sequence[Check]) -> list[Step]:
        """All that the pipeline needs for them: where AWS's steps ask a model, also the one that makes it, once."""
        found = [step for each in checked for step in (each.model, each.step) if step is not None]
        return list({step.name: step for step in found}.values())

    def step_name(self, kind: str) -> str:
        return STEPS[kind] + self.suffix

    def conditions(self, checked: Sequence[Check]) -> list[Condition]:
        """That no check found a violation, or that FailOnViolation is false.

        AWS's steps fail of violations by themselves; they are asked for their result, which is there, so that what
        depends on the conditions waits for them.
        """
        return [
            ConditionOr(
                [
                    ConditionEquals(left=each.violations, right=0),
                    ConditionEquals(left=self.fail_on_violation, right=False),
                ]
            )
            if each.violations
            else ConditionNot(ConditionEquals(left=each.calculated["Constraints"], right=""))
            for each in checked
        ]

    def message(self, checked: Sequence[Check]) -> list[Text]:
        """For `steps.fail`: what each check found, and for violations where the report is."""
        return [part for each in checked if each.message for part in (f"{each.step.name}:", each.message)]

    @property
    def _managed(self) -> Any:
        from pipelines.managed_checks import ManagedChecks

        return ManagedChecks(self)

    def _quality(self, kind: str, script: str, data: Text, names: Mapping[str, str]) -> Check:
        """`evaluation/<script>.py` under Model Monitor's container contract."""
        if self.project.checks == "managed":
            return self._managed.quality(kind, data, names)
        folder = "/opt/ml/processing/input/baseline_dataset_input"
        environment = {
            "dataset_format": '{"csv": {"header": true}}',
            "dataset_source": folder,
            "output_path": OUTPUT,
            "publish_cloudwatch_metrics": "Disabled",
            **names,
        }
        inputs = {"baseline_dataset_input": (data, folder)}
        return self._ours(kind, script, inputs, environment=environment)

    def _clarify(
        self,
        kind: str,
        script: str,
        config: Mapping[str, Any],
        data: Mapping[str, Text],
        arguments: Sequence[str] = (),
        framework: str = "sklearn",
    ) -> Check:
        """`evaluation/<script>.py` with Clarify's inputs."""
        uri = self.config(kind, config)
        inputs = {name: (uri, f"/opt/ml/processing/input/{name}") for name, uri in data.items()}
        inputs["analysis_config"] = (uri, CONFIG)
        return self._ours(kind, script, inputs, arguments=arguments, framework=framework, config=uri)

    def config(self, kind: str, content: Mapping[str, Any]) -> Text:
        """An analysis configuration's URI, under its content's hash."""
        name = f"evaluation/{self.use_case}-{kind.lower().replace('_', '-')}"
        return self.project.document(name, ANALYSIS, content)

    def _ours(
        self,
        kind: str,
        script: str,
        inputs: Mapping[str, tuple[Text, str]],
        *,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        framework: str = "sklearn",
        config: Text | None = None,
    ) -> Check:
        rules = {
            "--model-package-group-name": aws_name(self.use_case),
            "--skip-check": text(self.skip_check),
            "--register-new-baseline": text(self.register_new_baseline),
        }
        summary = PropertyFile(name="check", output_name="check", path="check.json")
        step = processing(
            self.project,
            self.use_case,
            self.step_name(kind),
            f"evaluation/{script}.py",
            inputs=inputs,
            outputs={"check": OUTPUT},
            arguments=[*arguments, *(each for option in rules.items() for each in option)],
            environment=environment,
            instance_type=self.instance_type,
            framework=framework,
            property_files=[summary],
            # What it compares with is in the registry, and a cache looks at the addresses of inputs alone: it would
            # repeat a verdict about a baseline that an approval has replaced since.
            cache=None,
        )
        files = {part: name for part, (name, _, _) in MEMBERS[kind][1].items()}
        found = {path: JsonGet(step_name=step.name, property_file=summary, json_path=path) for path in FOUND}
        return Check(
            kind=kind,
            step=step,
            report=steps.output(step, "check", "report.html"),
            calculated={part: steps.output(step, "check", name) for part, name in files.items()},
            used={part: steps.output(step, "check", "drift_check_baseline", name) for part, name in files.items()},
            config=config,
            **found,
        )
