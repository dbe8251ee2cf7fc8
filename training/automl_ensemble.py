"""AutoML's last training job: of all families' candidates, the best one alone, blended or stacked, as one model.

    python training/automl_ensemble.py --train DIR --trials DIR --model-dir DIR --target COLUMN --problem binary

`trials` holds the artifacts of `automl.py`'s jobs. All of their candidates answered for the same rows without having
learnt from them, so what is put on top is learnt from those answers: weights by greedy selection with replacement
(Caruana et al. 2004, "Ensemble Selection from Libraries of Models"), or a linear model over log-odds (stacking). Which
of the three serves is decided by cross-validation over these answers: each way is learnt on some folds' answers and
judged on another's. The members are then fitted to all rows.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import automl_task
import numpy as np
import psutil
from automl_blend import STACKING_FOLDS, Blend, combine, stacker_inputs
from automl_candidates import REFIT, Candidate, kept, read, refit, save
from automl_task import Task
from model_comparison import compare
from sklearn.linear_model import LogisticRegression, RidgeCV
from training_job import parse as parse_args
from training_job import run

GREEDY_ROUNDS = 30
GREEDY_PATIENCE = 8  # rounds without a better blend
MOST_MEMBERS = 8
MOST_COPIES = 5  # of a member, with other seeds
SELECTION_ROWS = 20_000  # that the greedy selection looks at
CURVE_FOLDS, CURVE_SIZES = 3, (0.25, 0.5, 1.0)
CURVE_SECONDS = 120  # all refits for curves together, as the candidates' fits tell
# scikit-learn's names of the metrics.
SCORERS = {
    "auc": "roc_auc",
    "aucpr": "average_precision",
    "logloss": "neg_log_loss",
    "mlogloss": "neg_log_loss",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced_accuracy",
    "f1": "f1",
    "f1_macro": "f1_macro",
    "rmse": "neg_root_mean_squared_error",
    "mse": "neg_mean_squared_error",
    "mae": "neg_mean_absolute_error",
    "r2": "r2",
}


@dataclass
class Args:
    train: str = os.environ.get("SM_CHANNEL_TRAIN", "/opt/ml/input/data/train")
    """folder with CSV files: raw columns and the target, the same that the trials had"""
    trials: str = os.environ.get("SM_CHANNEL_TRIALS", "/opt/ml/input/data/trials")
    """folder with the model.tar.gz of each trial, or with unpacked artifacts"""
    model_dir: str = os.environ.get("SM_MODEL_DIR", "/opt/ml/model")
    """where the artifact goes"""
    target: str = "target"
    """the column to predict"""
    problem: str = "auto"
    """binary, multiclass, regression or auto, as in the trials"""
    metric: str = ""
    """what is made best, as in the trials"""
    seconds: float = 60.0
    """from Python's start on; members whose refits would take longer are left out"""
    threads: int = os.cpu_count() or 1
    """threads of a fit"""
    seed: int = 0
    """of folds, as in the trials"""


@dataclass(frozen=True)
class Way:
    """How candidates become one model: weights of each, or a stacker over those whose weight is not 0."""

    name: str
    score: float  # cross-validated over the candidates' answers; better if higher
    weights: np.ndarray
    stacker: Any = None


def main(args: Args) -> None:
    began = time.monotonic() - (time.time() - psutil.Process().create_time())
    task, rows = read(args)
    candidates, tried = collect(Path(args.trials), task)
    ways = judge(candidates, task)
    for each in ways:
        print(f"{each.name} {task.metric}={task.shown(each.score):.6f}")
    best = affordable(ways, candidates, args.seconds - (time.monotonic() - began), task)
    chosen = [number for number in range(len(candidates)) if best.weights[number] > 0]
    copies = affordable_copies([candidates[each] for each in chosen], args.seconds - (time.monotonic() - began))
    members = []
    for number in chosen:
        members.append(refit(candidates[number], task, args.threads, copies))
        print(f"member {candidates[number].family} weighs {best.weights[number] / best.weights.sum():.2f}", flush=True)
    model = Blend(task.tidy, members, list(best.weights[chosen]), task.classes, best.stacker, len(chosen))
    save(
        Path(args.model_dir),
        model,
        rows,
        task,
        args,
        leaderboard=leaderboard(candidates, ways, best, task),
        comparison=comparison(candidates, best, task),
        curves=curves([candidates[number] for number in chosen], best, task, min(CURVE_SECONDS, args.seconds) / copies),
        tried=tried,
    )
    print(
        f"{best.name} of {len(chosen)}, {copies} times each where a seed matters, in {time.monotonic() - began:.0f} s"
    )
    print(f"[0]\tvalidation-{task.metric}:{task.shown(best.score):.6f}", flush=True)


