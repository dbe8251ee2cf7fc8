"""Several production variants: their shares, their limits, and choosing one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from sagelocal.config import Settings
from tests.sagelocal.endpoints.test_endpoints import Account, failing


@pytest.fixture(scope="module")
def account(laptop: Settings) -> Account:
    return Account(laptop)


def variant(model: str, name: str, weight: float | None = None) -> dict[str, Any]:
    share = {} if weight is None else {"InitialVariantWeight": weight}
    return {
        "VariantName": name,
        "ModelName": model,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
        **share,
    }


@pytest.mark.namespaces
def test_requests_are_shared_by_weight_and_a_weight_of_zero_answers_when_it_is_asked_for(account: Account) -> None:
    for model in ("most", "some", "none"):
        account.echo(model)
    account.sagemaker.create_endpoint_config(
        EndpointConfigName="three",
        ProductionVariants=[variant("most", "A", 3), variant("some", "B"), variant("none", "C", 0)],
    )
    endpoint = account.deploy("three", "three")
    shares = {one["VariantName"]: one["CurrentWeight"] for one in endpoint["ProductionVariants"]}
    assert shares == {"A": 3, "B": 1, "C": 0}, "without InitialVariantWeight it is 1"
    counted = Counter(account.ask("three", "x") for _ in range(200))
    assert set(counted) == {"most x", "some x"}
    assert 120 <= counted["most x"] <= 180, "three quarters, and one run in a million is further off"
    answer = account.runtime.invoke_endpoint(EndpointName="three", Body=b"x", ContentType="text/csv", TargetVariant="C")
    assert (answer["Body"].read(), answer["InvokedProductionVariant"]) == (b"none x", "C")
    error = failing(account.runtime.invoke_endpoint, EndpointName="three", Body=b"1", TargetVariant="D")["Error"]
    assert (error["Code"], error["Message"]) == ("ValidationError", "Variant D not found for endpoint three.")


def test_a_config_has_one_to_ten_variants(account: Account) -> None:
    account.echo("any")

    def refused(*variants: dict[str, Any], **more: Any) -> str:
        request = {"EndpointConfigName": "refused", "ProductionVariants": [*variants], **more}
        return str(failing(account.sagemaker.create_endpoint_config, **request)["Error"]["Message"])

    eleven = [variant("any", f"V{number}") for number in range(11)]
    assert "Member must have length less than or equal to 10" in refused(*eleven)
    assert "must be unique: V0, V0" in refused(eleven[0], eleven[0])
    assert "above 0" in refused(variant("any", "A", 0), variant("any", "B", 0))
    assert "InstanceType" in refused({"VariantName": "A", "ModelName": "any", "InitialInstanceCount": 1})
    account.artifact("many/a.tar.gz", x="")
    container = {
        "Image": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5",
        "ModelDataUrl": f"s3://{account.settings.bucket}/many/",
        "Mode": "MultiModel",
    }
    account.sagemaker.create_model(ModelName="many", PrimaryContainer=container)
    queued = {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": f"s3://{account.settings.bucket}/out"}}}
    assert "an asynchronous endpoint can't choose" in refused(variant("many", "A"), **queued)
    once = variant("many", "A")
    serverless = {
        "VariantName": "A",
        "ModelName": "many",
        "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1},
    }
    assert "multi-model containers" in refused({**serverless})
    account.sagemaker.create_endpoint_config(EndpointConfigName="fine", ProductionVariants=[once])
