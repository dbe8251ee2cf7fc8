"""`mlops card`: the card is made once, then edited, one call for content and one for status."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, cast

import boto3
import pypdfium2
import pytest

from mlops import cards
from mlops.targets import LAPTOP, Target
from sagelocal.config import Settings

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"


@pytest.fixture
def target(laptop: Settings) -> Target:
    class Session:
        def client(self, service: str, config: Any) -> Any:
            return laptop.client(service)

    return Target(LAPTOP, laptop.account, laptop.region, cast(boto3.Session, Session()), laptop)


def test_a_versions_card_is_made_edited_and_exported(target: Target, tmp_path: Path) -> None:
    sagemaker = target.client("sagemaker")
    with pytest.raises(LookupError, match="churn has no versions: mlops run churn"):
        cards.card(target, "churn", None, tmp_path)
    sagemaker.create_model_package_group(ModelPackageGroupName="churn")
    arn = sagemaker.create_model_package(
        ModelPackageGroupName="churn",
        InferenceSpecification={
            "Containers": [{"Image": IMAGE, "ModelDataUrl": "s3://b/model.tar.gz"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )["ModelPackageArn"]
    written, drawn = cards.card(target, "churn", None, tmp_path)
    assert json.loads(written.read_text())["model_overview"]["model_id"] == arn
    with pypdfium2.PdfDocument(io.BytesIO(drawn.read_bytes())) as document:
        assert "PendingReview. Which customers" in document[0].get_textpage().get_text_range().replace("\r\n", " ")
    card = sagemaker.describe_model_card(ModelCardName="churn-1")
    assert (card["ModelCardStatus"], card["ModelCardVersion"]) == ("PendingReview", 1)
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription="fine")
    cards.card(target, "churn", 1, tmp_path)
    card = sagemaker.describe_model_card(ModelCardName="churn-1")
    assert (card["ModelCardStatus"], card["ModelCardVersion"]) == ("Approved", 2)
    assert cards.put(target, "churn-1", card["Content"], "Approved", []) == ("unchanged, version 2", 2)
    with pytest.raises(LookupError, match="churn has no version 2. There are 1."):
        cards.card(target, "churn", 2, tmp_path)
