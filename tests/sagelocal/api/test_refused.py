"""What sagelocal has not is refused by its place in the request."""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore.model import ListShape, Shape, StructureShape

from sagelocal.api.errors import AwsError
from sagelocal.api.model import operation_model
from sagelocal.api.operations import handlers, refused
from sagelocal.api.refused import refuse

PATHS = {"Jobs[].Mode=Fast": "Use Slow.", "Config.Extra": ""}


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"Jobs": [{"Mode": "Slow"}, {"Mode": "Fast"}]}, "The field Jobs[1].Mode with the value Fast is not"),
        ({"Config": {"Extra": {"a": 1}}}, "The field Config.Extra is not implemented by sagelocal."),
    ],
)
def test_a_refused_member_is_named_with_its_place(request_: dict[str, Any], said: str) -> None:
    with pytest.raises(AwsError, match=re.escape(said)):
        refuse(request_, PATHS)


@pytest.mark.parametrize(
    "request_", [{}, {"Config": None}, {"Config": {"Extra": {}}}, {"Config": {"Extra": False}}, {"Jobs": [{}]}]
)
def test_what_a_client_sends_for_nothing_is_no_use_of_the_member(request_: dict[str, Any]) -> None:
    refuse(request_, PATHS)


def test_every_refused_path_is_one_of_the_api() -> None:
    for operation, paths in refused().items():
        assert operation in handlers(), f"{operation} is refused as a whole already"
        for path in paths:
            shape: Shape | None = operation_model("sagemaker", operation).input_shape
            for name in path.partition("=")[0].split("."):
                assert isinstance(shape, StructureShape)
                assert name.removesuffix("[]") in shape.members, f"{operation} has no {path}"
                shape = shape.members[name.removesuffix("[]")]
                if name.endswith("[]"):
                    assert isinstance(shape, ListShape)
                    shape = shape.member
