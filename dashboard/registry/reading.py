"""Files that versions were registered with, of which some may be gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboard import account, objects

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Files:
    """JSON files by their addresses; those that cannot be read with the reason."""

    found: dict[str, Document]
    missing: dict[str, str]


@account.kept
def files(uris: tuple[str, ...]) -> Files:
    """Reads what isn't "", each once."""
    s3 = account.client("s3")
    wanted = [each for each in dict.fromkeys(uris) if each]
    read = dict(zip(wanted, account.together(lambda uri: objects.read(s3, uri), wanted), strict=True))
    return Files(
        {uri: each for uri, each in read.items() if not isinstance(each, str)},
        {uri: each for uri, each in read.items() if isinstance(each, str)},
    )
