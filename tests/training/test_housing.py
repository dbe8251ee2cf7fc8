"""Prices of houses: how records become numbers, which model is chosen, intervals that hold, and the artifact served."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, cross_val_predict
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "training"))
sys.path.append(str(ROOT / "evaluation"))

import assumption_tests  # noqa: E402
import conformal_intervals  # noqa: E402
import estimator_artifact  # noqa: E402
import housing_features as features  # noqa: E402
import model_artifact  # noqa: E402
import record_requests  # noqa: E402
from housing_records import houses  # noqa: E402

from training import housing  # noqa: E402

DROPPED = ["BsmtFin_SF_1", "Sale_Price"]


def records(rows: int = 120, seed: int = 0) -> pd.DataFrame:
    """As the processing script writes them, and pandas reads them: blanks are NaN."""
    return houses(rows, seed).drop(columns="BsmtFin_SF_1").map(lambda value: np.nan if value == "" else value)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> model_artifact.Artifact:
    folder = tmp_path_factory.mktemp("housing")
    for seed, name in enumerate(["train", "validation"]):
        (folder / name).mkdir()
        records(seed=seed).to_csv(folder / name / f"{name}.csv", index=False)
    options = [part for name in ("train", "validation") for part in (f"--{name}", str(folder / name))]
    quick = ["--studies", "0", "--folds", "2", "--rounds", "20", "--learning-rate", "0.2", "--interval_level", "0.9"]
    housing.main(housing.parse([*options, *quick, "--model_dir", str(folder / "model")]))
    return model_artifact.load(folder / "model", folder)


def ask(served: model_artifact.Artifact, body: Any, kind: str = "application/json") -> Any:
    handler: ModuleType = served.handler
    found = handler.predict_fn(handler.input_fn(body if kind == "text/csv" else json.dumps(body), kind), served.model)
    if isinstance(found, record_requests.Refused) or type(found).__name__ == "Refused":
        return found
    return json.loads(handler.output_fn(found, "application/json")[0])["predictions"]


def house(**changes: Any) -> dict[str, Any]:
    """A raw record, as the city's table has it."""
    (found,) = json.loads(houses(1, seed=5).drop(columns="Sale_Price").to_json(orient="records"))
    return {**found, **changes}


def test_every_scale_is_numbered_by_its_own_order() -> None:
    for name, values in features.SCALES.items():
        table = pd.concat([records(1)] * len(values), ignore_index=True).assign(**{name: values})
        places = features.encoder().fit(table).named_steps["columns"].named_transformers_["scales"]
        found = places.transform(table[features.scales(table)])[:, list(features.SCALES).index(name)]
        assert found.tolist() == list(range(len(values))), name


def test_every_column_of_a_record_is_encoded_once() -> None:
    table = features.derive(records(5))
    kinds = [features.numbers(table), features.scales(table), features.categories(table)]
    assert sorted(name for kind in kinds for name in kind) == sorted(table)


def test_what_follows_from_a_record_is_added() -> None:
    table = records(3).assign(Total_Bsmt_SF=1000, Bsmt_Unf_SF=300, Gr_Liv_Area=1500, Year_Sold=2008, Year_Built=1998)
    found = features.derive(table.assign(Full_Bath=2, Half_Bath=1, Bsmt_Full_Bath=1, Bsmt_Half_Bath=0))
    assert found[["Bsmt_Finished_SF", "Total_SF", "Baths", "Age"]].iloc[0].tolist() == [700, 2500, 3.5, 10]
    assert found["Mas_Vnr_Type"].isin(["Without", "BrkFace"]).all()


def test_numbers_are_clipped_to_nearly_all_of_the_training_records() -> None:
    clip = features.Clip(0.1).fit(pd.DataFrame({"a": np.arange(11.0)}))
    assert clip.transform(pd.DataFrame({"a": [-100.0, 5.0, 100.0]})).ravel().tolist() == [1, 5, 9]


