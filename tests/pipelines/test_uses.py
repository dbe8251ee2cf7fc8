"""What `mlops changed` reads out of the sources is what compiled pipelines carry."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from deploy.names import module_name
from mlops import uses
from mlops.use_cases import ROOT, find_all
from pipelines import source


@pytest.mark.parametrize("use_case", [case.name for case in find_all()])
def test_every_file_that_a_pipeline_uploads_is_known_to_be_used(compiled: Callable[[str], str], use_case: str) -> None:
    definition = compiled(use_case)
    scripts = {
        f"{name}.py" for name in re.findall(r"/code/((?:processing|training|evaluation)/\w+)/[0-9a-f]{16}", definition)
    }
    assert f"processing/{module_name(use_case)}.py" in scripts
    assert any(each.startswith("evaluation/") for each in scripts)
    known = set(uses.files(ROOT, use_case))
    for script in scripts:
        folder = script.split("/")[0]
        files = source.bundle(ROOT, script).files
        carried = {f"{folder}/{name}" for name in files if name != source.REQUIREMENTS}
        assert carried <= known
