"""One model of fraud's members: weights and threshold learnt on validation, and the artifact that serves.

    python training/fraud_ensemble.py --members-dir DIR --validation DIR --model-dir DIR

The folder of members has one for each, with the `model.tar.gz` of its tuning job's best trial, or what is in it. The
members are served as they are: they have learnt from the train channel alone, so validation's transactions, later ones,
are new to them, and what is learnt from these here is a weight for each (`fraud_stack.py`).

Prints the average precision of the ensemble on validation's later days, as XGBoost's image reads it.
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fraud_scores
import fraud_stack
import numpy as np
from fraud import KEYS, LABEL, features_of
from sklearn.metrics import average_precision_score
from training_job import parse as parse_args
from training_job import put_code, read_channel, run

# What kinds of fraud there are, for the evaluation's page; no model sees them.
SCENARIOS = {"1": "large amounts", "2": "compromised terminals", "3": "stolen credentials", "4": "card testing"}
AMOUNT, TIME = "amount", "transaction_time"


@dataclass
class Args:
    members_dir: str = str(Path(os.environ.get("SM_INPUT_DIR", "/opt/ml/input")) / "data")
    """folder with a folder for each member"""
    validation: str = os.environ.get("SM_CHANNEL_VALIDATION", "/opt/ml/input/data/validation")
    """folder with CSV files: features, label and keys of transactions later than those that members learnt from"""
    model_dir: str = os.environ.get("SM_MODEL_DIR", "/opt/ml/model")
    """where the artifact goes"""
    alert_cost: float = 10.0
    """euros that an analyst's look at one alert costs; a fraud that nobody looked at costs its amount"""


def main(args: Args) -> None:
    table = read_channel(Path(args.validation), LABEL)
    rows, answers = features_of(table), table[LABEL].to_numpy(dtype=int)
    model_dir = Path(args.model_dir)
    members, left_out = collect(Path(args.members_dir), model_dir / "members", list(rows.columns))
    matrix = rows.to_numpy(dtype=float)
    scores = np.column_stack([member.scores(matrix) for member, _ in members])
    names = [facts["member"] for _, facts in members]
    chosen = fraud_stack.choose(scores, answers, fraud_stack.in_time(table[TIME].str[:10].to_numpy()))
    stack = chosen.stack
    probability = fraud_scores.calibrated(stack.log_odds(scores), chosen.calibration)
    facts = {
        "label": LABEL,
        "scenarios": SCENARIOS,
        "features": dict.fromkeys(rows.columns, "number"),
        "optional": list(KEYS),
        "base": stack.base,
        "members": [
            {
                **known,
                "name": name,
                "weight": float(weight),
                "average_precision": float(average_precision_score(answers, column)),
            }
            for name, weight, column, (_, known) in zip(names, stack.weights, scores.T, members, strict=True)
        ],
        "left_out": left_out,
        "chosen": chosen.way,
        "ways": chosen.ways,
        "calibration": chosen.calibration,
        "calibrations": chosen.calibrations,
        "threshold": fraud_stack.cheapest(answers, probability, rows[AMOUNT].to_numpy(), args.alert_cost),
        "costs": {"alert": args.alert_cost, "miss": AMOUNT},
        "validation": {"records": len(answers), "frauds": int(answers.sum())},
    }
    (model_dir / "metadata.json").write_text(json.dumps(facts, indent=2) + "\n")
    put_code(model_dir / "code", "fraud_inference.py")
    tell(facts)


def collect(folder: Path, into: Path, features: list[str]) -> tuple[list[tuple[Any, dict[str, Any]]], list[str]]:
    """Members with their facts, copied to `into`, and why others were left out.

    Raises ValueError without any, and for one that learnt from other features.
    """
    found, left_out = list[tuple[Any, dict[str, Any]]](), list[str]()
    with tempfile.TemporaryDirectory() as workspace:
        places = {path.parent for name in ("member.json", "left_out.txt") for path in folder.rglob(name)}
        for number, archive in enumerate(sorted(folder.rglob("model.tar.gz"))):
            place = Path(workspace) / str(number)
            with tarfile.open(archive) as bundle:
                bundle.extraction_filter = getattr(tarfile, "data_filter", None)  # Python before 3.11.4 has none
                bundle.extractall(place)
            places.add(place)
        for place in sorted(places):
            if (place / "left_out.txt").exists():
                left_out.append((place / "left_out.txt").read_text().strip())
                continue
            member, facts = fraud_scores.load(place)
            if facts["features"] != features:
                raise ValueError(
                    f"{facts['member']} learnt from {', '.join(facts['features'])}, and validation has "
                    f"{', '.join(features)}. Train it on the same splits."
                )
            shutil.copytree(place, into / facts["member"], dirs_exist_ok=True)
            found.append((member, facts))
    if not found:
        raise ValueError(f"{folder} holds no member. Give it the artifacts of fraud.py, a folder for each.")
    return found, left_out


def tell(facts: dict[str, Any]) -> None:
    for each in facts["ways"]:
        print(f"{each['way']}: average precision {each['average_precision']:.4f} on later days of validation")
    for each in facts["members"]:
        print(f"{each['name']} weighs {each['weight']:.4g}, average precision {each['average_precision']:.4f}")
    print(f"{facts['chosen']} serves, threshold {facts['threshold']:.4f}")
    score = next(each["average_precision"] for each in facts["ways"] if each["way"] == facts["chosen"])
    print(f"[0]\tvalidation-aucpr:{score:.6f}", flush=True)


def parse(argv: list[str] | None = None) -> Args:
    return parse_args(Args, __doc__, argv)


if __name__ == "__main__":
    run(lambda: main(parse()))
