"""Reports: what JUnit's and Cobertura's files say."""

from __future__ import annotations

import pytest

from sagelocal.cicd.codebuild.report_files import (
    ReportError,
    coverage_summary,
    coverages,
)
from sagelocal.cicd.codebuild.report_files import (
    test_cases as cases_of,
)
from sagelocal.cicd.codebuild.report_files import (
    test_summary as summary_of,
)

JUNIT = b"""<?xml version="1.0"?>
<testsuites><testsuite name="pytest" tests="4">
<testcase classname="tests.a" name="test_good" time="0.5"/>
<testcase classname="tests.a" name="test_bad" time="1,000.25"><failure message="assert 0">trace</failure></testcase>
<testcase classname="tests.a" name="test_broken" time="x"><error>no fixture</error></testcase>
<testcase classname="tests.b" name="test_left"><skipped message="later"/></testcase>
</testsuite></testsuites>"""
COBERTURA = b"""<coverage><packages><package><classes>
<class filename="a.py"><lines>
<line number="1" hits="1"/><line number="2" hits="0"/>
<line number="3" hits="2" branch="true" condition-coverage="50% (1/2)"/></lines></class>
<class filename="b.py"><lines><line number="1" hits="1"/></lines></class>
</classes></package></packages></coverage>"""


def test_junit():
    cases = list(cases_of("unit.xml", JUNIT))
    assert [case["status"] for case in cases] == ["SUCCEEDED", "FAILED", "ERROR", "SKIPPED"]
    assert cases[1] == {
        "testRawDataPath": "unit.xml",
        "prefix": "tests.a",
        "name": "test_bad",
        "status": "FAILED",
        "durationInNanoSeconds": 1_000_250_000_000,
        "testSuiteName": "pytest",
        "message": "assert 0",
    }
    assert cases[2]["message"] == "no fixture"
    summary = summary_of(cases)
    assert (summary["total"], summary["durationInNanoSeconds"]) == (4, 1_000_750_000_000)
    assert summary["statusCounts"] == {"SUCCEEDED": 1, "FAILED": 1, "ERROR": 1, "SKIPPED": 1, "UNKNOWN": 0}


@pytest.mark.parametrize(("time", "seconds"), [("inf", 0), ("nan", 0), ("-1", 0), ("1e308", 1e9)])
def test_a_time_that_makes_no_sense_breaks_nothing(time, seconds):
    (case,) = cases_of("unit.xml", f'<testsuite><testcase name="a" time="{time}"/></testsuite>'.encode())
    assert case["durationInNanoSeconds"] == seconds * 1e9


def test_a_suite_without_suites_around_it():
    assert [case["name"] for case in cases_of("x", b'<testsuite name="s"><testcase name="a"/></testsuite>')] == ["a"]


def test_cobertura():
    one, other = coverages("coverage.xml", COBERTURA)
    assert (one["filePath"], one["linesCovered"], one["linesMissed"]) == ("a.py", 2, 1)
    assert (one["lineCoveragePercentage"], one["branchCoveragePercentage"]) == (66.67, 50.0)
    assert (other["branchesCovered"], other["branchesMissed"]) == (0, 0)
    assert coverage_summary([one, other]) == {
        "linesCovered": 3,
        "linesMissed": 1,
        "lineCoveragePercentage": 75.0,
        "branchesCovered": 1,
        "branchesMissed": 1,
        "branchCoveragePercentage": 50.0,
    }


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"tests: 4", "unit.xml is no XML"),
        (COBERTURA, "begins with <coverage>"),
        (b'<?xml version="1.0" encoding="none"?><testsuite/>', "is no XML"),
        (b'<?xml version="1.0" encoding="gb2312"?><testsuite/>', "is no XML"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><testsuite>&x;</testsuite>', "is no XML"),
    ],
)
def test_other_content_is_refused(content, complaint):
    with pytest.raises(ReportError, match=complaint):
        list(cases_of("unit.xml", content))
