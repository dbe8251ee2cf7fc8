"""The types of pipeline steps, one row each: what a definition may say of such a step and what is read from it.

A row describes; what runs a step is its function in `steps.RUN`, and CreatePipeline refuses a type that has none. A
step that makes a resource of the API out of `Arguments` has a row in `steps.resources.RESOURCES`, too: then literal
arguments are checked against that request's shape, expressions in it take that shape's types, and a step that is run
again after a kill finds its resource by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from sagelocal.api.model import operation_model
from sagelocal.workflow.expressions import Path
from sagelocal.workflow.steps import cleanup

Step = Mapping[str, Any]
Properties = Callable[[Step, Path], bool]
COMMON = ("Name", "Type", "Arguments", "DependsOn", "DisplayName", "Description")
STEP_ERRORS = ("Step.SERVICE_FAULT", "Step.THROTTLING")
JOB_ERRORS = ("SageMaker.JOB_INTERNAL_ERROR", "SageMaker.CAPACITY_ERROR", "SageMaker.RESOURCE_LIMIT")
_OUTPUT_TYPES = ("String", "Integer", "Boolean", "Float")


def no_properties(step: Step, path: Path) -> bool:
    return False


def no_problems(step: Step) -> Iterator[str]:
    return iter(())


@dataclass(frozen=True)
class StepType:
    """One type of step.

    `properties` says whether `Steps.<name>.<path>` can exist, `problems` what is wrong with a step's own members beyond
    unknown ones. `cache_key` are the dotted paths into the resolved step that make two runs of it the same; None where
    AWS caches no such step. `nested` are the members of Arguments that hold steps.
    """

    members: tuple[str, ...] = ()  # beside COMMON, CacheConfig and RetryPolicies
    arguments: tuple[str, ...] | None = None  # all that Arguments may have; None: any, or as the request's shape
    properties: Properties = no_properties
    problems: Callable[[Step], Iterator[str]] = no_problems
    retries: tuple[str, ...] = ()  # exception types that its RetryPolicies may name; without any it takes none
    cache_key: tuple[str, ...] | None = None
    nested: tuple[str, ...] = ()
    optional_arguments: bool = False  # flat inputs, which the SDK writes as null where there are none
    lazy: bool = False  # the type's own function resolves the Arguments, since not all of them are values yet


def answers(*operations: str) -> Properties:
    """Properties are the answer of a Describe operation, or of several together."""

    def exist(step: Step, path: Path) -> bool:
        return any(_has(operation_model("sagemaker", operation).output_shape, path) for operation in operations)

    return exist


def named(*names: str) -> Properties:
    """Properties are these, and whatever is below them."""
    return lambda step, path: path[0] in names


def output_parameters(step: Step, path: Path) -> bool:
    """What the step declares under OutputParameters."""
    declared = [one.get("OutputName") for one in step.get("OutputParameters") or []]
    return len(path) == 2 and path[0] == "OutputParameters" and path[1] in declared


def _has(shape: Shape | None, path: Path) -> bool:
    for token in path:
        if isinstance(shape, StructureShape) and token in shape.members:
            shape = shape.members[str(token)]
        elif isinstance(shape, ListShape):
            shape = shape.member
        elif isinstance(shape, MapShape) and isinstance(token, str):
            shape = shape.value
        else:
            return False
    return True


def _required(*members: str) -> Callable[[Step], Iterator[str]]:
    def problems(step: Step) -> Iterator[str]:
        yield from (
            f"{step['Type']} step '{step['Name']}' has no {member}" for member in members if not step.get(member)
        )

    return problems


def _flat(*members: str) -> Callable[[Step], Iterator[str]]:
    """Lambda and Callback steps: inputs and outputs are strings, numbers and booleans."""

    def problems(step: Step) -> Iterator[str]:
        where = f"{step['Type']} step '{step['Name']}'"
        yield from _required(*members)(step)
        for name, value in (step.get("Arguments") or {}).items():
            if isinstance(value, list) or (isinstance(value, dict) and len(value) != 1):
                yield f"Argument '{name}' of {where} must be a string, number, boolean or expression"
        for one in step.get("OutputParameters") or []:
            if set(one) != {"OutputName", "OutputType"} or one["OutputType"] not in _OUTPUT_TYPES:
                yield (
                    f"An output parameter of {where} must have exactly OutputName and OutputType, one of: "
                    f"{', '.join(_OUTPUT_TYPES)}"
                )

    return problems


def _check(*kinds: str) -> Callable[[Step], Iterator[str]]:
    def problems(step: Step) -> Iterator[str]:
        if step.get("CheckType") not in kinds:
            yield (
                f"CheckType {step.get('CheckType')!r} of {step['Type']} step '{step['Name']}' must be one of: "
                f"{', '.join(kinds)}"
            )

    return problems


def _ensembling(step: Step) -> Iterator[str]:
    """An AutoML step takes this mode only (developer guide, AutoML step)."""
    if ((step["Arguments"].get("AutoMLJobConfig") or {}).get("Mode")) != "ENSEMBLING":
        yield f"AutoMLJobConfig.Mode of AutoML step '{step['Name']}' must be ENSEMBLING"


def _for_each(step: Step) -> Iterator[str]:
    where, arguments = f"ForEach step '{step['Name']}'", step["Arguments"]
    items, at_once = arguments.get("IterableItems"), arguments.get("MaxConcurrency")
    if not isinstance(items, dict) and not (isinstance(items, list) and 1 <= len(items) <= 100):
        yield f"IterableItems of {where} must be a reference or a list of 1 to 100 items"
    if not isinstance(at_once, int) or isinstance(at_once, bool) or not 1 <= at_once <= 50:
        yield f"MaxConcurrency of {where} must be from 1 to 50, not {at_once!r}"
    if not arguments.get("ForEachBody"):
        yield f"{where} has no ForEachBody"
    for inner in arguments.get("ForEachBody") or []:
        if inner.get("Type") in ("Condition", "Fail", "ForEach"):
            yield f"{inner['Type']} step '{inner.get('Name')}' cannot be in the body of {where}"
    selector = arguments.get("Selector")
    if selector is not None and (set(selector) != {"Pick", "Field"} or selector["Pick"] not in ("MaxBy", "MinBy")):
        yield f"Selector of {where} must have exactly Pick, MaxBy or MinBy, and Field"


def _for_each_properties(step: Step, path: Path) -> bool:
    """Counts, `IterationOutputs[i].<step of the body>.<property>`, and `Selected.<property>` where it selects."""
    if path[0] == "Selected":
        selector = step["Arguments"].get("Selector") or {"Field": {"Get": ""}}
        name, rest = selector["Field"]["Get"].split(".")[1:2], path[1:]
    elif path[0] == "IterationOutputs" and len(path) > 2 and isinstance(path[1], int):
        name, rest = [path[2]], path[3:]
    else:
        return len(path) == 1 and path[0] in _FOR_EACH_COUNTS
    inner = next((one for one in step["Arguments"]["ForEachBody"] if [one["Name"]] == name), None)
    return inner is not None and bool(rest) and STEP_TYPES[inner["Type"]].properties(inner, rest)


_FOR_EACH_COUNTS = (
    "Status", "InputItemCount", "TotalStepCount", "SucceededStepCount", "FailedStepCount", "StoppedStepCount",
)  # fmt: skip


def _arguments(*names: str) -> tuple[str, ...]:
    return tuple(f"Arguments.{name}" for name in names)


_CHECK_MEMBERS = (
    "CheckType", "ModelPackageGroupName", "SkipCheck", "RegisterNewBaseline", "FailOnViolation",
    "SuppliedBaselineConstraints",
)  # fmt: skip
_CHECK_KEY = (
    "Arguments", "CheckType", "ModelPackageGroupName", "SkipCheck", "RegisterNewBaseline",
    "SuppliedBaselineConstraints",
)  # fmt: skip
_ALL_ERRORS = (*STEP_ERRORS, *JOB_ERRORS)

# The cache keys are the developer guide's (pipelines-caching); where it lists none, the whole request counts.
STEP_TYPES: dict[str, StepType] = {
    "Processing": StepType(
        members=("PropertyFiles",),
        properties=answers("DescribeProcessingJob"),
        retries=_ALL_ERRORS,
        cache_key=_arguments("AppSpecification", "Environment", "ProcessingInputs"),
    ),
    "Training": StepType(
        properties=answers("DescribeTrainingJob"),
        retries=_ALL_ERRORS,
        cache_key=_arguments(
            "AlgorithmSpecification", "CheckpointConfig", "DebugHookConfig", "DebugRuleConfigurations", "Environment",
            "HyperParameters", "InputDataConfig",
        ),
    ),
    "Tuning": StepType(
        properties=answers("DescribeHyperParameterTuningJob", "ListTrainingJobsForHyperParameterTuningJob"),
        retries=_ALL_ERRORS,
        cache_key=_arguments(
            "HyperParameterTuningJobConfig", "TrainingJobDefinition.AlgorithmSpecification",
            "TrainingJobDefinition.HyperParameterRanges", "TrainingJobDefinition.InputDataConfig",
            "TrainingJobDefinition.StaticHyperParameters", "TrainingJobDefinition.TuningObjective",
            "TrainingJobDefinitions",
        ),
    ),
    "AutoML": StepType(  # BestCandidateProperties are of reports that no candidate has here
        properties=answers("DescribeAutoMLJob"),
        retries=_ALL_ERRORS,
        problems=_ensembling,
        cache_key=_arguments("AutoMLJobConfig", "AutoMLJobObjective", "InputDataConfig", "ProblemType"),
    ),
    "Transform": StepType(
        properties=answers("DescribeTransformJob"),
        retries=_ALL_ERRORS,
        cache_key=_arguments("DataProcessing", "Environment", "ModelName", "TransformInput"),
    ),
    "Model": StepType(properties=answers("DescribeModel"), retries=STEP_ERRORS),
    "RegisterModel": StepType(properties=answers("DescribeModelPackage"), retries=STEP_ERRORS),
    "EndpointConfig": StepType(
        properties=answers("DescribeEndpointConfig"), retries=STEP_ERRORS, cache_key=("Arguments",)
    ),
    "Endpoint": StepType(properties=answers("DescribeEndpoint"), cache_key=("Arguments",)),
    "Condition": StepType(
        arguments=("Conditions", "IfSteps", "ElseSteps"),
        properties=lambda step, path: path == ["Outcome"],
        nested=("IfSteps", "ElseSteps"),
        lazy=True,
    ),
    "Fail": StepType(arguments=("ErrorMessage",), lazy=True),
    "Lambda": StepType(
        members=("FunctionArn", "OutputParameters"),
        properties=output_parameters,
        problems=_flat("FunctionArn"),
        cache_key=("Arguments", "FunctionArn"),
        optional_arguments=True,
    ),
    "Callback": StepType(
        members=("SqsQueueUrl", "OutputParameters"),
        properties=output_parameters,
        problems=_flat("SqsQueueUrl"),
        cache_key=("Arguments", "SqsQueueUrl"),
        optional_arguments=True,
    ),
    "QualityCheck": StepType(
        members=(*_CHECK_MEMBERS, "SuppliedBaselineStatistics"),
        properties=named(
            "CalculatedBaselineConstraints", "CalculatedBaselineStatistics", "BaselineUsedForDriftCheckConstraints",
            "BaselineUsedForDriftCheckStatistics",
        ),
        problems=_check("DATA_QUALITY", "MODEL_QUALITY"),
        cache_key=(*_CHECK_KEY, "SuppliedBaselineStatistics"),
    ),
    "ClarifyCheck": StepType(
        members=(*_CHECK_MEMBERS, "ModelName"),
        properties=named("CalculatedBaselineConstraints", "BaselineUsedForDriftCheckConstraints"),
        problems=_check("DATA_BIAS", "MODEL_BIAS", "MODEL_EXPLAINABILITY"),
        cache_key=(*_CHECK_KEY, "ModelName"),
    ),
    "Lineage": StepType(
        arguments=("Actions", "Artifacts", "Contexts", "Associations"),
        properties=named("ActionArns", "ArtifactArns", "ContextArns", "Associations"),
    ),
    "Cleanup": StepType(arguments=("Resources",), problems=cleanup.problems),
    "ForEach": StepType(
        arguments=("IterableItems", "MaxConcurrency", "Selector", "ForEachBody"),
        properties=_for_each_properties,
        problems=_for_each,
        nested=("ForEachBody",),
        lazy=True,
    ),
}  # fmt: skip

# What else AWS's service and SDK 3.27 know; CreatePipeline refuses them like any type that nothing runs.
NOT_RUN = ("EMR", "EMRServerless", "InferenceComponent", "Job")


def members(kind: str) -> tuple[str, ...]:
    """All members that a step of a type may have in the definition."""
    row = STEP_TYPES[kind]
    cache = ("CacheConfig",) if row.cache_key else ()
    return (*COMMON, *row.members, *(("RetryPolicies",) if row.retries else ()), *cache)
