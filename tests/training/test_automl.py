"""The engine of AutoML on tables of a few hundred rows: searched, blended, and served as any other model."""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score

sys.path.insert(0, str(Path(__file__).parents[2] / "training"))

import automl_ensemble as ensemble
import automl_families as families
import automl_knowledge as knowledge
import automl_task
from automl_blend import Blend, Tidy
from automl_candidates import Candidate
from automl_search import Search, limited

FAMILIES = list(families.FAMILIES)
TRAINING = Path(__file__).parents[2] / "training"


def people(rows: int = 300, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "age": random.integers(18, 90, rows).astype(float),
            "town": random.choice(["Bern", "Basel", "Chur"], rows),
            "joined": pd.Timestamp("2026-01-01") + pd.to_timedelta(random.integers(0, 300, rows), unit="D"),
        }
    )
    score = 0.08 * (table["age"] - 50) + 1.5 * (table["town"] == "Chur")
    table["joined"] = table["joined"].dt.strftime("%Y-%m-%d")
    table.loc[random.random(rows) < 0.1, "age"] = np.nan
    table.loc[random.random(rows) < 0.1, "town"] = None
    return table.assign(
        bought=(random.random(rows) < 1 / (1 + np.exp(-score))).astype(int),
        spent=np.exp(0.3 * score + random.normal(0, 0.2, rows)),
        kind=np.select([score < -1, score < 1], ["few", "some"], "many"),
    )


def load(name: str) -> ModuleType:
    """A script under a name of its own: three folders have an automl.py."""
    spec = importlib.util.spec_from_file_location(f"training_{name}", TRAINING / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def put(folder: Path, table: pd.DataFrame, problem: str) -> None:
    folder.mkdir()
    table.to_csv(folder / "train.csv", index=False)
    (folder / "schema.json").write_text(json.dumps({"problem": problem, "ignored": ["id"]}))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two families' searches and their ensemble, as the jobs of a pipeline make them."""
    folder = tmp_path_factory.mktemp("automl")
    put(folder / "train", people().drop(columns=["spent", "kind"]), "binary")
    script = load("automl")
    common = ["--train", str(folder / "train"), "--target", "bought"]
    for family in ("linear", "neighbours"):
        out = str(folder / "trials" / family)
        # Its time began when Python did, which here is that of all tests.
        asked = ["--family", family, "--model-dir", out, "--most", "3", "--seconds", "36000"]
        script.main(script.parse([*common, *asked]))
    trials = ["--trials", str(folder / "trials"), "--model-dir", str(folder / "model"), "--seconds", "36000"]
    with pytest.MonkeyPatch.context() as patch:  # curves, however long fits take on this machine
        patch.setattr(ensemble, "CURVE_SECONDS", 36000.0)
        ensemble.main(ensemble.parse([*common, *trials]))
    return folder / "model"


def test_the_pipeline_knows_the_engines_families() -> None:
    pipeline = ast.parse((TRAINING.parent / "pipelines" / "automl.py").read_text())
    named = {each.targets[0].id: each.value for each in pipeline.body if isinstance(each, ast.Assign)}  # type: ignore[attr-defined]
    assert ast.literal_eval(named["FAMILIES"]) == FAMILIES
    assert set(families.DEFAULTS) == set(families.FAMILIES) == set(families.MODELS)


def test_a_tidy_table_has_numbers_categories_and_parts_of_dates() -> None:
    rows = pd.DataFrame({"n": [1, 2], "c": ["NA", " x "], "d": ["2026-03-01", "2026-03-02"]})
    found = Tidy().fit(rows).transform(rows)
    assert found["n"].dtype == float
    assert found["c"].isna().tolist() == [True, False]
    assert found["c"][1] == "x"
    assert found["d weekday"].tolist() == [6.0, 0.0]


def test_scores_are_better_if_higher() -> None:
    random = np.random.default_rng(0)
    truth, probability = random.integers(0, 2, 300), random.random(300).round(1)
    found = np.column_stack([1 - probability, probability])
    assert automl_task.SCORES["auc"](truth, found) == pytest.approx(roc_auc_score(truth, probability))
    sure = np.column_stack([1 - truth, truth]) * 0.8 + 0.1
    for name in ("auc", "aucpr", "logloss", "accuracy", "f1_macro"):
        assert automl_task.SCORES[name](truth, sure) > automl_task.SCORES[name](truth, found)
    assert automl_task.SCORES["rmse"](np.ones(3), np.zeros(3)) == -1.0


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("target", "problem"), [("bought", "binary"), ("kind", "multiclass"), ("spent", "regression")])
def test_each_family_learns_each_problem_from_its_defaults(family: str, target: str, problem: str) -> None:
    table = people(120)[["age", "town", "joined", target]]
    task = automl_task.make(table, target, problem)
    small = {"n_estimators": 12, "max_iter": 10}
    config = {name: small.get(name, value) for name, value in families.DEFAULTS[family].items()}
    search = Search(task, family, time.monotonic(), most=1)
    search.run([config])
    found = search.candidates[0]
    assert found.predictions.shape[0] == 120
    assert np.isfinite(found.predictions).all()
    trivial = {
        "binary": 0.5,
        "multiclass": -np.log(3),
        "regression": -float(people(120)["spent"].std()),
    }
    assert found.score > trivial[problem]


