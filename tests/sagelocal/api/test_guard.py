"""Who may speak to a server of ours."""

from __future__ import annotations

import pytest

from sagelocal.api import guard
from sagelocal.api.errors import AwsError

OURS = {
    "host": "127.0.0.1:4610",
    "authorization": "AWS4-HMAC-SHA256 Credential=LKIA00/20260101/us-east-1/sagemaker/aws4_request, Signature=x",
}


def test_a_signed_request_from_this_machine_passes() -> None:
    guard.check(OURS, 4610, "LKIA00")
    guard.check({**OURS, "host": "localhost:4610"}, 4610, "LKIA00")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"origin": "http://evil.example"}, "AccessDeniedException"),
        ({"origin": "null"}, "AccessDeniedException"),
        ({"host": "evil.example:4610"}, "AccessDeniedException"),
        ({"host": "127.0.0.1:80"}, "AccessDeniedException"),
        ({"authorization": ""}, "MissingAuthenticationTokenException"),
        ({"authorization": "AWS4-HMAC-SHA256 Credential=AKIAOTHER/x"}, "UnrecognizedClientException"),
    ],
)
def test_everything_else_is_refused(change: dict[str, str], code: str) -> None:
    with pytest.raises(AwsError) as raised:
        guard.check({**OURS, **change}, 4610, "LKIA00")
    assert (raised.value.code, raised.value.status) == (code, 403)
