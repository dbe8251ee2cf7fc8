"""Shadow variants: copies of requests whose answers nobody gets."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from sagelocal.config import Settings
from sagelocal.endpoints.instance import Call
from sagelocal.endpoints.shadow import Mirror
from tests.sagelocal.endpoints.test_endpoints import Account, capture_to, failing, until

BROKEN = """
import time

def model_fn(model_dir):
    return None

def transform_fn(model, body, content_type, accept):
    print(f"copy of {body}", flush=True)
    time.sleep(5 if body == "slowly" else 0)
    raise ValueError("a shadow may fail")
"""


def variant(name: str, **more: Any) -> dict[str, Any]:
    return {"VariantName": name, "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1, **more}


@pytest.fixture(scope="module")
def account(laptop: Settings) -> Account:
    found = Account(laptop)
    found.echo("bright")
    found.echo("dark")
    found.echo("broken", BROKEN)
    return found


def made(account: Account, name: str, *shadows: dict[str, Any], **more: Any) -> str:
    account.sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[variant("bright")], ShadowProductionVariants=[*shadows], **more
    )
    return name


@pytest.mark.namespaces
def test_a_shadow_gets_copies_and_its_own_capture(account: Account) -> None:
    account.deploy("doubled", made(account, "doubled", variant("dark"), **capture_to(account, "doubled-capture")))
    assert [account.ask("doubled", f"{number}", Accept="text/csv") for number in range(5)] == [
        f"bright {n}" for n in range(5)
    ]

    def answers(of: str) -> list[str]:
        records = account.captured(f"doubled-capture/doubled/{of}/")
        return sorted(record["captureData"]["endpointOutput"]["data"] for record in records)

    until(lambda: len(answers("dark")) == 5)
    assert answers("dark") == [f"dark {number}" for number in range(5)]
    assert len(answers("bright")) == 5

    described = account.sagemaker.describe_endpoint(EndpointName="doubled")
    (shadow,) = described["ShadowProductionVariants"]
    assert (shadow["VariantName"], shadow["CurrentWeight"], shadow["CurrentInstanceCount"]) == ("dark", 1.0, 1)
    target = failing(account.runtime.invoke_endpoint, EndpointName="doubled", Body=b"1", TargetVariant="dark")
    assert target["Error"]["Code"] == "ValidationError"

    account.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="doubled", DesiredWeightsAndCapacities=[{"VariantName": "dark", "DesiredWeight": 0}]
    )
    account.settled("doubled")
    account.ask("doubled", "alone", Accept="text/csv")
    until(lambda: "bright alone" in answers("bright"))
    assert len(answers("dark")) == 5


@pytest.mark.namespaces
def test_a_broken_shadow_harms_nobody(account: Account) -> None:
    account.deploy("harmless", made(account, "harmless", variant("broken")))
    assert account.ask("harmless", "slowly") == "bright slowly"
    assert [account.ask("harmless", "x") for _ in range(20)] == ["bright x"] * 20
    account.sagemaker.delete_endpoint(EndpointName="harmless")


@pytest.mark.namespaces
def test_what_aws_refuses(account: Account) -> None:
    def refused(**request: Any) -> str:
        return failing(account.sagemaker.create_endpoint_config, EndpointConfigName="no", **request)["Error"]["Message"]

    assert "exactly one" in refused(
        ProductionVariants=[variant("bright")], ShadowProductionVariants=[variant("dark"), variant("broken")]
    )
    two = [variant("bright"), variant("broken")]
    assert "exactly one" in refused(ProductionVariants=two, ShadowProductionVariants=[variant("dark")])
    assert "unique" in refused(ProductionVariants=[variant("bright")], ShadowProductionVariants=[variant("bright")])
    output = {"OutputConfig": {"S3OutputPath": "s3://bucket/out"}}
    assert "real-time" in refused(
        ProductionVariants=[variant("bright")],
        ShadowProductionVariants=[variant("dark")],
        AsyncInferenceConfig=output,
    )


def test_the_share_is_the_weights_ratio_and_a_slow_shadow_loses_copies() -> None:
    released = asyncio.Event()
    asked: list[bytes] = []

    async def request(call: Call) -> tuple[None, Any]:
        asked.append(call.body)  # type: ignore[arg-type]
        await released.wait()
        return None, SimpleNamespace(status=200, headers={}, body=b"")

    observed: list[int] = []
    meter = SimpleNamespace(observe=lambda status, *_: observed.append(status))
    production: Any = SimpleNamespace(weight=2.0)
    shadow: Any = SimpleNamespace(name="dark", weight=0.5, request=request, recorder=None, meter=meter)
    mirror = Mirror(production, shadow)
    assert mirror.share == 0.25
    shadow.weight = 3.0
    assert mirror.share == 1.0

    async def flood() -> None:
        for number in range(100):
            mirror.send(Call({}, str(number).encode(), 60.0), {})
        await asyncio.sleep(0)
        assert (len(asked), mirror.dropped) == (64, 36)
        released.set()
        await asyncio.sleep(0.01)

    asyncio.run(flood())
    assert observed == [200] * 64
