"""The checks as AWS's own steps, QualityCheckStep and ClarifyCheckStep, for who has Model Monitor and Clarify.

They differ from ours in three things that are AWS's. A first run needs SkipCheck and RegisterNewBaseline true, as there
is no baseline yet. A violation fails the step itself (FailOnViolation), so the gate asks nothing of them. A check of a
model asks the model: it is made first, and Clarify serves it for the time of the job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagemaker.core import clarify
from sagemaker.core.model_monitor.dataset_format import DatasetFormat
from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join
from sagemaker.mlops.workflow.check_job_config import CheckJobConfig
from sagemaker.mlops.workflow.clarify_check_step import (
    ClarifyCheckConfig,
    ClarifyCheckStep,
    DataBiasCheckConfig,
    ModelBiasCheckConfig,
    ModelExplainabilityCheckConfig,
)
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.quality_check_step import (
    DataQualityCheckConfig,
    ModelQualityCheckConfig,
    QualityCheckStep,
)

from deploy.names import aws_name, tags
from pipelines import steps
from pipelines.checks import CSV, MEMBERS, Check, Checks, Table
from pipelines.jobs import Text

SERVING_INSTANCE = "ml.m5.large"  # of Clarify's endpoint; it stands in a file, where no parameter can
# Where a line of the model's text/csv answer has probability and label.
PROBABILITY, LABEL = 0, 1


@dataclass(frozen=True)
class ManagedChecks:
    checks: Checks

    @property
    def table(self) -> Table:
        return self.checks.table

    def quality(self, kind: str, data: Text, names: Mapping[str, str]) -> Check:
        """`names` are the variables of Model Monitor's container contract, of which the SDK takes its own."""
        common = {
            "baseline_dataset": data,
            "dataset_format": DatasetFormat.csv(header=True),
            "output_s3_uri": self._output(kind),
        }
        own = {name: value for name, value in names.items() if name != "analysis_type"}
        config = ModelQualityCheckConfig(**common, **own) if own else DataQualityCheckConfig(**common)
        step = QualityCheckStep(self.checks.step_name(kind), quality_check_config=config, **self._rules())
        return self._check(kind, step)

    def data_bias(self, train: Text) -> Check:
        def config(data: clarify.DataConfig) -> ClarifyCheckConfig:
            return DataBiasCheckConfig(data, data_bias_config=self._bias())

        return self._clarify("DATA_BIAS", {"pre_training_bias": {"methods": "all"}}, train, config)

    def model_bias(self, model: steps.Model, test: Text) -> Check:
        made = self._model(model)

        def config(data: clarify.DataConfig) -> ClarifyCheckConfig:
            return ModelBiasCheckConfig(
                data,
                data_bias_config=self._bias(),
                model_config=self._served(made),
                model_predicted_label_config=clarify.ModelPredictedLabelConfig(label=LABEL),
            )

        return self._clarify("MODEL_BIAS", {"post_training_bias": {"methods": "all"}}, test, config, made)

    def explainability(self, model: steps.Model, test: Text) -> Check:
        made = self._model(model)

        def config(data: clarify.DataConfig) -> ClarifyCheckConfig:
            return ModelExplainabilityCheckConfig(
                data,
                model_config=self._served(made),
                explainability_config=clarify.SHAPConfig(**self.table.shap),
                model_scores=PROBABILITY,
            )

        return self._clarify("MODEL_EXPLAINABILITY", {"shap": dict(self.table.shap)}, test, config, made)

    def _clarify(
        self, kind: str, methods: Mapping[str, Any], data: Text, config: Any, model: ModelStep | None = None
    ) -> Check:
        """The step's configuration is the SDK's file; the version carries ours, whose name has no time in it."""
        registered = self.checks.config(kind, self.table.analysis(methods))
        described = clarify.DataConfig(
            s3_data_input_path=data,
            s3_output_path=self._output(kind),
            s3_analysis_config_output_path=f"{registered.rsplit('/', 1)[0]}/managed",
            label=self.table.label,
            dataset_type=CSV,
        )
        step = ClarifyCheckStep(self.checks.step_name(kind), clarify_check_config=config(described), **self._rules())
        return self._check(kind, step, registered, model)

    def _check(self, kind: str, step: Any, config: Text | None = None, model: ModelStep | None = None) -> Check:
        parts = MEMBERS[kind][1]
        return Check(
            kind=kind,
            step=step,
            report=Join(on="/", values=[self._output(kind), "report.html"]),
            calculated={part: getattr(step.properties, f"CalculatedBaseline{part}") for part in parts},
            used={part: getattr(step.properties, f"BaselineUsedForDriftCheck{part}") for part in parts},
            config=config,
            model=model,
        )

    def _rules(self) -> dict[str, Any]:
        """Without CacheConfig: its key, too, lacks the baseline that is found in the registry."""
        checks = self.checks
        job = CheckJobConfig(
            role=checks.project.role,
            instance_type=checks.instance_type,
            max_runtime_in_seconds=3600,
            sagemaker_session=checks.project.session,
            tags=tags(checks.use_case),
        )
        return {
            "check_job_config": job,
            "skip_check": checks.skip_check,
            "fail_on_violation": checks.fail_on_violation,
            "register_new_baseline": checks.register_new_baseline,
            "model_package_group_name": aws_name(checks.use_case),
        }

    def _bias(self) -> clarify.BiasConfig:
        table = self.table
        return clarify.BiasConfig(
            label_values_or_threshold=list(table.positive),
            facet_name=list(table.facets),
            facet_values_or_threshold=[list(values) for values in table.facets.values()],
        )

    def _model(self, model: steps.Model) -> ModelStep:
        return steps.create_model(
            self.checks.project, self.checks.use_case, model, name=f"CreateModelToCheck{self.checks.suffix}"
        )

    def _served(self, made: ModelStep) -> clarify.ModelConfig:
        return clarify.ModelConfig(
            model_name=made.properties.ModelName,
            instance_type=SERVING_INSTANCE,
            instance_count=1,
            content_type=CSV,
            accept_type=CSV,
        )

    def _output(self, kind: str) -> Text:
        """Where the SDK has an ordinary Processing step's outputs, too."""
        project = self.checks.project
        execution = [ExecutionVariables.PIPELINE_EXECUTION_ID, self.checks.step_name(kind), "output"]
        return Join(on="/", values=["s3:/", project.bucket, project.key(self.checks.use_case), *execution])
