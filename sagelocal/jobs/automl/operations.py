"""The API of AutoML jobs; ListAutoMLJobs and tags come from the resource table.

Differences from AWS: a job without MaxAutoMLJobRuntimeInSeconds takes five minutes; a candidate is the best model of a
family, cross-validated; the winner is served by the XGBoost image with the artifact's own handler, and takes records
with the table's columns. There are no notebooks, explainability or insight reports.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from sagelocal.api import listing
from sagelocal.jobs import checks as job_checks
from sagelocal.jobs.automl import candidates, plans
from sagelocal.jobs.automl.automl_job import KIND, RUNNING, AutoMLJob, of_job
from sagelocal.jobs.supervision import Supervisors

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
_PAGE = 10


def create_auto_ml_job_v2(app: SageLocal, request: Document) -> Document:
    tabular = request["AutoMLProblemTypeConfig"].get("TabularJobConfig") or {}
    return _create(app, request, tabular.get("CompletionCriteria") or {}, {"AutoMLProblemTypeConfigName": "Tabular"})


def create_auto_ml_job(app: SageLocal, request: Document) -> Document:
    criteria = (request.get("AutoMLJobConfig") or {}).get("CompletionCriteria") or {}
    return _create(app, request, criteria, {"GenerateCandidateDefinitionsOnly": False} | second_view(request))


def _create(app: SageLocal, request: Document, criteria: Document, more: Document) -> Document:
    plans.check(request)
    job = {key: value for key, value in request.items() if key != "Tags"} | more
    job |= {
        "AutoMLJobStatus": "InProgress",
        "AutoMLJobSecondaryStatus": "Starting",
        "_criteria": criteria,
        "_token": secrets.token_hex(4),
    }
    arn = app.create(KIND, job, tags=request.get("Tags"))["AutoMLJobArn"]
    app.automl.start(request["AutoMLJobName"])
    return {"AutoMLJobArn": arn}


def second_view(request: Document) -> Document:
    """What DescribeAutoMLJobV2 says of a job that CreateAutoMLJob made."""
    (channel, *_) = request["InputDataConfig"]
    members = ("ChannelType", "ContentType", "CompressionType", "DataSource")
    config = request.get("AutoMLJobConfig") or {}
    tabular = {"TargetAttributeName": channel["TargetAttributeName"]}
    tabular |= {
        name: config[name] for name in ("CandidateGenerationConfig", "CompletionCriteria", "Mode") if name in config
    }
    tabular |= {"ProblemType": request["ProblemType"]} if "ProblemType" in request else {}
    return {
        "AutoMLJobInputDataConfig": [{name: channel[name] for name in members if name in channel}],
        "AutoMLProblemTypeConfig": {"TabularJobConfig": tabular},
        "AutoMLProblemTypeConfigName": "Tabular",
    }


def describe_auto_ml_job_v2(app: SageLocal, request: Document) -> Document:
    return app.find(KIND, request["AutoMLJobName"])


def describe_auto_ml_job(app: SageLocal, request: Document) -> Document:
    """Raises AwsError for a job of the second API, which this one cannot tell."""
    job = app.find(KIND, request["AutoMLJobName"])
    if "InputDataConfig" not in job:
        from sagelocal.api.errors import validation

        raise validation(f"{job['AutoMLJobName']} was made by CreateAutoMLJobV2: use DescribeAutoMLJobV2.")
    return job


def list_candidates_for_auto_ml_job(app: SageLocal, request: Document) -> Document:
    found = of_job(app, app.find(KIND, request["AutoMLJobName"]))
    return listing.page(request, candidates.chosen(found, request), "Candidates", default=_PAGE)


def stop_auto_ml_job(app: SageLocal, request: Document) -> Document:
    name = app.find(KIND, request["AutoMLJobName"])["AutoMLJobName"]

    def stopping(job: Document) -> None:
        job_checks.terminal(job["AutoMLJobStatus"], name, "AutoML")
        job |= {"AutoMLJobStatus": "Stopping", "AutoMLJobSecondaryStatus": "Stopping"}

    app.store.update(KIND, name, edit=stopping)
    return {}


def supervisors(app: SageLocal) -> Supervisors:
    return Supervisors(app, KIND, RUNNING, lambda name: AutoMLJob(app, name))


REFUSED = plans.REFUSED
OPERATIONS = {
    "CreateAutoMLJob": create_auto_ml_job,
    "CreateAutoMLJobV2": create_auto_ml_job_v2,
    "DescribeAutoMLJob": describe_auto_ml_job,
    "DescribeAutoMLJobV2": describe_auto_ml_job_v2,
    "ListCandidatesForAutoMLJob": list_candidates_for_auto_ml_job,
    "StopAutoMLJob": stop_auto_ml_job,
}