def test_halving_ends_early_what_does_worse() -> None:
    table = people(4000)[["age", "town", "bought"]]
    task = automl_task.make(table, "bought", "binary")
    assert task.rungs == [(pytest.approx(1 / 3), 1), (1.0, 1), (1.0, 5)]
    search = Search(task, "linear", time.monotonic() + 60, most=10)
    search.run([])
    states = [each["state"] for each in search.tried]
    assert len(states) == 10
    assert 0 < states.count("complete") < states.count("halved")
    assert [each.score for each in search.candidates] == sorted(
        (each.score for each in search.candidates), reverse=True
    )


def test_every_metric_has_a_scorer_for_curves() -> None:
    assert (
        set(ensemble.SCORERS)
        == set(automl_task.SCORES)
        == {name for own in automl_task.METRICS.values() for name in own}
    )


def test_a_deadline_that_has_passed_still_leaves_one_candidate() -> None:
    task = automl_task.make(people(100)[["age", "bought"]], "bought", "binary")
    search = Search(task, "linear", time.monotonic() - 1)
    search.run([])
    assert len(search.tried) == len(search.candidates) == 1


def test_a_family_that_is_not_needed_ends_without_one() -> None:
    task = automl_task.make(people(100)[["age", "bought"]], "bought", "binary")
    search = Search(task, "random_forest", time.monotonic() - 1, needed=False)
    search.run([families.cheapest("random_forest")])
    assert search.candidates == []
    assert [each["state"] for each in search.tried] == ["out of time"]


def test_a_fit_is_stopped_between_its_iterations() -> None:
    with pytest.raises(TimeoutError), limited(0.01, DummyRegressor()):
        while True:
            pass
    with limited(0.01, DummyRegressor()):
        pass
    time.sleep(0.02)  # no alarm is left


def test_a_fit_of_xgboost_is_stopped_after_an_iteration_and_not_in_the_middle_of_one() -> None:
    task = automl_task.make(people(200)[["age", "town", "bought"]], "bought", "binary")
    config = {**families.DEFAULTS["boosted_trees"], "n_estimators": 10**6, "answers": "plain"}
    model = families.build("boosted_trees", config, task)
    with pytest.raises(TimeoutError), limited(0.05, model):
        model.fit(task.table, task.answers)


def test_time_is_for_families_that_have_enough_of_it_and_for_two_at_least() -> None:
    enough = knowledge.allotted(FAMILIES, [], 400)
    assert list(enough) == list(knowledge.QUICKEST)
    assert sum(enough.values()) == pytest.approx(400)
    few = knowledge.allotted(FAMILIES, [], 60)
    assert min(few.values()) >= knowledge.START_SECONDS + knowledge.LEAST_SECONDS
    assert 2 < len(few) < len(FAMILIES)
    assert list(knowledge.allotted(FAMILIES, [], 1)) == ["gradient_boosting", "linear"]


