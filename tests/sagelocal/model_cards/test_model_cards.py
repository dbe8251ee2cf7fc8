"""Model cards over the wire: versions, status, what the schema refuses, and the PDF of an export."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pypdfium2
import pytest

from sagelocal.app import SageLocal
from sagelocal.config import Settings
from sagelocal.model_cards import export as exports
from sagelocal.model_cards.operations import CARD, EXPORT, VERSION
from sagelocal.store import Store

CONTENT: dict[str, Any] = {
    "model_overview": {
        "model_id": "arn:1",
        "model_name": "churn",
        "model_version": 3,
        "model_description": "Who leaves.",
    },
    "intended_uses": {"risk_rating": "Low", "purpose_of_model": "An offer before they leave. " * 12},
    "training_details": {
        "objective_function": {"function": {"function": "Maximize", "facet": "AUC"}},
        "training_job_details": {
            "training_arn": "arn:2",
            "hyper_parameters": [{"name": "eta", "value": "0.03"}],
            "training_metrics": [{"name": "validation:auc", "value": 0.85}],
        },
    },
    "evaluation_details": [
        {
            "name": "Held-out records",
            "datasets": ["s3://b/test/"],
            "metric_groups": [
                {
                    "name": "Binary classification",
                    "metric_data": [
                        {"name": "auc", "type": "number", "value": 0.85, "notes": "95 % interval 0.83 to 0.87"},
                        {"name": "confusion", "type": "matrix", "value": [[7, 2], [1, 3]], "x_axis_name": ["0", "1"]},
                        {"name": "roc", "type": "linear_graph", "value": [[0, 0], [0.2, 0.8], [1, 1]]},
                        {"name": "shap", "type": "bar_chart", "value": [0.4, 0.1], "x_axis_name": ["tenure", "plan"]},
                    ],
                }
            ],
        }
    ],
    "additional_information": {"custom_details": {"commit": "7b16e1e"}},
}


@pytest.fixture(scope="module")
def sagemaker(laptop: Settings) -> Any:
    return laptop.client("sagemaker")


def test_edits_make_versions_and_a_status_changes_in_place(sagemaker: Any) -> None:
    arn = sagemaker.create_model_card(
        ModelCardName="churn-3",
        Content=json.dumps(CONTENT),
        ModelCardStatus="Draft",
        Tags=[{"Key": "mlops:use-case", "Value": "churn"}],
    )["ModelCardArn"]
    assert arn.endswith(":model-card/churn-3")
    with pytest.raises(sagemaker.exceptions.ConflictException):
        sagemaker.create_model_card(ModelCardName="churn-3", Content="{}", ModelCardStatus="Draft")
    sagemaker.update_model_card(ModelCardName=arn, Content=json.dumps({"model_overview": {"model_name": "new"}}))
    sagemaker.update_model_card(ModelCardName="churn-3", ModelCardStatus="Approved")
    newest = sagemaker.describe_model_card(ModelCardName="churn-3")
    assert (newest["ModelCardVersion"], newest["ModelCardStatus"]) == (2, "Approved")
    assert json.loads(newest["Content"]) == {"model_overview": {"model_name": "new"}}
    first = sagemaker.describe_model_card(ModelCardName="churn-3", ModelCardVersion=1)
    assert (json.loads(first["Content"]), first["ModelCardStatus"]) == (CONTENT, "Draft")
    assert sagemaker.describe_model_card(ModelCardName="churn-3", IncludedData="MetadataOnly")["Content"] == ""
    versions = sagemaker.list_model_card_versions(ModelCardName="churn-3")["ModelCardVersionSummaryList"]
    assert [(each["ModelCardVersion"], each["ModelCardStatus"]) for each in versions] == [(2, "Approved"), (1, "Draft")]
    approved = sagemaker.list_model_card_versions(ModelCardName="churn-3", ModelCardStatus="Approved")
    assert [each["ModelCardVersion"] for each in approved["ModelCardVersionSummaryList"]] == [2]
    cards = sagemaker.list_model_cards(NameContains="churn", ModelCardStatus="Approved")["ModelCardSummaries"]
    assert [each["ModelCardName"] for each in cards] == ["churn-3"]
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "mlops:use-case", "Value": "churn"}]
    sagemaker.delete_model_card(ModelCardName="churn-3")
    with pytest.raises(sagemaker.exceptions.ResourceNotFound):
        sagemaker.describe_model_card(ModelCardName="churn-3")
    assert sagemaker.list_model_cards()["ModelCardSummaries"] == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "has to be JSON"),
        ('{"model_overview": {"nickname": "x"}}', "'nickname' was unexpected"),
        ('{"intended_uses": {"risk_rating": "None"}}', "is not one of"),
        ('{"evaluation_details": [{"metric_groups": []}]}', "'name' is a required property"),
    ],
)
def test_content_that_the_schema_refuses(sagemaker: Any, content: str, said: str) -> None:
    with pytest.raises(sagemaker.exceptions.ClientError, match=said):
        sagemaker.create_model_card(ModelCardName="bad", Content=content, ModelCardStatus="Draft")


def test_one_call_changes_content_or_status(sagemaker: Any) -> None:
    sagemaker.create_model_card(ModelCardName="one", Content="{}", ModelCardStatus="Draft")
    with pytest.raises(sagemaker.exceptions.ClientError, match="in a single call"):
        sagemaker.update_model_card(ModelCardName="one", Content="{}", ModelCardStatus="Approved")
    sagemaker.delete_model_card(ModelCardName="one")


def test_an_export_is_a_pdf_of_what_the_card_says(sagemaker: Any, laptop: Settings) -> None:
    sagemaker.create_model_card(ModelCardName="churn-4", Content=json.dumps(CONTENT), ModelCardStatus="Draft")
    with pytest.raises(sagemaker.exceptions.ResourceNotFound):
        export(sagemaker, laptop, "none", ModelCardVersion=2)
    done = export(sagemaker, laptop, "first")
    assert done["Status"] == "Completed", done
    uri = done["ExportArtifacts"]["S3ExportArtifacts"]
    assert uri == f"s3://{laptop.bucket}/cards/first/churn-4-1.pdf"
    body = laptop.client("s3").get_object(Bucket=laptop.bucket, Key=uri.split("/", 3)[3])["Body"].read()
    with pypdfium2.PdfDocument(io.BytesIO(body)) as document:
        said = " ".join(" ".join(page.get_textpage().get_text_range().split()) for page in document)
    for text in ("Model card: churn-4", "Draft. Who leaves.", "95 % interval 0.83 to 0.87", "eta", "7b16e1e", "roc"):
        assert text in said
    (listed,) = sagemaker.list_model_card_export_jobs(ModelCardName="churn-4")["ModelCardExportJobSummaries"]
    assert (listed["ModelCardExportJobName"], listed["Status"]) == ("first", "Completed")
    failed = export(sagemaker, laptop, "second", bucket="no-such-bucket")
    assert (failed["Status"], "NoSuchBucket" in failed["FailureReason"]) == ("Failed", True)


def export(sagemaker: Any, laptop: Settings, name: str, bucket: str = "", **more: Any) -> dict[str, Any]:
    arn = sagemaker.create_model_card_export_job(
        ModelCardName="churn-4",
        ModelCardExportJobName=name,
        OutputConfig={"S3OutputPath": f"s3://{bucket or laptop.bucket}/cards"},
        **more,
    )["ModelCardExportJobArn"]
    assert arn.endswith(f"/export-job/{name}")
    deadline = time.monotonic() + 60
    while True:
        found = sagemaker.describe_model_card_export_job(ModelCardExportJobArn=arn)
        if found["Status"] != "InProgress":
            return dict(found)
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_export_that_breaks_in_an_unforeseen_way_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(version: dict[str, Any]) -> bytes:
        raise ValueError("nobody thought of this")

    store = Store(tmp_path / "db")
    job = {"ModelCardName": "c", "ModelCardVersion": 1, "ModelCardExportJobName": "e", "Status": "InProgress"}
    store.create(EXPORT, "e", {**job, "OutputConfig": {"S3OutputPath": "s3://b/cards"}})
    store.create(CARD, "c", {"_name": "c"})
    store.create(VERSION, "c/1", {})
    monkeypatch.setattr(exports, "_pdf", broken)
    exporter = exports.Exporter(cast(SageLocal, SimpleNamespace(store=store)))
    exporter.start("e")
    ended = store.wait(EXPORT, "e", lambda one: one["Status"] != "InProgress", timeout=10)
    assert (ended["Status"], ended["FailureReason"]) == ("Failed", "ValueError: nobody thought of this")
    exporter.close()
    store.close()
