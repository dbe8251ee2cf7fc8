"""Metric data on its way to CloudWatch."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from sagelocal.cloudwatch import Publisher


class Client:
    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []

    def put_metric_data(self, Namespace: str, MetricData: list[Any]) -> None:
        self.calls.append((Namespace, len(MetricData)))
        if Namespace == "refused":
            raise ClientError({"Error": {"Code": "InvalidParameterValue", "Message": "no"}}, "PutMetricData")


def test_values_are_put_together_and_none_is_left_at_the_end() -> None:
    client = Client()
    publisher = Publisher(client)
    publisher.put("refused", [{}])
    for _ in range(3):
        publisher.put("b", [{}] * 500)
    publisher.close()
    assert client.calls == [("refused", 1), ("b", 1000), ("b", 500)]
