from __future__ import annotations

from dashboard.endpoints import answers


def test_a_probability_for_each_class_has_a_name_of_its_own() -> None:
    found = answers.flat({"probability": 0.9, "label": "setosa", "probabilities": {"setosa": 0.9, "rose": 0.1}})
    assert found == {
        "probability": 0.9,
        "label": "setosa",
        "probabilities: setosa": 0.9,
        "probabilities: rose": 0.1,
    }
    assert answers.flat({"values": [1, 2]}) == {"values": "[1, 2]"}
