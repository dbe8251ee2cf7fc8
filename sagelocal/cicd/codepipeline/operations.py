"""CodePipeline's operations: JSON 1.1 with the target CodePipeline_20150709, on sagelocal's port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sagelocal.api import service
from sagelocal.api.refused import Paths
from sagelocal.cicd.codepipeline import action_types, executions, jobs, pipelines, states

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
SERVICE = "codepipeline"
OPERATIONS: dict[str, service.Handler] = {
    "CreatePipeline": pipelines.create_pipeline,
    "UpdatePipeline": pipelines.update_pipeline,
    "GetPipeline": pipelines.get_pipeline,
    "ListPipelines": pipelines.list_pipelines,
    "DeletePipeline": pipelines.delete_pipeline,
    "EnableStageTransition": pipelines.enable_stage_transition,
    "DisableStageTransition": pipelines.disable_stage_transition,
    "ListTagsForResource": pipelines.list_tags_for_resource,
    "TagResource": pipelines.tag_resource,
    "UntagResource": pipelines.untag_resource,
    "StartPipelineExecution": executions.start_pipeline_execution,
    "StopPipelineExecution": executions.stop_pipeline_execution,
    "RetryStageExecution": executions.retry_stage_execution,
    "RollbackStage": executions.rollback_stage,
    "PutApprovalResult": executions.put_approval_result,
    "PutJobSuccessResult": jobs.put_job_success_result,
    "PutJobFailureResult": jobs.put_job_failure_result,
    "ListActionTypes": action_types.list_action_types,
    "GetPipelineState": states.get_pipeline_state,
    "GetPipelineExecution": states.get_pipeline_execution,
    "ListPipelineExecutions": states.list_pipeline_executions,
    "ListActionExecutions": states.list_action_executions,
}
_RULES = "Let an action check it: rules of stage conditions are not run."
_DECLARATION = {
    "pipeline.stages[].beforeEntry": _RULES,
    "pipeline.stages[].onSuccess": _RULES,
    "pipeline.stages[].onFailure.conditions": _RULES,
    "pipeline.stages[].onFailure.result=SKIP": _RULES,
    "pipeline.triggers[].gitConfiguration.pullRequest": "A bare git repository has no pull requests: use push.",
    "pipeline.stages[].actions[].commands": "Let a CodeBuild project run them.",
    "pipeline.stages[].actions[].outputArtifacts[].files": "The buildspec of the project says which.",
}
REFUSED: dict[str, Paths] = {
    "CreatePipeline": _DECLARATION,
    "UpdatePipeline": _DECLARATION,
    "PutJobSuccessResult": {"continuationToken": "Let the function wait, or answer when all is done."},
    "ListActionTypes": {"regionFilter": ""},
}


def call(app: SageLocal, operation: str, request: Document) -> Document:
    """Validates, runs and projects one operation. Raises AwsError."""
    return service.call(app, SERVICE, operation, request, OPERATIONS, REFUSED)
