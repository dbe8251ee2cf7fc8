"""The search inside one family: Optuna suggests, successive halving decides who deserves more rows and folds.

A configuration first learns from a share of one fold's rows; of those that got there, one in three goes on to three
times as many, in the end to all folds (asynchronous successive halving, Li et al. 2020, "A System for Massively
Parallel Hyperparameter Tuning"). Only those that saw every fold are candidates, as only they can be blended.
"""

from __future__ import annotations

import signal
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import automl_families as families
import numpy as np
import optuna
import xgboost
from automl_blend import answers
from automl_candidates import REFIT, Candidate
from automl_task import HALVING, Task
from optuna.pruners import SuccessiveHalvingPruner
from optuna.samplers import TPESampler
from optuna.trial import Trial
from threadpoolctl import threadpool_limits

optuna.logging.set_verbosity(optuna.logging.WARNING)
RANDOM_FIRST = 8  # configurations before the sampler believes what it saw
KEPT = 3  # candidates of a family
PATIENCE = 60  # finished configurations without a better one: the family has nothing more to give
OUT_OF_TIME = "out of time"


@dataclass
class Search:
    """One family's search; `deadline` is of `time.monotonic`.

    With `needed` the first configuration that can be learnt is finished whatever it takes; otherwise a search may end
    without a candidate.
    """

    task: Task
    family: str
    deadline: float
    seed: int = 0
    threads: int = 1
    most: int = 500  # configurations
    needed: bool = True
    candidates: list[Candidate] = field(default_factory=list)
    tried: list[dict[str, Any]] = field(default_factory=list)  # for people: what, how far it got, its last score
    _since_best: int = 0

    def run(self, starts: Sequence[Mapping[str, Any]]) -> None:
        """`starts` are configurations to begin with. Raises RuntimeError when all of them failed."""
        with warnings.catch_warnings(), threadpool_limits(self.threads):
            warnings.simplefilter("ignore")  # of models that did not converge, and of Optuna's experimental options
            sampler = TPESampler(seed=self.seed, n_startup_trials=RANDOM_FIRST, multivariate=True, group=True)
            pruner = SuccessiveHalvingPruner(min_resource=1, reduction_factor=HALVING)
            study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
            for each in starts:
                study.enqueue_trial(dict(each), skip_if_exists=True)
            study.optimize(self._try, n_trials=self.most, callbacks=[self._stop], catch=(ValueError, MemoryError))
        whys = {each["state"] for each in self.tried}
        if not self.candidates and OUT_OF_TIME not in whys:
            raise RuntimeError(f"No {self.family} could be learnt from this table: {'; '.join(sorted(whys))}.")

    def _try(self, trial: Trial) -> float:
        config = families.suggest(trial, self.family, self.task)
        record = {"family": self.family, "config": config, "rung": 0, "score": None, "state": "failed"}
        self.tried.append(record)
        try:
            return self._climb(trial, config, record)
        except optuna.TrialPruned:
            raise
        except TimeoutError:
            record["state"] = OUT_OF_TIME
            raise optuna.TrialPruned from None
        except Exception as error:
            record["state"] = f"{type(error).__name__}: {error}"[:200]
            raise

    def _climb(self, trial: Trial, config: dict[str, Any], record: dict[str, Any]) -> float:
        task, known, seconds = self.task, dict[int, np.ndarray](), 0.0
        rungs = task.rungs
        score = 0.0
        for number, (share, count) in enumerate(rungs):
            new = [fold for fold in range(count) if fold not in known]
            if number and self._too_late(seconds * len(new) * (share / rungs[number - 1][0])):
                record["state"] = OUT_OF_TIME
                raise optuna.TrialPruned
            began = time.monotonic()
            for fold in new:
                found = self._judge(config, fold, share)
                if share == 1.0:
                    known[fold] = found
            seconds = (time.monotonic() - began) / max(1, len(new)) if new else seconds
            whole = merged(known, task) if known else spread(found, task.folds[0][1], task)
            rows = np.sort(np.concatenate([task.folds[each][1] for each in range(count)]))
            score = task.score(whole, rows)
            record |= {"rung": number + 1, "score": task.shown(score), "seconds": seconds}
            trial.report(score, HALVING**number)
            if number + 1 < len(rungs) and trial.should_prune():
                record["state"] = "halved"
                raise optuna.TrialPruned
        record["state"] = "complete"
        self._keep(Candidate(self.family, config, score, seconds, whole))
        return score

    def _too_late(self, seconds: float) -> bool:
        """Whether so much more would end after the deadline, with the refit of the best still to come."""
        return seconds > self._left()

    def _left(self) -> float:
        """Seconds; without end for the first candidate of a family that is needed."""
        if not self.candidates:
            return np.inf if self.needed else self.deadline - time.monotonic()
        return self.deadline - time.monotonic() - REFIT * self.candidates[0].seconds

    def _judge(self, config: Mapping[str, Any], fold: int, share: float) -> np.ndarray:
        """Answers for the fold's judged rows."""
        learn, judge = self.task.folds[fold]
        if share < 1.0:
            learn = np.random.default_rng(self.task.seed).permutation(learn)[: int(len(learn) * share)]
        model = families.build(self.family, config, self.task, self.threads)
        table = self.task.table
        with limited(self._left(), model):
            model.fit(table.iloc[learn], self.task.answers[learn])
        found = answers(model, table.iloc[judge], self.task.kinds)
        if not np.isfinite(found).all():
            raise ValueError("its answers are not finite")
        return found

    def _keep(self, found: Candidate) -> None:
        best = max((each.score for each in self.candidates), default=-np.inf)
        self._since_best = 0 if found.score > best else self._since_best + 1
        self.candidates = sorted([*self.candidates, found], key=lambda each: -each.score)[:KEPT]

    def _stop(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        del trial
        late = time.monotonic() > self.deadline
        if self._too_late(0.0) or self._since_best >= PATIENCE or (late and len(self.tried) >= 10):
            study.stop()


class Deadline(xgboost.callback.TrainingCallback):
    """Of an XGBoost fit, which must not be left in the middle of an iteration; of `time.monotonic`."""

    def __init__(self, deadline: float) -> None:
        super().__init__()
        self._deadline = deadline

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Raises TimeoutError when it is too late for another."""
        del model, epoch, evals_log
        if time.monotonic() > self._deadline:
            raise TimeoutError
        return False


@contextmanager
def limited(seconds: float, model: Any) -> Iterator[None]:
    """Raises TimeoutError in the model's fit when that takes longer, between two iterations; only in the main thread.

    The model is for one fit: it keeps the deadline.
    """
    if not np.isfinite(seconds) or threading.current_thread() is not threading.main_thread():
        yield
        return
    callbacks = [name for name in model.get_params() if name.endswith("callbacks")]
    model.set_params(**{name: [Deadline(time.monotonic() + seconds)] for name in callbacks})

    def stop(number: int, frame: FrameType | None) -> None:
        # XGBoost's library calls Python back for its data: an exception there leaves its memory in disorder.
        if not inside(frame, "xgboost"):
            raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    # Again and again, as one may be lost in a callback of compiled code.
    signal.setitimer(signal.ITIMER_REAL, max(0.01, seconds), 0.5)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def inside(frame: FrameType | None, package: str) -> bool:
    """Whether a package's function runs, or has called what runs."""
    while frame:
        if frame.f_globals.get("__name__", "").partition(".")[0] == package:
            return True
        frame = frame.f_back
    return False


def spread(found: np.ndarray, rows: np.ndarray, task: Task) -> np.ndarray:
    """Answers for some rows as answers for all, NaN elsewhere."""
    whole = np.full((len(task.answers), *found.shape[1:]), np.nan)
    whole[rows] = found
    return whole


def merged(known: Mapping[int, np.ndarray], task: Task) -> np.ndarray:
    whole = np.full((len(task.answers), *next(iter(known.values())).shape[1:]), np.nan)
    for fold, found in known.items():
        whole[task.folds[fold][1]] = found
    return whole
