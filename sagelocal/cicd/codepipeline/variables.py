"""References to variables in an action's configuration: `#{variables.x}`, `#{Namespace.Key}`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Scope = Mapping[str, Mapping[str, str]]  # namespace -> key -> value
_WRITTEN = re.compile(r"#\{([^}]*)\}")
_REFERENCE = re.compile(r"([A-Za-z0-9@_-]+)\.([A-Za-z0-9@_-]+)")
PIPELINE = "variables"  # the namespace of the pipeline's own
EXECUTION = "codepipeline"  # the namespace of what CodePipeline says of an execution
EXECUTION_KEYS = frozenset({"PipelineExecutionId"})


class Unresolved(LookupError):
    """A reference to what no earlier action or start gave."""


def references(text: str) -> Iterator[tuple[str, str, str]]:
    """What `text` refers to: as it is written, namespace, key; both empty where it is no reference."""
    for written in _WRITTEN.finditer(text):
        found = _REFERENCE.fullmatch(written[1])
        yield (written[0], found[1], found[2]) if found else (written[0], "", "")


def scope(execution: Mapping[str, Any]) -> Scope:
    """What an execution's actions may refer to by now."""
    return {
        **execution["_variables"],
        PIPELINE: {one["name"]: one["resolvedValue"] for one in execution["variables"]},
        EXECUTION: {"PipelineExecutionId": execution["pipelineExecutionId"]},
    }


def resolve_all(configuration: Mapping[str, str], known: Scope) -> dict[str, str]:
    """Raises Unresolved."""
    return {key: resolve(value, known) for key, value in configuration.items()}


def resolve(text: str, known: Scope) -> str:
    """`text` with every reference replaced. Raises Unresolved naming the first that has no value."""

    def value(written: re.Match[str]) -> str:
        namespace, _, key = written[1].partition(".")
        try:
            return known[namespace][key]
        except KeyError:
            there = ", ".join(f"#{{{namespace}.{one}}}" for one in sorted(known.get(namespace, ())))
            raise Unresolved(
                f"The variable {written[0]} has no value"
                + (f"; of that namespace there are {there}." if there else f": nothing gave {namespace} a value.")
            ) from None

    return _WRITTEN.sub(value, text)
