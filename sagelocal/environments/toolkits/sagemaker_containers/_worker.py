"""The response that an output_fn may return; AWS's is Flask's with another default type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Response:
    """`content_type` is the `mimetype`, with the charset where it is a text; without either it is JSON."""

    def __init__(
        self,
        response: Any = None,
        accept: str | None = None,
        status: int | str = 200,
        headers: Mapping[str, str] | None = None,
        mimetype: str | None = None,
        direct_passthrough: bool = False,
    ) -> None:
        self.mimetype = mimetype or "application/json"
        text = self.mimetype.startswith("text/") and "charset=" not in self.mimetype
        self.content_type = f"{self.mimetype}; charset=utf-8" if text else self.mimetype
        self.status_code = int(str(status).split()[0])
        self.headers = dict(headers or {})
        self.response = response

    def get_data(self, as_text: bool = False) -> Any:
        parts = [self.response] if isinstance(self.response, (str, bytes, bytearray)) else self.response or ()
        data = b"".join(part.encode() if isinstance(part, str) else bytes(part) for part in parts)
        return data.decode() if as_text else data

    @property
    def data(self) -> bytes:
        return bytes(self.get_data())
