"""Results of tests as a JUnit XML file, which CodeBuild's reports read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from junitparser import Failure, JUnitXml, Skipped, TestCase, TestSuite

from deploy.staging_tests import Result


def write(results: Sequence[Result], suite: str, path: Path) -> None:
    found = TestSuite(suite)
    for each in results:
        case = TestCase(each.name, f"{suite}.{each.group}", each.seconds)
        if each.outcome == "failed":
            case.result = [Failure(each.said)]
        elif each.outcome == "skipped":
            case.result = [Skipped(each.said)]
        else:
            case.system_out = each.said
        found.add_testcase(case)
    xml = JUnitXml()
    xml.add_testsuite(found)
    path.parent.mkdir(parents=True, exist_ok=True)
    xml.write(str(path), pretty=True)