def collect(folder: Path, task: Task) -> tuple[list[Candidate], list[dict[str, Any]]]:
    """All candidates, best first, and all that was tried. Raises ValueError without any, or for other rows."""
    candidates, tried = list[Candidate](), list[dict[str, Any]]()
    with tempfile.TemporaryDirectory() as workspace:
        places = [path.parent for path in sorted(folder.rglob("candidates.json"))]
        for number, archive in enumerate(sorted(folder.rglob("model.tar.gz"))):
            place = Path(workspace) / str(number)
            with tarfile.open(archive) as bundle:
                bundle.extraction_filter = getattr(tarfile, "data_filter", None)  # Python before 3.11.4 has none
                bundle.extractall(place)
            places.append(place)
        for place in places:
            found, looked = kept(place)
            candidates, tried = candidates + found, tried + looked
    if not candidates:
        raise ValueError(
            f"Channel {folder} holds no trial's artifact. Give it those of the tuning job's training jobs."
        )
    if any(len(each.predictions) != len(task.answers) for each in candidates):
        raise ValueError(f"The trials in {folder} had another table than {len(task.answers)} rows: give both the same.")
    candidates.sort(key=lambda each: -each.score)
    return candidates, tried


def judge(candidates: list[Candidate], task: Task) -> list[Way]:
    """The best candidate alone, a blend and a stack, the best of them first; of equals the simplest."""
    answers = np.stack([each.predictions for each in candidates])
    parts = portions(task)
    # Being the best of many is luck, too: a choice is judged as blends are, by rows that had no say in it.
    chosen = crossed(lambda rows: single(answers, task, rows), answers, task, parts)
    ways = [Way("best candidate", chosen, np.eye(len(candidates))[0])]
    blended = crossed(lambda rows: greedy(answers, task, rows), answers, task, parts)
    ways.append(Way("blend", blended, greedy(answers, task, task.judged)))
    used = ways[-1].weights > 0
    if used.sum() > 1:
        stacked = crossed_stack(answers[used], task, parts)
        fitted = stacker(task).fit(stacker_inputs(answers[used][:, task.judged]), task.answers[task.judged])
        ways.append(Way("stack", stacked, used.astype(float), fitted))
    return sorted(ways, key=lambda each: -each.score)


def portions(task: Task) -> list[np.ndarray]:
    """Judged rows by fold; of a single hold-out, five portions of it."""
    if len(task.folds) > 1:
        return [judged for _, judged in task.folds]
    return [np.sort(each) for each in np.array_split(np.random.default_rng(task.seed).permutation(task.judged), 5)]


def crossed(
    weigh: Callable[[np.ndarray], np.ndarray], answers: np.ndarray, task: Task, parts: list[np.ndarray]
) -> float:
    """The score of weights that were learnt on all parts but the judged one."""
    whole = np.full(answers.shape[1:], np.nan)
    for number, rows in enumerate(parts):
        others = np.concatenate([each for place, each in enumerate(parts) if place != number])
        whole[rows] = combine(answers[:, rows], weigh(others))
    return task.score(whole, task.judged)


def single(answers: np.ndarray, task: Task, rows: np.ndarray) -> np.ndarray:
    """1 for the candidate that is best in these rows."""
    return np.eye(len(answers))[np.argmax([task.score(each, rows) for each in answers])]


def greedy(answers: np.ndarray, task: Task, rows: np.ndarray) -> np.ndarray:
    """How often each candidate is taken: always that which makes the mean of those taken best."""
    if len(rows) > SELECTION_ROWS:
        rows = np.random.default_rng(task.seed).choice(rows, SELECTION_ROWS, replace=False)
    counts, total = np.zeros(len(answers)), np.zeros(answers.shape[1:])
    best, best_counts, better = -np.inf, counts, 0
    for taken in range(1, GREEDY_ROUNDS + 1):
        allowed = [number for number in range(len(answers)) if counts[number] or (counts > 0).sum() < MOST_MEMBERS]
        scores = {number: task.score((total + answers[number]) / taken, rows) for number in allowed}
        choice = max(scores, key=lambda each: scores[each])
        counts = counts + np.eye(len(answers))[choice]
        total = total + answers[choice]
        if scores[choice] > best:
            best, best_counts, better = scores[choice], counts, taken
        elif taken - better >= GREEDY_PATIENCE:
            break
    return best_counts


def stacker(task: Task) -> Any:
    if task.classes is None:
        return RidgeCV(alphas=np.logspace(-3, 3, 7))
    return LogisticRegression(C=0.1, max_iter=500)


