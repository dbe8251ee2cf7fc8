"""What `mlops invoke` asks of an endpoint, by what the endpoint is."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from mlops import serving
from mlops.targets import Place, Target

ANSWER, FAILURE = "s3://bucket/answers/1.out", "s3://bucket/failures/1-error.out"


class Account:
    """Clients of one endpoint. `objects` are S3's, `later` those that come after a look at S3; `asked` are requests."""

    poll = 0.0
    place = Place("bucket", "team", "role")

    def __init__(self, **described: Any) -> None:
        self.described = {"EndpointName": "churn-staging", **described}
        self.objects: dict[str, bytes] = {}
        self.later: dict[str, bytes] = {}
        self.asked: list[dict[str, Any]] = []

    def client(self, _service: str) -> Any:
        return self

    def describe_endpoint(self, EndpointName: str) -> dict[str, Any]:
        if EndpointName != self.described["EndpointName"]:
            raise ClientError({"Error": {"Code": "ValidationException", "Message": "Could not find it."}}, "Describe")
        return self.described

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        return {"Body": io.BytesIO(b"0.5,1\n")}

    def invoke_endpoint_async(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        return {"OutputLocation": ANSWER, "FailureLocation": FAILURE}

    def put_object(self, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:
        self.objects[f"s3://{Bucket}/{Key}"] = Body
        assert ContentType == "text/csv"

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        found = self.objects.get(f"s3://{Bucket}/{Key}")
        self.objects |= self.later
        if found is None:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "The specified key does not exist."}}, "Get")
        return {"Body": io.BytesIO(found)}


def invoke(account: Account, payload: str | None = "1,2", file: Path | None = None, **chosen: Any) -> str:
    return serving.invoke(cast(Target, account), "churn", "staging", payload, file, **chosen)


def test_a_question_names_the_variant_and_the_model_only_if_told() -> None:
    account = Account()
    assert invoke(account) == "0.5,1\n"
    invoke(account, '{"instances": []}', variant="B", model="b.tar.gz")
    plain, chosen = account.asked
    assert (plain["Body"], plain["ContentType"], plain["Accept"]) == (b"1,2", "text/csv", "text/csv")
    assert not {"TargetVariant", "TargetModel"} & set(plain)
    assert (chosen["TargetVariant"], chosen["TargetModel"]) == ("B", "b.tar.gz")
    assert chosen["ContentType"] == "application/json"


def test_a_files_suffix_is_its_content_type(tmp_path: Path) -> None:
    account, rows = Account(), tmp_path / "rows.jsonl"
    rows.write_text("{}\n")
    invoke(account, None, rows, accept="text/csv")
    assert (account.asked[0]["ContentType"], account.asked[0]["Accept"]) == ("application/jsonlines", "text/csv")
    with pytest.raises(ValueError, match="either a payload or --file"):
        invoke(account, "1,2", rows)
    with pytest.raises(ValueError, match="one of .csv, .json, .jsonl"):
        invoke(account, None, tmp_path / "rows.parquet")


def test_an_asynchronous_endpoints_answer_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    account = Account(AsyncInferenceConfig={})
    account.later = {ANSWER: b"0.5,1\n"}
    assert invoke(account) == "0.5,1\n"
    assert account.asked[0]["Body"] == b"1,2"
    said = capsys.readouterr()
    assert (said.out, ANSWER in said.err) == ("0.5,1\n", True)


def test_what_is_too_long_for_a_body_goes_by_s3() -> None:
    account = Account(AsyncInferenceConfig={})
    account.later = {ANSWER: b"0"}
    body = "1," * 64_000 + "1"
    invoke(account, body)
    uri = account.asked[0]["InputLocation"]
    assert uri.startswith("s3://bucket/team/asynchronous/churn-staging/questions/")
    assert account.objects[uri] == body.encode()


def test_a_failed_asynchronous_invocation_says_why() -> None:
    account = Account(AsyncInferenceConfig={})
    account.later = {FAILURE: b"ModelError: it raised"}
    with pytest.raises(RuntimeError, match=r"1-error\.out: ModelError: it raised"):
        invoke(account)
    with pytest.raises(ValueError, match="churn-staging is asynchronous: it has one variant"):
        invoke(account, variant="B")


def test_no_endpoint() -> None:
    with pytest.raises(LookupError, match="There is no endpoint churn-staging: mlops deploy makes it"):
        invoke(Account(EndpointName="another"))
