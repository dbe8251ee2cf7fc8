"""The API of AutoML jobs; ListAutoMLJobs and tags come from the resource table.

Differences from AWS: a job without MaxAutoMLJobRuntimeInSeconds takes five minutes; a candidate is the best model of a
family, cross-validated; the winner is served by the XGBoost image with the artifact's own handler, and takes records
with the table's columns. There are no notebooks, explainability or insight reports.
"""

from __future__ import annotations

import secrets
import threading
from typing import TYPE_CHECKING, Any

from sagelocal.api import listing
from sagelocal.jobs import checks as job_checks
from sagelocal.jobs.automl import candidates, plans
from sagelocal.jobs.automl.supervisor import KIND, RUNNING, Supervisor, of_job

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
_JOIN_SECONDS = 5.0
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


class AutoML:
    """Starts AutoML jobs, and takes them up after a restart."""

    def __init__(self, app: SageLocal) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._supervisors: dict[str, Supervisor] = {}
        self._closed = False

    def start(self, name: str) -> None:
        """Runs a job that is in the store, in the background."""
        with self._lock:
            self._supervisors = {name: one for name, one in self._supervisors.items() if not one.finished}
            if self._closed or name in self._supervisors:
                return
            supervisor = self._supervisors[name] = Supervisor(self._app, name)
        supervisor.start()

    def resume(self) -> None:
        for status in RUNNING:
            for job in self._app.store.page(KIND, where=[("AutoMLJobStatus", "=", status)]):
                self.start(job["AutoMLJobName"])

    def close(self) -> None:
        """Ends all threads and changes no status, so that the next one's resume() goes on."""
        with self._lock:
            self._closed = True
            supervisors = list(self._supervisors.values())
        for each in supervisors:
            each.close()
        with self._app.store.transaction():
            pass  # an empty commit: they look up and see that they are to end
        for each in supervisors:
            each.join(_JOIN_SECONDS)


REFUSED = plans.REFUSED
OPERATIONS = {
    "CreateAutoMLJob": create_auto_ml_job,
    "CreateAutoMLJobV2": create_auto_ml_job_v2,
    "DescribeAutoMLJob": describe_auto_ml_job,
    "DescribeAutoMLJobV2": describe_auto_ml_job_v2,
    "ListCandidatesForAutoMLJob": list_candidates_for_auto_ml_job,
    "StopAutoMLJob": stop_auto_ml_job,
}
