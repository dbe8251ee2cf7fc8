"""Which running trials are not worth their time: the median rule and Hyperband."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import optuna
from optuna.pruners import HyperbandPruner

_EARLIER = 3  # results that a median needs; AWS says only that stopping "is not guaranteed"


def below_median(values: Sequence[float], earlier: Sequence[Sequence[float]], *, maximize: bool) -> bool:
    """Whether a trial's latest value is worse than the median of the earlier trials' running averages up to there.

    The rule as the developer guide has it (automatic-model-tuning-early-stopping), an epoch being one reported value.
    """
    reached = [each[: len(values)] for each in earlier if len(each) >= len(values)]
    if not values or len(reached) < _EARLIER:
        return False
    median = statistics.median(statistics.fmean(each) for each in reached)
    return values[-1] < median if maximize else values[-1] > median


class Hyperband:
    """Hyperband (Li et al., 2018) by Optuna's pruner; its unit of resource is one reported objective value.

    A trial's bracket follows from the tuning job's name and the trial's number, so it is the same after a restart.
    """

    def __init__(self, name: str, minimum: int, maximum: int, *, maximize: bool) -> None:
        pruner = HyperbandPruner(min_resource=minimum, max_resource=maximum, reduction_factor=3)
        self._maximum = maximum
        self._study = optuna.create_study(
            study_name=name, pruner=pruner, direction="maximize" if maximize else "minimize"
        )
        self._trials: list[optuna.Trial] = []
        self._told: dict[int, int] = {}  # values reported, by trial number

    def stops(self, number: int, values: Sequence[float]) -> bool:
        """Whether trial `number` (from 1), whose values so far are `values`, shall end here."""
        while len(self._trials) < number:
            self._trials.append(self._study.ask())
        trial, pruned = self._trials[number - 1], False
        for step in range(self._told.get(number, 0), min(len(values), self._maximum)):
            trial.report(values[step], step + 1)
            pruned = pruned or trial.should_prune()
        self._told[number] = max(self._told.get(number, 0), len(values))
        return pruned or len(values) >= self._maximum
