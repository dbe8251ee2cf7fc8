"""Fraud's members with minuscule settings, the ensemble of them, and the artifact as a serving container opens it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import SGDOneClassSVM
from sklearn.metrics import average_precision_score

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "training"))

import fraud_detectors  # noqa: E402
import fraud_ensemble  # noqa: E402
import fraud_imbalance  # noqa: E402
import fraud_rules  # noqa: E402
import fraud_scores  # noqa: E402
import fraud_stack  # noqa: E402
from fraud_transactions import RECORD, split  # noqa: E402

MEMBERS = ("rules", "isolation_forest", "one_class_svm", "random_forest", "boosted_trees")
QUICK = ["--trees", "12", "--num-round", "12", "--components", "20", "--sample", "64", "--max-depth", "3"]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"training_{name}", ROOT / "training" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[f"training_{name}"] = module  # where a dataclass looks for its own module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def fraud() -> ModuleType:
    return load("fraud")


@pytest.fixture(scope="module")
def channels(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("channels")
    for seed, (name, day) in enumerate({"train": "2026-01-01", "validation": "2026-01-20"}.items()):
        (folder / name).mkdir()
        split(day, seed=seed).to_csv(folder / name / f"{name}.csv", index=False)
    return [part for name in ("train", "validation") for part in (f"--{name}", str(folder / name))]


@pytest.fixture(scope="module")
def members(fraud: ModuleType, channels: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("members")
    for name in MEMBERS:
        fraud.main(fraud.parse(["--member", name, *channels, "--model-dir", str(folder / name), *QUICK]))
    left_out = ["--member", "network", "--members", ",".join(MEMBERS), "--model-dir", str(folder / "network")]
    fraud.main(fraud.parse(left_out))
    return folder


@pytest.fixture(scope="module")
def model(members: Path, channels: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    given = ["--members-dir", str(members), *channels[2:], "--model-dir", str(folder)]
    fraud_ensemble.main(fraud_ensemble.parse(given))
    return folder


@pytest.fixture(scope="module")
def facts(model: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((model / "metadata.json").read_text())
    return found


def test_the_members_are_better_than_guessing_and_say_what_was_tried(members: Path) -> None:
    for name in MEMBERS:
        known = json.loads((members / name / "member.json").read_text())
        least = 0.1 if name in ("isolation_forest", "one_class_svm") else 0.5
        assert known["validation"]["average_precision"] > least, name
        ways = [each["way"] for each in known["imbalance"]]
        assert ways == {
            "random_forest": ["none", "weights", "undersampling"],
            "boosted_trees": list(fraud_imbalance.WAYS),
        }.get(name, [])
        best = max((each["average_precision"] for each in known["imbalance"]), default=None)
        assert best in (None, known["validation"]["average_precision"])


def test_a_saved_member_says_the_same(members: Path, channels: list[str], fraud: ModuleType) -> None:
    validation = fraud.read(Path(channels[3]))
    for name in MEMBERS:
        member, known = fraud_scores.load(members / name)
        found = average_precision_score(validation.answers, member.scores(validation.matrix))
        assert found == pytest.approx(known["validation"]["average_precision"], abs=1e-6), name


def test_a_member_that_is_not_asked_for_leaves_itself_out(members: Path, facts: dict[str, Any]) -> None:
    assert not (members / "network" / "member.json").exists()
    assert facts["left_out"] == [f"network: it is not among the members {','.join(MEMBERS)}"]


def test_detectors_answer_as_scikit_learn_does() -> None:
    matrix = split("2026-01-01", 2).iloc[:, :19].to_numpy(dtype=float)
    forest = IsolationForest(n_estimators=9, max_samples=64, max_features=0.5, random_state=3).fit(matrix)
    ours = fraud_detectors.isolation_forest(matrix, 9, 64, 0.5, 3)
    assert ours.scores(matrix) == pytest.approx(-forest.score_samples(matrix.astype("float32")), abs=1e-9)
    svm = fraud_detectors.one_class_svm(matrix, 1.0, 0.05, 30, 3)
    scaled = fraud_scores.scale(matrix, svm.center, svm.spread)
    kernel = Nystroem(gamma=1 / 19, n_components=30, random_state=3).fit(scaled)
    theirs = SGDOneClassSVM(nu=0.05, random_state=3).fit(kernel.transform(scaled))
    decision = theirs.decision_function(kernel.transform(scaled)) + theirs.offset_
    assert svm.scores(matrix) == pytest.approx(-decision, abs=1e-6)


def test_rules_are_readable_and_the_first_one_met_counts() -> None:
    amount, risk = np.arange(1000.0), np.tile([0.0, 0.0, 0.0, 1.0], 250)
    answers = ((amount >= 899) | ((risk == 1) & (np.arange(1000) % 8 == 3))).astype(int)
    table, rules = fraud_rules.fit(np.column_stack([amount, risk]), answers, 0.05, 3)
    told = fraud_rules.told(rules, ["amount", "risk"])
    assert told[0] == {"rule": "amount ≥ 899", "transactions": 101, "frauds": 101}
    assert told[1]["rule"] == "risk ≥ 1"
    large, risky, usual = table.scores(np.array([[950.0, 1.0], [10.0, 1.0], [10.0, 0.0]]))
    assert large > risky > usual


def test_the_focal_loss_has_its_gradient() -> None:
    margins, answers = np.array([-3.0, -0.5, 0.2, 2.0] * 2), np.array([1] * 4 + [0] * 4)

    def loss(at: np.ndarray) -> np.ndarray:
        right = 1 / (1 + np.exp(-np.where(answers == 1, at, -at)))
        return -((1 - right) ** fraud_imbalance.FOCUS) * np.log(right)

    slope = (loss(margins + 1e-6) - loss(margins - 1e-6)) / 2e-6
    gradient, curvature = fraud_imbalance.focal(margins, answers)
    assert gradient / gradient[0] == pytest.approx(slope / slope[0], rel=1e-4)
    assert (curvature > 0).all()


def test_undersampling_keeps_all_frauds() -> None:
    answers = np.zeros(5000, dtype=int)
    answers[::100] = 1
    kept = fraud_imbalance.chosen(answers, "undersampling", 0)
    assert answers[kept].sum() == 50
    assert len(kept) == 550


def test_the_stack_weighs_what_helps_and_nothing_below_zero() -> None:
    random = np.random.default_rng(0)
    answers = (random.random(6000) < 0.05).astype(int)
    good, other = answers * 1.5 + random.normal(size=6000), answers * 1.5 + random.normal(size=6000)
    scores = np.column_stack([good, other, random.normal(size=6000), -good])
    parts = fraud_stack.in_time(np.arange(6000) // 600)
    chosen = fraud_stack.choose(scores, answers, parts)
    assert chosen.way == fraud_stack.STACK
    assert (chosen.stack.weights >= 0).all()
    assert chosen.stack.weights[:2].min() > 5 * chosen.stack.weights[2:].max()
    worth = {each["way"]: each["average_precision"] for each in chosen.ways}
    assert worth["stack"] > worth["best member"]
    probability = fraud_scores.calibrated(chosen.stack.log_odds(scores), chosen.calibration)
    assert probability.mean() == pytest.approx(answers.mean(), rel=0.05)


def test_which_member_is_best_is_learnt_from_earlier_days_alone() -> None:
    """The second member is the best of all days, as it is so on the last ones; nobody knew on the days before."""
    random = np.random.default_rng(2)
    answers = (random.random(4000) < 0.1).astype(int)
    early = np.arange(4000) < 1000
    noise = random.normal(size=(4000, 2))
    scores = np.column_stack([answers * np.where(early, 3.0, 0.5), answers * np.where(early, 0.5, 3.0)]) + noise
    parts = [np.flatnonzero(early), np.flatnonzero(~early)]
    chosen = fraud_stack.choose(scores, answers, parts)
    worth = {each["way"]: each["average_precision"] for each in chosen.ways}
    later = average_precision_score(answers[~early], scores[~early, 0])
    assert worth["best member"] == pytest.approx(later)
    assert later < 0.5 < average_precision_score(answers[~early], scores[~early, 1])
    assert fraud_stack.best_member(scores, answers).weights.argmax() == 1


def test_parts_are_in_the_order_of_time() -> None:
    parts = fraud_stack.in_time(np.array(["b", "a", "c", "a", "d"]), 2)
    assert [part.tolist() for part in parts] == [[0, 1, 3], [2, 4]]


def test_the_threshold_costs_least() -> None:
    answers, probability = np.array([1, 0, 1, 0, 1]), np.array([0.9, 0.8, 0.7, 0.2, 0.1])
    amounts = np.array([100.0, 5.0, 50.0, 5.0, 8.0])
    assert fraud_stack.cheapest(answers, probability, amounts, 10.0) == 0.7
    assert fraud_stack.cheapest(answers, probability, amounts, 1.0) == 0.1
    assert fraud_stack.cheapest(answers, probability, amounts, 1000.0) > 0.9


def test_the_ensemble_says_how_it_was_made(facts: dict[str, Any]) -> None:
    assert [each["name"] for each in facts["members"]] == sorted(MEMBERS)
    assert {each["way"] for each in facts["ways"]} == {"best member", "all alike", "stack"}
    assert facts["chosen"] in {each["way"] for each in facts["ways"]}
    assert 0 < facts["threshold"] < 1
    assert set(facts["features"]) == set(RECORD)
    assert "scenario" in facts["optional"]


def test_members_of_other_features_are_refused(members: Path, channels: list[str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no member"):
        fraud_ensemble.collect(tmp_path, tmp_path / "into", [])
    with pytest.raises(ValueError, match="learnt from amount, hour"):
        fraud_ensemble.collect(members, tmp_path / "into", ["amount"])


def test_the_artifact_serves_where_the_training_code_is_not(model: Path, tmp_path: Path) -> None:
    program = (
        "import json, sys; sys.path.insert(0, sys.argv[1] + '/code'); import inference as i;"
        "m = i.model_fn(sys.argv[1]);"
        "said = [i.predict_fn(i.input_fn(body, kind), m) for body, kind in json.loads(sys.argv[2])];"
        "together = i.predict_batch_fn([i.input_fn(*each) for each in json.loads(sys.argv[2])], m);"
        "assert all((a['probability'] == b['probability']).all() and a['reasons'] == b['reasons']"
        " for a, b in zip(said, together) if isinstance(a, dict));"
        "print(json.dumps([i.output_fn(each, accept)[0] if isinstance(each, dict) else each.why"
        " for each in said for accept in ('application/json', 'text/csv', 'application/jsonlines')]))"
    )
    large = {**RECORD, "amount": 400.0, "amount_ratio": 8.0, "terminal_7d_risk": 0.6}
    as_csv = "\n".join(",".join(str(each[name]) for name in RECORD_ORDER) for each in (RECORD, large))
    asked = [
        [json.dumps({"transaction_id": 7, **large}), "application/json"],
        [f"{json.dumps(RECORD)}\n{json.dumps(large)}\n", "application/jsonlines"],
        [as_csv, "text/csv"],
        [json.dumps({"instances": [RECORD], "explain": True}), "application/json"],
        [json.dumps({**RECORD, "amount": "much"}), "application/json"],
        [json.dumps({**RECORD, "country": "FR"}), "application/json"],
        [json.dumps({name: value for name, value in RECORD.items() if name != "hour"}), "application/json"],
        [json.dumps({**RECORD, "night": None}), "application/json"],
        ["{", "application/jsonlines"],
    ]
    command = [sys.executable, "-I", "-c", program, str(model), json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    (alert,) = json.loads(said[0])["predictions"]
    assert alert["predicted_label"] == 1
    assert [each["contribution"] for each in alert["reasons"]] == sorted(
        (each["contribution"] for each in alert["reasons"]), reverse=True
    )
    assert {each["feature"] for each in alert["reasons"]} >= {"amount", "terminal_7d_risk"}
    assert said[1] == f"{alert['probability']!r},1\n"
    usual, again = map(json.loads, said[5].splitlines())
    assert again == alert
    assert usual["predicted_label"] == 0
    assert usual["reasons"] == []
    assert json.loads(said[6])["predictions"] == [usual, alert]
    (explained,) = json.loads(said[9])["predictions"]
    assert len(explained["reasons"]) == 3
    assert "Column amount holds 'much' where a number is needed." in said[12]
    assert "Unknown columns: country." in said[15]
    assert "Missing columns: hour." in said[18]
    assert "Blank values in night." in said[21]
    assert "not JSON" in said[24]


RECORD_ORDER = list(split("2026-01-01", 1, 20).columns[:19])


def test_contributions_and_the_rest_make_the_score(model: Path) -> None:
    """Of trees TreeSHAP adds up to the margin, but for a constant that is the same for all records."""
    member, _ = fraud_scores.load(model / "members" / "boosted_trees")
    matrix = split("2026-02-01", 1).iloc[:, :19].to_numpy(dtype=float)
    assert isinstance(member, fraud_scores.Trees)
    rest = member.scores(matrix) - member.contributions(matrix).sum(axis=1)
    assert rest == pytest.approx(np.full(len(rest), rest[0]), abs=1e-4)


def test_the_network_learns_by_each_way_and_serves_without_pytorch(
    fraud: ModuleType, channels: list[str], tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is in the extra `torch`")
    folder = tmp_path / "members" / "network"
    quick = ["--width", "16", "--epochs", "30", "--imbalance", "none,weights,focal"]
    fraud.main(fraud.parse(["--member", "network", *channels, "--model-dir", str(folder), *quick]))
    member, facts = fraud_scores.load(folder)
    assert [each["way"] for each in facts["imbalance"]] == ["none", "weights", "focal"]
    table = split("2026-01-20", seed=1)
    matrix, answers = table.iloc[:, :19].to_numpy(dtype=float), table["fraud"].to_numpy()
    assert facts["validation"]["average_precision"] > 3 * answers.mean()

    assert isinstance(member, fraud_scores.Network)
    values = torch.tensor(fraud_scores.scale(matrix, member.center, member.spread), dtype=torch.float32)
    for place, (weights, biases) in enumerate(member.layers):
        values = torch.nn.functional.linear(values, torch.tensor(weights), torch.tensor(biases))
        values = values if place == len(member.layers) - 1 else torch.relu(values)
    assert member.scores(matrix) == pytest.approx(values[:, 0].numpy(), abs=1e-4)

    given = ["--members-dir", str(folder.parent), *channels[2:], "--model-dir", str(tmp_path / "model")]
    fraud_ensemble.main(fraud_ensemble.parse(given))
    program = (
        "import json, sys; sys.modules['torch'] = None; sys.path.insert(0, sys.argv[1] + '/code');"
        "import inference as i; m = i.model_fn(sys.argv[1]);"
        "print(json.dumps(i.predict_fn(json.load(sys.stdin), m)['probability'].tolist()))"
    )
    command = [sys.executable, "-I", "-c", program, str(tmp_path / "model")]
    asked = json.dumps(table.iloc[:, :19].to_dict("list"))
    done = subprocess.run(command, input=asked, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    served = average_precision_score(answers, json.loads(done.stdout))
    assert served == pytest.approx(facts["validation"]["average_precision"], abs=1e-6)


def test_a_channel_that_cannot_be_learnt_from_is_refused(fraud: ModuleType, tmp_path: Path) -> None:
    table = split("2026-01-01", 1)
    table.assign(fraud=0).to_csv(tmp_path / "one.csv", index=False)
    with pytest.raises(ValueError, match="holds both 0 and 1"):
        fraud.read(tmp_path)
    table.assign(amount=[None, *table["amount"][1:]]).to_csv(tmp_path / "one.csv", index=False)
    with pytest.raises(ValueError, match="blanks in amount"):
        fraud.read(tmp_path)


def test_unknown_members_and_ways_name_the_known_ones(fraud: ModuleType) -> None:
    with pytest.raises(SystemExit):
        fraud.parse(["--member", "wish"])
    with pytest.raises(SystemExit, match="--members: wish unknown. Known: rules"):
        fraud.parse(["--members", "rules,wish"])
    with pytest.raises(SystemExit, match="--imbalance: luck unknown"):
        fraud.parse(["--imbalance", "luck"])
