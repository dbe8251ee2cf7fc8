"""A feature group as writing and reading records needs it, prepared once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sagelocal.api.errors import AwsError
from sagelocal.feature_store import times
from sagelocal.feature_store.features import Feature

Document = dict[str, Any]
ONLINE, OFFLINE = "OnlineStore", "OfflineStore"
STANDARD, PARTIAL, IN_MEMORY = "Standard", "Standard_V2", "InMemory"
# Feature Store's quotas page, in bytes.
_MOST_IDENTIFIER, _MOST_RECORD = 2 * 1024, 350 * 1024
_MOST_UNITS = 2**31 - 1
_UNITS = {"Seconds": 1, "Minutes": 60, "Hours": 3600, "Days": 86400, "Weeks": 604800}


class Record(NamedTuple):
    """A valid record: its identifier, its event time in the one form, and its FeatureValues with a value."""

    identifier: str
    event: str
    values: list[Document]


@dataclass(frozen=True)
class Group:
    """`key` tells the stores' rows of this group from those of an earlier one of its name; `ttl` is in seconds."""

    key: int
    name: str
    arn: str
    identifier: str
    event_time: str
    features: dict[str, Feature]
    stores: tuple[str, ...]
    storage: str
    ttl: int | None

    @classmethod
    def of(cls, document: Document) -> Group:
        online = document.get("OnlineStoreConfig") or {}
        stores = [ONLINE] if online.get("EnableOnlineStore") else []
        stores += [OFFLINE] if document.get("OfflineStoreConfig") else []
        return cls(
            key=document["_key"],
            name=document["FeatureGroupName"],
            arn=document["FeatureGroupArn"],
            identifier=document["RecordIdentifierFeatureName"],
            event_time=document["EventTimeFeatureName"],
            features={each["FeatureName"]: Feature.of(each) for each in document["FeatureDefinitions"]},
            stores=tuple(stores),
            storage=online.get("StorageType", STANDARD),
            ttl=duration(online.get("TtlDuration")),
        )

    def record(self, given: Sequence[Document]) -> Record:
        """Raises AwsError, naming the feature."""
        values = self.values(given)
        found = {each["FeatureName"]: each.get("ValueAsString") for each in values}
        identifier, event_time = found.get(self.identifier), found.get(self.event_time)
        self._check_identifier(identifier)
        if event_time is None:
            raise invalid(f"The record has no value for {self.event_time}, the event time feature of {self.name}.")
        return Record(str(identifier), self.event(event_time), values)

    def check_key(self, identifier: str) -> None:
        """That the identifier could be a record's. Raises AwsError."""
        self._check_identifier(identifier)
        self.values([{"FeatureName": self.identifier, "ValueAsString": identifier}])

    def _check_identifier(self, identifier: str | None) -> None:
        if not identifier:
            raise invalid(
                f"The record has no value for {self.identifier}, the record identifier feature of {self.name}."
            )
        if len(identifier.encode()) > _MOST_IDENTIFIER:
            raise invalid(f"The record identifier is longer than {_MOST_IDENTIFIER} bytes.")

    def values(self, given: Sequence[Document]) -> list[Document]:
        """The FeatureValues that have a value, checked by their types. Raises AwsError."""
        features, seen, kept, size = self.features, set(), [], 0
        for each in given:
            name = each["FeatureName"]
            feature = features.get(name)
            if feature is None:
                raise invalid(f"FeatureGroup {self.name} has no feature {name}.")
            if name in seen:
                raise invalid(f"The feature {name} is in the record more than once.")
            seen.add(name)
            try:
                value = feature.check(each)
            except ValueError as error:
                raise invalid(f"The value of the feature {name} is not valid: {error}.") from error
            if value is not None:
                kept.append(value)
                size += len(value.get("ValueAsString") or "".join(value.get("ValueAsStringList", ())))
        if size > _MOST_RECORD:
            raise invalid(f"The record's values have {size} characters, and a record's size is at most 350 KB.")
        return kept

    def event(self, value: str) -> str:
        """The one form of an event time. Raises AwsError."""
        try:
            return times.parse(self.features[self.event_time].type, value)
        except ValueError as error:
            raise invalid(f"The event time {self.event_time} is not valid: {error}.") from error

    def named(self, names: Iterable[str] | None) -> frozenset[str] | None:
        """The features to answer with, None for all. Raises AwsError."""
        wanted = frozenset(names or ())
        if unknown := wanted - self.features.keys():
            raise invalid(f"FeatureGroup {self.name} has no feature {', '.join(sorted(unknown))}.")
        return wanted or None

    def targets(self, asked: Sequence[str] | None) -> tuple[str, ...]:
        """The stores that a write is for, by default all that there are. Raises AwsError."""
        for store in asked or ():
            if store not in self.stores:
                raise invalid(f"FeatureGroup {self.name} has no {store}.")
        return tuple(dict.fromkeys(asked)) if asked else self.stores

    def need_online(self) -> None:
        """Raises AwsError."""
        if ONLINE not in self.stores:
            raise invalid(f"FeatureGroup {self.name} has no OnlineStore, and records are read from that.")


def duration(ttl: Document | None) -> int | None:
    """A TtlDuration in seconds. Raises AwsError for one that is no 32-bit integer, as the API's integers are."""
    if not (ttl and ttl.get("Value") and ttl.get("Unit")):
        return None
    if ttl["Value"] > _MOST_UNITS:
        raise invalid(f"A TtlDuration's Value is at most {_MOST_UNITS}.")
    return int(ttl["Value"] * _UNITS[ttl["Unit"]])


def invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)
