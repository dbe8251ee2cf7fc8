"""The one context object that every behaviour is handed."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from sagelocal import events, tracking
from sagelocal.api import operations
from sagelocal.api.errors import AwsError
from sagelocal.api.resources import RESOURCES
from sagelocal.cloudwatch import Publisher
from sagelocal.config import Settings
from sagelocal.endpoints.meter import Metering
from sagelocal.environments.service import Environments
from sagelocal.jobs import logs
from sagelocal.store import Exists, Store
from sagelocal.sts_proxy import access

if TYPE_CHECKING:
    from sagelocal.cicd.codebuild.engine import Builder
    from sagelocal.cicd.codepipeline.engine import Delivery
    from sagelocal.endpoints.manager import Manager
    from sagelocal.feature_store.service import FeatureStore
    from sagelocal.jobs.runner import Runner
    from sagelocal.jobs.supervision import Supervisors
    from sagelocal.jobs.tuning.engine import Tuner
    from sagelocal.model_cards.export import Exporter
    from sagelocal.monitoring.loop import Monitor
    from sagelocal.scaling.loop import Scaler
    from sagelocal.sts_proxy.proxy import StsProxy
    from sagelocal.workflow.engine import Engine

log = logging.getLogger(__name__)


class SageLocal:
    """Settings, state, and the parts that run things: jobs with their environments, tuning, workflow, endpoints …"""

    environments: Environments
    jobs: Runner
    tuning: Tuner
    automl: Supervisors
    workflow: Engine
    endpoints: Manager
    feature_store: FeatureStore
    scaler: Scaler
    monitoring: Monitor
    model_cards: Exporter
    codebuild: Builder
    codepipeline: Delivery
    sts_proxy: StsProxy

    def __init__(self, settings: Settings) -> None:
        from sagelocal.cicd.codebuild.engine import Builder
        from sagelocal.cicd.codepipeline.engine import Delivery
        from sagelocal.endpoints.manager import Manager
        from sagelocal.feature_store.service import FeatureStore
        from sagelocal.jobs.automl import operations as automl
        from sagelocal.jobs.runner import Runner
        from sagelocal.jobs.tuning.engine import Tuner
        from sagelocal.model_cards.export import Exporter
        from sagelocal.monitoring.loop import Monitor
        from sagelocal.scaling.loop import Scaler
        from sagelocal.sts_proxy.proxy import StsProxy
        from sagelocal.workflow.engine import Engine

        self.settings = settings
        self.store = Store(settings.state / "sagelocal.db", on_change=self._changed)
        self.s3 = settings.client("s3")
        self.logs = settings.client("logs")
        self.cloudwatch = settings.client("cloudwatch")
        self.metrics = Publisher(self.cloudwatch)
        self.metering = Metering(self.metrics, settings.memory, settings.state)
        self.environments = Environments(settings.state)
        self.jobs = Runner(self)
        self.tuning = Tuner(self)
        self.automl = automl.supervisors(self)
        self.workflow = Engine(self)
        self.endpoints = Manager(self)
        self.feature_store = FeatureStore(self)
        self.scaler = Scaler(self)
        self.monitoring = Monitor(self)
        self.model_cards = Exporter(self)
        self.codebuild = Builder(self)
        self.codepipeline = Delivery(self)
        self.sts_proxy = StsProxy(settings)

    def _changed(self, kind: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[dict[str, Any]]:
        """In the transaction of each change: what AWS records of it by itself, and its events."""
        tracking.record(self, kind, before, after)
        return events.for_change(kind, before, after, self.settings)

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """What the wire does: strict validation, behaviour, output projection. Raises AwsError."""
        return operations.call(self, operation, request)

    def resume(self) -> None:
        """Takes up what a stop or a kill interrupted: jobs first, so that executions find theirs running."""
        self.jobs.resume()
        self.tuning.resume()
        self.automl.resume()
        self.endpoints.resume()
        self.feature_store.resume()
        self.scaler.resume()
        self.monitoring.resume()
        self.model_cards.resume()
        self.workflow.resume()
        self.codebuild.resume()
        self.codepipeline.resume()
        if access.wanted(self.settings):
            try:
                self.sts_proxy.start()
            except OSError as error:  # who asked for it is told at the next `mlops env --sts-proxy`
                log.error("the STS proxy did not start: %s", error)

    def close(self) -> None:
        self.sts_proxy.close()
        self.codepipeline.close()
        self.codebuild.close()
        self.workflow.close()
        self.monitoring.close()
        self.model_cards.close()
        self.automl.close()
        self.tuning.close()
        self.environments.close()  # first the installs that jobs and endpoints wait for
        self.jobs.close()
        self.scaler.close()
        self.endpoints.close()
        self.feature_store.close()
        logs.drain(timeout=2.0)
        self.metering.close()
        self.store.close()
        self.metrics.close()

    def now(self) -> float:
        """Epoch seconds, to the millisecond as AWS gives them."""
        return round(time.time(), 3)

    def arn(self, resource: str) -> str:
        return f"arn:aws:sagemaker:{self.settings.region}:{self.settings.account}:{resource}"

    def find(self, kind: str, name_or_arn: str) -> dict[str, Any]:
        """A resource's document by name or ARN. Raises AwsError in AWS's words for that kind."""
        row = RESOURCES[kind]
        if name_or_arn.startswith("arn:"):
            found = self.store.by_arn(name_or_arn)
            document = found[2] if found and found[0] == kind else None
            name, arn = name_or_arn.split(f":{row.path}/", 1)[-1], name_or_arn
        else:
            name, arn = name_or_arn, self.arn(f"{row.path}/{name_or_arn.lower()}")
            document = self.store.find(kind, name)
            # AWS finds a job by the name that ends its ARN too, which is the lower-case one.
            if document is None and (found := self.store.by_arn(arn)) and found[0] == kind:
                document = found[2]
        if document is None:
            code, message = row.missing
            raise AwsError(code, message.format(name=name, arn=arn))
        return document

    def create(
        self,
        kind: str,
        document: dict[str, Any],
        *,
        tags: list[dict[str, str]] | None = None,
        parent: str = "",
        name: str = "",
        path: str = "",
    ) -> dict[str, Any]:
        """Stores a new resource with its ARN, times and tags, and returns its document.

        `name` is the store's key, by default the resource's own name; `path` the ARN's last part, by default the
        name in lower case as AWS writes it. Raises AwsError in AWS's words for that kind when it exists.
        """
        row = RESOURCES[kind]
        key = name or document[row.name_field]
        arn = self.arn(f"{row.path}/{path or str(document[row.name_field]).lower()}")
        now = self.now()
        complete = {row.arn_field: arn, "CreationTime": now, "LastModifiedTime": now, "_name": key, **document}
        try:
            with self.store.transaction():
                if self.store.by_arn(arn):  # names that differ in case alone have one ARN
                    raise Exists(arn)
                self.store.create(kind, key, complete, parent=parent, arn=arn)
                if tags:
                    self.store.set_tags(arn, {tag["Key"]: tag["Value"] for tag in tags})
        except Exists as error:
            code, message = row.exists
            raise AwsError(code, message.format(name=key, arn=arn)) from error
        return complete