def test_a_family_that_is_left_out_answers_what_is_known_without_a_record(tmp_path: Path) -> None:
    put(tmp_path / "train", people(60).drop(columns=["bought", "kind"]), "regression")
    script = load("automl")
    asked = ["--train", str(tmp_path / "train"), "--target", "spent", "--model-dir", str(tmp_path / "model")]
    script.main(script.parse([*asked, "--family", "random_forest", "--seconds", "1"]))
    told = json.loads((tmp_path / "model" / "candidates.json").read_text())
    assert told == {"candidates": [], "tried": []}
    served = joblib.load(tmp_path / "model" / "model.joblib")
    assert served.predict(people(60).head(2)).tolist() == pytest.approx([people(60)["spent"].mean()] * 2)


def test_a_metric_of_another_problem_is_refused() -> None:
    with pytest.raises(ValueError, match="Metric rmse is none for a binary problem"):
        automl_task.make(people(50)[["age", "bought"]], "bought", "binary", "rmse")


def test_greedy_selection_takes_those_that_make_up_for_each_other() -> None:
    task = automl_task.make(people()[["age", "spent"]], "spent", "regression")
    random = np.random.default_rng(0)
    errors = random.normal(0, 1, (3, len(task.answers)))
    errors[1] = -errors[0] + 0.1 * errors[2]
    answers = task.answers + errors * np.array([[1.0], [1.0], [0.9]])
    weights = ensemble.greedy(answers, task, task.judged)
    assert weights[0] == pytest.approx(weights[1], abs=2)
    assert weights[:2].sum() > 4 * weights[2]
    candidates = [Candidate("linear", {}, task.score(each, task.judged), 0.1, each) for each in answers]
    ways = ensemble.judge(candidates, task)
    assert ways[0].name in ("blend", "stack")
    assert ways[-1].name == "best candidate"


def test_members_that_cannot_be_refitted_in_time_are_left_out() -> None:
    stack = ensemble.Way("stack", 3.0, np.array([1.0, 1.0, 1.0]), stacker=LinearRegression())
    blend = ensemble.Way("blend", 2.0, np.array([3.0, 1.0, 0.0]))
    task = automl_task.make(people(60)[["age", "spent"]], "spent", "regression")
    given = [task.answers, task.answers + 1.0, task.answers]
    candidates = [Candidate("linear", {}, 0.5, 10, each) for each in given]
    assert ensemble.affordable([stack, blend], candidates, 1000, task) is stack
    assert ensemble.affordable([stack, blend], candidates, 40, task) is blend
    alone = ensemble.affordable([stack, blend], candidates, 20, task)
    assert (alone.name, alone.score, alone.weights.tolist()) == ("best candidate", 0.5, [3.0, 0.0, 0.0])
    blend = ensemble.Way("blend", 2.0, np.array([3.0, 2.0, 1.0]))
    some = ensemble.affordable([stack, blend], candidates, 30, task)
    assert (some.name, some.score, some.weights.tolist()) == ("blend", 0.0, [1.0, 0.0, 0.0])


def test_knowledge_never_comes_from_the_table_at_hand() -> None:
    task = automl_task.make(people()[["age", "town", "bought"]], "bought", "binary")
    described = knowledge.features(task)

    def entry(name: str, columns: list[str], problem: str = "binary") -> dict[str, Any]:
        own = {"linear": {"share": 0.9, "configurations": [{"C": 1.0, "from": name}]}}
        return {"table": name, "columns": columns, "problem": problem, "features": described, "families": own}

    entries = [
        entry("itself", ["age", "town", "bought", "id"]),
        entry("other", ["a", "b", "c"]),
        entry("prices", ["a", "b"], "regression"),
    ]
    found = knowledge.nearest(task, ["age", "town", "bought"], entries)
    assert [each["table"] for each in found] == ["other"]
    assert knowledge.starts("linear", found) == [{"C": 1.0, "from": "other"}]
    shares = knowledge.shares(FAMILIES, found)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["linear"] > 4 * shares["network"] > 0