def noisy(rows: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Answers whose noise grows with the record."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame({"size": random.uniform(1, 10, rows)})
    return table, 5 * table["size"].to_numpy() + table["size"].to_numpy() * random.standard_t(4, rows)


def intervals(level: float) -> conformal_intervals.ConformalIntervals:
    return conformal_intervals.ConformalIntervals(LinearRegression(), LinearRegression(), level=level)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_intervals_hold_new_answers_as_often_as_they_say(level: float) -> None:
    model = intervals(level).fit(*noisy(2000, 0))
    rows, answers = noisy(4000, 1)
    lower, upper = model.predict_interval(rows)
    inside = ((lower <= answers) & (answers <= upper)).mean()
    # Three standard errors: of 4,000 new answers, and of a quantile of 2,000 scores.
    assert abs(inside - level) < 3 * np.sqrt(level * (1 - level) * (1 / 4000 + 1 / 2000))


def test_intervals_are_wider_where_errors_are_larger() -> None:
    lower, upper = intervals(0.9).fit(*noisy(500, 0)).predict_interval(pd.DataFrame({"size": [2.0, 8.0]}))
    small, large = upper - lower
    assert large > 2.5 * small


def test_intervals_of_logarithms_are_relative_and_hold_the_prediction() -> None:
    table = pd.DataFrame({"size": np.linspace(1, 10, 100)})
    model = conformal_intervals.ConformalIntervals(LinearRegression(), LinearRegression(), level=0.9, log=True)
    model.fit(table, 10 * table["size"] * np.exp(np.random.default_rng(0).normal(0, 0.1, 100)))
    lower, upper = model.predict_interval(table)
    assert np.allclose(np.sqrt(lower * upper), model.predict(table))


def test_predictions_out_of_fold_need_not_be_made_twice() -> None:
    rows, answers = noisy(200, 0)
    first = intervals(0.9).fit(rows, answers)
    folds = KFold(first.folds, shuffle=True, random_state=first.seed)
    made = cross_val_predict(LinearRegression(), rows, answers, cv=folds)
    second = intervals(0.9).fit(rows, answers, made)
    assert np.array_equal(first.predict_with_interval(rows), second.predict_with_interval(rows))
    assert np.array_equal(first.predict_with_interval(rows)[1:], second.predict_interval(rows))
    assert intervals(0.9).fit(rows, answers, answers + 9).quantile_ != first.quantile_


def test_the_quantile_is_that_of_one_more_score() -> None:
    assert conformal_intervals.quantile(np.arange(1.0, 20.0), 0.9) == 18  # the 18th of 19: (19 + 1) * 0.9
    with pytest.raises(ValueError, match="Intervals of 95% need 19 training records or more, not 10"):
        conformal_intervals.quantile(np.arange(10.0), 0.95)


def measured(answers: np.ndarray, design: np.ndarray) -> dict[str, Any]:
    order = np.arange(len(answers))
    return assumption_tests.check(design, answers, order, np.c_[order, order])


def test_assumptions_that_hold_are_not_denied_and_broken_ones_are_found() -> None:
    random = np.random.default_rng(0)
    size, noise = random.uniform(1, 10, 800), random.normal(0, 1, 800)
    fine = measured(2 * size + noise, size[:, None])
    assert min(fine[name]["p"] for name in ("linearity", "homoscedasticity", "normality", "neighbours")) > 0.01
    assert abs(fine["autocorrelation"]["durbin_watson"] - 2) < 0.2
    assert measured(size**2 + noise, size[:, None])["linearity"]["p"] < 1e-6
    uneven = measured(2 * size + size * noise, size[:, None])["homoscedasticity"]
    assert uneven["p"] < 1e-6
    assert uneven["ratio"] > 2
    assert measured(2 * size + noise**3, size[:, None])["normality"]["p"] < 1e-6
    walk = measured(2 * size + np.cumsum(noise), size[:, None])
    assert walk["autocorrelation"]["durbin_watson"] < 0.1
    assert walk["neighbours"]["correlation"] > 0.9


def test_variance_inflation_names_what_others_give_exactly() -> None:
    random = np.random.default_rng(0)
    first, second = random.normal(size=(2, 300))
    table = pd.DataFrame({"first": first, "second": second, "sum": first + second, "free": random.normal(size=300)})
    found = assumption_tests.inflation(table.assign(same=1.0))
    assert found.pop("free") == pytest.approx(1.0, abs=0.05)
    assert found == {"first": None, "second": None, "sum": None}


def test_the_artifact_says_how_the_model_was_chosen(served: model_artifact.Artifact) -> None:
    facts = served.metadata
    assert facts["comparison"]["models"][0]["name"] == facts["chosen"]
    assert len(facts["comparison"]["models"]) == 7
    assert set(facts["assumptions"]["targets"]) == {"price", "logarithm of the price"}
    assert facts["interval"]["level"] == 0.9


def test_what_the_report_compares_can_all_be_fitted() -> None:
    rows = records(60)
    prices = rows.pop("Sale_Price").astype(float)
    tried = housing.studies(housing.Args(rounds=5))
    assert list(tried) == [
        "Scaling of numbers, by ridge",
        "Encoding of categories, by ridge",
        "Encoding of categories, by boosting",
        "What is modelled, by ridge",
    ]
    with threadpool_limits(1):
        for models in tried.values():
            assert min(min(model.fit(rows, prices).predict(rows)) for model in models.values()) > 0


@pytest.mark.parametrize("names", ["ridge", "ridge,forest"])
def test_models_to_choose_among_are_two_or_more_known_ones(names: str) -> None:
    with pytest.raises(ValueError, match=f"models is '{names}'. Name two or more"):
        housing.chosen_among(housing.candidates(housing.Args()), names)


def test_a_raw_record_gets_a_price_and_an_interval(served: model_artifact.Artifact) -> None:
    (answer,) = ask(served, house())
    assert answer["lower"] < answer["prediction"] < answer["upper"]
    price = houses(1, seed=5)["Sale_Price"].iloc[0]
    assert abs(np.log(answer["prediction"] / price)) < 0.5


def test_a_csv_without_header_is_the_features_in_order(served: model_artifact.Artifact) -> None:
    table = houses(1, seed=5).drop(columns=DROPPED)
    answers = ask(served, table.to_csv(index=False, header=False), "text/csv")
    assert answers == ask(served, house())


def test_a_category_that_training_never_saw_is_answered(served: model_artifact.Artifact) -> None:
    (answer,) = ask(served, house(Neighborhood="New_Town", Overall_Cond="Splendid", Heating="Sun"))
    assert answer["prediction"] > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Gr_Liv_Area": 15000}, "Column Gr_Liv_Area holds 15000, and the model knows nothing of numbers below 0"),
        ({"Year_Built": 19600}, "Column Year_Built holds 19600"),
        ({"Lot_Area": "large"}, "Column Lot_Area holds 'large' where a number is needed"),
        ({"Garage_Cond": None}, "Blank values in Garage_Cond"),
        ({"Colour": "blue"}, "Unknown columns: Colour"),
    ],
)
def test_a_record_that_cannot_be_priced_is_refused(
    change: dict[str, Any], message: str, served: model_artifact.Artifact
) -> None:
    refused = ask(served, house(**change))
    assert refused.status == 400
    assert message in refused.why


def test_numbers_beyond_the_training_records_count_as_the_largest_of_them(served: model_artifact.Artifact) -> None:
    """Trees and clipped numbers alike: what is a little too large gets no price of its own."""
    one, other = ask(served, [house(Garage_Area=1000), house(Garage_Area=1500)])
    assert one["prediction"] == pytest.approx(other["prediction"])


def test_limits_reach_once_the_range_beyond_the_training_records_and_not_below_nothing() -> None:
    found = estimator_artifact.limits(
        pd.DataFrame({"area": [100.0, 300.0], "longitude": [-93.7, -93.5], "word": ["a", "b"]})
    )
    assert found == {"area": [0.0, 500.0], "longitude": pytest.approx([-93.9, -93.3])}