def crossed_stack(answers: np.ndarray, task: Task, parts: list[np.ndarray]) -> float:
    whole = np.full(answers.shape[1:], np.nan)
    for number, rows in enumerate(parts):
        others = np.concatenate([each for place, each in enumerate(parts) if place != number])
        fitted = stacker(task).fit(stacker_inputs(answers[:, others]), task.answers[others])
        whole[rows] = combine(answers[:, rows], [], fitted)
    return task.score(whole, task.judged)


def affordable(ways: list[Way], candidates: list[Candidate], seconds: float, task: Task) -> Way:
    """The best way whose members can be refitted in the time; if there is none, a blend of some of the blend's."""
    needed = REFIT * np.array([each.seconds for each in candidates])
    for way in ways:
        if needed[way.weights > 0].sum() <= seconds:
            return way
    blend = next(each for each in ways if each.name == "blend")
    weights = blend.weights.copy()
    while (weights > 0).sum() > 1 and needed[weights > 0].sum() > seconds:
        weights[np.argmin(np.where(weights > 0, weights, np.inf))] = 0
    kept = np.flatnonzero(weights)
    if len(kept) == 1:
        return Way("best candidate", candidates[kept[0]].score, weights)
    answers = np.stack([candidates[number].predictions for number in kept])
    weights[kept] = greedy(answers, task, task.judged)
    score = crossed(lambda rows: greedy(answers, task, rows), answers, task, portions(task))
    return Way(blend.name, score, weights)


def affordable_copies(members: list[Candidate], seconds: float) -> int:
    """How often each member can be fitted, so that their mean depends less on a seed."""
    once = REFIT * sum(each.seconds for each in members)
    return int(np.clip(seconds / max(once, 1e-3), 1, MOST_COPIES))


def leaderboard(candidates: list[Candidate], ways: list[Way], best: Way, task: Task) -> list[dict[str, Any]]:
    """Ways and candidates, best first: `{"name", "family", "score", "weight", "seconds", "config", "chosen"}`."""
    rows: list[dict[str, Any]] = [
        {"name": each.name, "score": task.shown(each.score), "chosen": each is best}
        for each in [best if way.name == best.name else way for way in ways]
        if each.name != "best candidate" or each.name == best.name
    ]
    whole = best.weights.sum()
    rows += [
        {
            "name": each.family,
            "family": each.family,
            "score": task.shown(each.score),
            "weight": round(float(weight / whole), 4),
            "seconds": round(each.seconds, 3),
            "config": each.config,
        }
        for each, weight in zip(candidates, best.weights, strict=True)
    ]
    sign = -1 if task.metric in automl_task.LOSSES else 1
    return sorted(rows, key=lambda each: -sign * each["score"])


def comparison(candidates: list[Candidate], best: Way, task: Task) -> dict[str, Any] | None:
    """Of the best candidate of each family, fold by fold; None of a single hold-out."""
    if len(task.folds) < 2:
        return None
    first = {each.family: each for each in reversed(candidates)}
    scores = {
        name.replace("_", " "): np.array([task.score(each.predictions, judged) for _, judged in task.folds])
        for name, each in first.items()
    }
    if len(scores) < 2:
        return None
    learn, judged = task.folds[0]
    metric = f"neg_{task.metric}" if task.metric in automl_task.LOSSES else task.metric
    return compare(scores, metric, len(learn), len(judged))


def curves(members: list[Candidate], best: Way, task: Task, seconds: float) -> dict[str, Any] | None:
    """What the evaluation draws by refits: over records, and over the number of members; None where that takes long."""
    counts = sorted({1, (len(members) + 1) // 2, len(members)})
    if best.stacker is not None:
        counts = counts[-1:]  # they are no choice: its linear model has a weight for each
    fit = sum(each.seconds for each in members) * (1 if best.stacker is None else 1 + STACKING_FOLDS)
    for folds, over in ((CURVE_FOLDS, counts), (CURVE_FOLDS, counts[-1:]), (2, counts[-1:])):
        refits = folds * (sum(CURVE_SIZES) + (sum(over) / len(members) if len(over) > 1 else 0))
        if fit * refits <= seconds:
            plan = {"scoring": SCORERS[task.metric], "folds": folds, "sizes": list(CURVE_SIZES)}
            return (
                plan if len(over) == 1 else {**plan, "parameter": "most", "called": "number of members", "values": over}
            )
    return None


def parse(argv: list[str] | None = None) -> Args:
    return parse_args(Args, __doc__, argv, problem=(*automl_task.METRICS, "auto"))


if __name__ == "__main__":
    run(lambda: main(parse()))
