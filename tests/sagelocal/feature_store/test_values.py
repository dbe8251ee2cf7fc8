"""Values of the feature types, and event times in the one form by which they are compared."""

from __future__ import annotations

import pytest

from sagelocal.feature_store import times
from sagelocal.feature_store.features import FRACTIONAL, INTEGRAL, LIST, SET, STRING, VECTOR, Feature


@pytest.mark.parametrize(
    ("kind", "value", "form"),
    [
        (STRING, "2026-06-01T12:34:56Z", "2026-06-01T12:34:56.000000000"),
        (STRING, "2026-06-01T12:34:56.7Z", None),
        (STRING, "2026-06-01T12:34:56.789Z", "2026-06-01T12:34:56.789000000"),
        (STRING, "2026-06-01T12:34:56.000000001Z", "2026-06-01T12:34:56.000000001"),
        (STRING, "2026-06-01T12:34:56", None),
        (STRING, "2026-06-01T12:34:56+00:00", None),
        (STRING, "2026-06-31T12:34:56Z", None),
        (STRING, "1780317296", None),
        (STRING, "", None),
        (FRACTIONAL, "1780317296", "2026-06-01T12:34:56.000000000"),
        (FRACTIONAL, "1780317296.789", "2026-06-01T12:34:56.789000000"),
        (FRACTIONAL, "1.780317296789e9", "2026-06-01T12:34:56.789000000"),
        (FRACTIONAL, "-0.5", "1969-12-31T23:59:59.500000000"),
        (FRACTIONAL, "-62135596800", "0001-01-01T00:00:00.000000000"),
        (FRACTIONAL, "253402300799.999999999", "9999-12-31T23:59:59.999999999"),
        (FRACTIONAL, "253402300800", None),
        (FRACTIONAL, "1e99999", None),
        (FRACTIONAL, "2026-06-01T12:34:56Z", None),
        (FRACTIONAL, "nan", None),
    ],
)
def test_an_event_time_has_one_form_or_is_refused(kind: str, value: str, form: str | None) -> None:
    if form is None:
        with pytest.raises(ValueError, match=r"is no (time|Unix time)|day is out of range"):
            times.parse(kind, value)
    else:
        assert times.parse(kind, value) == form


def test_the_one_form_sorts_by_time_and_comes_back() -> None:
    written = ["-62135596800", "-1", "0", "999.5", "1780317296.25"]
    forms = [times.parse(FRACTIONAL, each) for each in written]
    assert forms == sorted(forms)
    assert [times.seconds(each) for each in forms] == [float(each) for each in written]
    assert times.shown(STRING, forms[-1]) == "2026-06-01T12:34:56.250Z"
    assert times.shown(FRACTIONAL, forms[-1]) == "1780317296.25"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (INTEGRAL, "9223372036854775808"),
        (INTEGRAL, "1.0"),
        (INTEGRAL, "1_000"),
        (INTEGRAL, " 1"),
        (INTEGRAL, ""),
        (INTEGRAL, "٣"),
        (FRACTIONAL, "NaN"),
        (FRACTIONAL, "inf"),
        (FRACTIONAL, "1e400"),
        (FRACTIONAL, "1_0.5"),
        (FRACTIONAL, "1,5"),
        (FRACTIONAL, "0x1p3"),
    ],
)
def test_a_value_of_another_type_is_refused(kind: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"is no {kind}"):
        Feature("f", kind).check({"FeatureName": "f", "ValueAsString": value})


@pytest.mark.parametrize(
    ("kind", "value"),
    [(INTEGRAL, "-9223372036854775808"), (INTEGRAL, "+5"), (FRACTIONAL, "-.5e-3"), (FRACTIONAL, "7"), (STRING, "")],
)
def test_a_value_of_its_type_is_kept_as_it_was_written(kind: str, value: str) -> None:
    given = {"FeatureName": "f", "ValueAsString": value}
    assert Feature("f", kind).check(given) == given


def test_collections_are_lists_of_their_type() -> None:
    def checked(feature: Feature, values: list[str]) -> object:
        found = feature.check({"FeatureName": "f", "ValueAsStringList": values})
        return found and found["ValueAsStringList"]

    assert checked(Feature("f", INTEGRAL, LIST), ["1", "1"]) == ["1", "1"]
    assert checked(Feature("f", STRING, SET), ["b", "a", "b"]) == ["b", "a"]
    with pytest.raises(ValueError, match="3 elements.* Dimension is 2"):
        checked(Feature("f", FRACTIONAL, VECTOR, 2), ["1", "2", "3"])
    with pytest.raises(ValueError, match="is no Integral"):
        checked(Feature("f", INTEGRAL, LIST), ["1", "x"])
    with pytest.raises(ValueError, match="takes a ValueAsStringList"):
        Feature("f", INTEGRAL, LIST).check({"FeatureName": "f", "ValueAsString": "1"})
    with pytest.raises(ValueError, match="takes a ValueAsString,"):
        checked(Feature("f", INTEGRAL), ["1"])


def test_what_has_no_value_is_not_kept() -> None:
    assert Feature("f", STRING).check({"FeatureName": "f"}) is None
