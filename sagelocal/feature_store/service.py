"""The Feature Store of one sagelocal: its database, the groups that are in use, and what goes on behind."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from sagelocal.api.errors import AwsError
from sagelocal.feature_store.database import Database
from sagelocal.feature_store.groups import Group
from sagelocal.feature_store.offline import Offline

if TYPE_CHECKING:
    from sagelocal.app import SageLocal


class FeatureStore:
    """`database` has the records, the app's store the feature groups."""

    def __init__(self, app: SageLocal) -> None:
        self._app = app
        self.database = Database(app.settings.state / "feature_store.db")
        self.offline = Offline(app, self.database)
        self._groups: dict[str, Group] = {}
        self._lock = threading.Lock()

    def group(self, name_or_arn: str) -> Group:
        """Raises AwsError."""
        return self._groups.get(name_or_arn) or self._read(name_or_arn)

    def _read(self, name_or_arn: str) -> Group:
        with self._lock:
            try:
                document = self._app.find("FeatureGroup", name_or_arn)
            except AwsError as error:
                raise AwsError(error.code, error.message, 404) from error  # the runtime's status for it
            if document["FeatureGroupStatus"] != "Created":
                said = f"FeatureGroup {document['FeatureGroupName']} is {document['FeatureGroupStatus']}"
                raise AwsError("ValidationError", f"{said}: records can be written and read when it is Created.")
            return self._groups.setdefault(name_or_arn, Group.of(document))

    def changed(self) -> None:
        """To be called after each change of a group that is on disk."""
        with self._lock:
            self._groups.clear()

    def resume(self) -> None:
        from sagelocal.feature_store import operations

        operations.resume(self._app)
        self.offline.start()

    def close(self) -> None:
        self.offline.close()
        self.database.close()
