"""What test and coverage tools write, as CodeBuild's test cases and code coverages."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException, ElementTree

Document = dict[str, Any]
_OUTCOMES = {"failure": "FAILED", "error": "ERROR", "skipped": "SKIPPED"}
_STATUSES = ("SUCCEEDED", "FAILED", "ERROR", "SKIPPED", "UNKNOWN")
_LONGEST = 1e9  # seconds; what a tool writes need not make sense
_CONDITIONS = re.compile(r"\((\d+)/(\d+)\)")


class ReportError(ValueError):
    """A file is not of the format that the buildspec says."""


def test_cases(name: str, content: bytes) -> Iterator[Document]:
    """Of a JUnit XML file. Raises ReportError naming the file."""
    root = _root(name, content, "testsuites", "testsuite")
    for suite in root.iter("testsuite"):
        for case in suite.findall("testcase"):
            yield _test_case(name, suite.get("name", ""), case)


def _test_case(file: str, suite: str, case: Element) -> Document:
    said = next((child for child in case if child.tag in _OUTCOMES), None)
    found: Document = {
        "testRawDataPath": file,
        "prefix": case.get("classname", ""),
        "name": case.get("name", ""),
        "status": "SUCCEEDED" if said is None else _OUTCOMES[said.tag],
        "durationInNanoSeconds": round(min(max(_number(case.get("time")), 0.0), _LONGEST) * 1e9),
        "testSuiteName": suite,
    }
    if said is not None:
        found["message"] = said.get("message") or (said.text or "").strip()
    return found


def test_summary(cases: Sequence[Document]) -> Document:
    counts = Counter(case["status"] for case in cases)
    return {
        "total": len(cases),
        "statusCounts": {status: counts.get(status, 0) for status in _STATUSES},
        "durationInNanoSeconds": sum(case["durationInNanoSeconds"] for case in cases),
    }


def coverages(name: str, content: bytes) -> list[Document]:
    """One a source file of a Cobertura XML file. Raises ReportError naming the file."""
    root = _root(name, content, "coverage")
    lines: defaultdict[str, dict[str, Element]] = defaultdict(dict)
    for each in root.iter("class"):
        own = lines[each.get("filename", "")]
        for line in each.iterfind("lines/line"):
            own[line.get("number", "")] = line
    return [_coverage(path, found.values()) for path, found in sorted(lines.items())]


def _coverage(path: str, lines: Iterable[Element]) -> Document:
    covered = missed = taken = possible = 0
    for line in lines:
        hit = _number(line.get("hits")) > 0
        covered, missed = covered + hit, missed + (not hit)
        if conditions := _CONDITIONS.search(line.get("condition-coverage", "")):
            taken, possible = taken + int(conditions[1]), possible + int(conditions[2])
    return {"filePath": path, **_shares(covered, missed, taken, possible - taken)}


def coverage_summary(files: Sequence[Document]) -> Document:
    names = ("linesCovered", "linesMissed", "branchesCovered", "branchesMissed")
    return _shares(*(sum(each[name] for each in files) for name in names))


def _shares(covered: int, missed: int, taken: int, left: int) -> Document:
    return {
        "linesCovered": covered,
        "linesMissed": missed,
        "lineCoveragePercentage": _percentage(covered, missed),
        "branchesCovered": taken,
        "branchesMissed": left,
        "branchCoveragePercentage": _percentage(taken, left),
    }


def _percentage(one: int, other: int) -> float:
    return round(100.0 * one / (one + other), 2) if one + other else 0.0


def _root(name: str, content: bytes, *tags: str) -> Element:
    try:
        root: Element = ElementTree.fromstring(content)
    except (ParseError, DefusedXmlException, LookupError, ValueError) as error:  # the last two of its encoding
        raise ReportError(f"{name} is no XML: {error}") from error
    if root.tag not in tags:
        raise ReportError(f"{name} begins with <{root.tag}>, not with <{'> or <'.join(tags)}>")
    return root


def _number(text: str | None) -> float:
    try:
        number = float((text or "0").replace(",", ""))
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0
