"""Who may speak to a server of ours: holders of the key, from this machine, and never a page in a browser."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sagelocal.api.errors import AwsError

_KEY = re.compile(r"Credential=([A-Za-z0-9]+)/")


def check(headers: Mapping[str, str], port: int, access_key: str) -> None:
    """Raises AwsError (403). `headers` has lower-case names."""
    check_origin(headers, port)
    key = _KEY.search(headers.get("authorization", ""))
    if key is None:
        raise _refused("MissingAuthenticationTokenException", 'Missing Authentication Token: run eval "$(mlops env)".')
    if key[1] != access_key:
        raise _refused("UnrecognizedClientException", foreign(key[1]))


def check_origin(headers: Mapping[str, str], port: int) -> None:
    """Raises AwsError (403) for what a page in a browser sends; `headers` has lower-case names.

    Such a page can reach the loopback address: it carries an `Origin`, or, after DNS rebinding, a `Host` that is not
    ours.
    """
    if "origin" in headers:
        raise _refused("AccessDeniedException", "Requests from web pages (with an Origin header) are refused.")
    host = headers.get("host", "")
    if host not in (f"127.0.0.1:{port}", f"localhost:{port}"):
        raise _refused("AccessDeniedException", f"The Host header '{host}' is not this server's address.")


def _refused(code: str, message: str) -> AwsError:
    return AwsError(code, message, 403)


def foreign(key: str) -> str:
    """What is said to another key. STS hands out ASIA keys for any role here, also for one of another account: there is
    but one account, and nobody to be in it but the holder of its key.
    """
    if key.startswith("ASIA"):
        what = f"The temporary key {key} is of a role that was assumed"
        return f"{what}, and a laptop has one account with one key: name no role to assume."
    return f'The access key {key} is not of this sagelocal: run eval "$(mlops env)" in this shell.'
