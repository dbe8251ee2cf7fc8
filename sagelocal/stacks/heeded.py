"""Which properties of a resource MiniStack's CloudFormation reads: what it never looks at, it would silently not do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

Document = dict[str, Any]
Handler = Callable[..., tuple[str, Document]]


class Heeded(dict[str, Any]):
    """Properties that remember which of them were read; whoever walks through all has read all."""

    def __init__(self, properties: Document) -> None:
        super().__init__(properties)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.read.add(name)
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self.read.add(str(name))
        return super().__contains__(name)

    def __iter__(self) -> Iterator[str]:
        self.read.update(self.keys())
        return super().__iter__()

    def items(self) -> Any:
        self.read.update(self.keys())
        return super().items()

    def values(self) -> Any:
        self.read.update(self.keys())
        return super().values()


def checked(kind: str, row: dict[str, Any], elsewhere: Collection[str] = ()) -> dict[str, Any]:
    """The row of MiniStack's table for a type, whose handlers raise ValueError for a property that they don't heed.

    `elsewhere`: properties that somebody else sees to.
    """
    if "create" not in row or "delete" not in row:
        return row
    create = row["create"]

    def creating(logical_id: str, properties: Document, stack: str) -> tuple[str, Document]:
        heeded = Heeded(properties)
        physical, attributes = create(logical_id, heeded, stack)
        if ignored := _ignored(heeded, elsewhere):
            row["delete"](physical, *([properties, logical_id] if row.get("delete_with_logical_id") else [properties]))
            raise ValueError(_words(kind, ignored))
        return physical, attributes

    def updating(physical: str, before: Document, after: Document, stack: str, *rest: Any) -> tuple[str, Document]:
        heeded = Heeded(after)
        result: tuple[str, Document] = row["update"](physical, before, heeded, stack, *rest)
        changed = {name for name in _ignored(heeded, elsewhere) if before.get(name) != after.get(name)}
        if changed:
            raise ValueError(_words(kind, changed))
        return result

    return {**row, "create": creating, **({"update": updating} if "update" in row else {})}


def _ignored(properties: Heeded, elsewhere: Collection[str]) -> set[str]:
    return set(properties.keys()) - properties.read - set(elsewhere) - {"Tags"}


def _words(kind: str, ignored: set[str]) -> str:
    return f"{', '.join(sorted(ignored))} of {kind} would do nothing on a laptop: MiniStack does not know it."