def test_the_knowledge_file_fits_the_engine() -> None:
    entries = knowledge.read()
    task = automl_task.make(people(60)[["age", "town", "bought"]], "bought", "binary")
    assert len(entries) > 3
    for each in entries:
        assert set(each["features"]) == set(knowledge.features(task))
        assert set(each["families"]) <= set(FAMILIES)


def test_the_ensemble_serves_raw_records(served: Path) -> None:
    spec = importlib.util.spec_from_file_location("automl_inference", served / "code" / "inference.py")
    assert spec is not None
    assert spec.loader is not None
    handler = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = handler
    spec.loader.exec_module(handler)
    model = handler.model_fn(str(served))

    def ask(record: dict[str, Any]) -> Any:
        body = json.dumps(record)
        return handler.predict_fn(handler.input_fn(body, "application/json"), model)

    usual = ask({"age": 80, "town": "Chur", "joined": "2026-02-03"})["probability"][0]
    assert usual > ask({"age": 20, "town": "Bern", "joined": "2026-02-03"})["probability"][0]
    # A new category, blanks, a column that said nothing, ten times larger values: answered.
    assert 0 <= ask({"age": 50, "town": "Genf", "joined": "2026-02-03"})["probability"][0] <= 1
    assert 0 <= ask({"id": "c-1", "age": None, "town": None, "joined": None})["probability"][0] <= 1
    assert 0 <= ask({"age": 800, "town": "Chur", "joined": "2026-02-03"})["probability"][0] <= 1
    # A text where a number belongs: refused by name.
    assert "age" in ask({"age": "old", "town": "Chur", "joined": "2026-02-03"}).why


def test_the_artifact_tells_how_it_was_found(served: Path) -> None:
    facts = json.loads((served / "metadata.json").read_text())
    assert sum(each["chosen"] for each in facts["leaderboard"] if "chosen" in each) == 1
    scores = [each["score"] for each in facts["leaderboard"]]
    assert scores == sorted(scores, reverse=True)
    assert {each["family"] for each in facts["tried"]} == {"linear", "neighbours"}
    assert facts["comparison"]["folds"] == 5
    assert facts["optional"] == ["id"]
    assert facts["curves"]["scoring"] == "roc_auc"


@pytest.mark.parametrize(("target", "problem"), [("bought", "binary"), ("kind", "multiclass"), ("spent", "regression")])
@pytest.mark.parametrize("stacked", [False, True])
def test_a_blend_learns_anew_for_curves(target: str, problem: str, stacked: bool) -> None:
    table = people(150)[["age", "town", target]]
    task = automl_task.make(table, target, problem)
    forest = {"n_estimators": 10, "max_features": 0.5, "min_samples_leaf": 3, "categories": "ordinal"}
    close = {"numbers": "standard", "n_neighbors": 9, "weights": "distance", "p": 1, "categories": "one_hot"}
    configs = {"random_forest": forest, "neighbours": close}
    members = [families.build(name, config, task) for name, config in configs.items()]
    blend = Blend(task.tidy, members, [1, 2], task.classes, ensemble.stacker(task) if stacked else None)
    metric = automl_task.METRICS[problem][0]
    scores = cross_val_score(blend, table.drop(columns=target), table[target], scoring=ensemble.SCORERS[metric], cv=2)
    assert np.isfinite(scores).all()
    assert blend.set_params(most=1)._asked() == [1]


def test_trials_of_another_table_are_refused(served: Path, tmp_path: Path) -> None:
    task = automl_task.make(people(50)[["age", "bought"]], "bought", "binary")
    with pytest.raises(ValueError, match="another table than 50 rows"):
        ensemble.collect(served.parent / "trials", task)
    with pytest.raises(ValueError, match="holds no trial's artifact"):
        ensemble.collect(tmp_path, task)
