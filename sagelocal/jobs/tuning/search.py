"""Which values to try next: a function of what has been tried, so that a killed search goes on as it would have."""

from __future__ import annotations

import itertools
import math
import random
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from sagelocal.jobs.tuning.ranges import Range
from sagelocal.jobs.tuning.trials import Tried

optuna.logging.set_verbosity(optuna.logging.WARNING)
Values = dict[str, str]
_TRIES = 50  # for values that were not tried yet, before they are looked for one by one


@dataclass(frozen=True)
class Search:
    """`seed` reproduces the choices for the same results; `budget` is the number of trials, as far as it is known."""

    strategy: str
    ranges: Sequence[Range]
    maximize: bool
    seed: int
    budget: int

    def suggest(self, number: int, own: Sequence[Tried], before: Sequence[Tried] = ()) -> Values | None:
        """The values of trial `number` (from 1), different from all `own` ones; None when all have been tried.

        `before` are the results of other tuning jobs that this one starts from.
        """
        tried = {_key(each.values) for each in own}
        for attempt in range(_TRIES if self.strategy != "Grid" else 0):
            found = self._ask(f"{self.seed}/{number}/{attempt}", [*before, *own])
            if _key(found) not in tried:
                return found
        return next((each for each in self._grid() if _key(each) not in tried), None)

    def _ask(self, seed: str, known: Sequence[Tried]) -> Values:
        study = optuna.create_study(
            sampler=self._sampler(random.Random(seed).getrandbits(32)),
            direction="maximize" if self.maximize else "minimize",
        )
        if self.strategy == "Bayesian":
            study.add_trials([trial for each in known for trial in self._trial(each)])
        found = study.ask(self._space()).params
        return {each.name: each.text(found[each.name]) for each in self.ranges}

    def _sampler(self, seed: int) -> BaseSampler:
        """AWS's Bayesian search is a Gaussian process; Optuna's would need PyTorch, so this is its tree-structured
        Parzen estimator. Hyperband picks what starts at random, as the developer guide says it does.
        """
        if self.strategy != "Bayesian":
            return RandomSampler(seed=seed)
        first = min(10, max(3, self.budget // 3))  # random ones, before there is something to learn from
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return TPESampler(seed=seed, n_startup_trials=first, multivariate=True, constant_liar=True)

    def _trial(self, tried: Tried) -> Iterator[FrozenTrial]:
        """Optuna's record of it; none for what failed or is outside of the ranges (a parent's)."""
        if tried.objective is None and not tried.running:
            return
        try:
            params = {each.name: each.number(tried.values[each.name]) for each in self.ranges}
        except (KeyError, ValueError):
            return
        state = TrialState.RUNNING if tried.running else TrialState.COMPLETE
        yield create_trial(state=state, params=params, distributions=self._space(), value=tried.objective)

    def _space(self) -> dict[str, BaseDistribution]:
        return {each.name: _distribution(each) for each in self.ranges}

    def _grid(self) -> Iterator[Values]:
        if math.inf in [each.size for each in self.ranges]:
            return
        for combination in itertools.product(*(each.values() for each in self.ranges)):
            yield dict(zip((each.name for each in self.ranges), combination, strict=True))


def _distribution(given: Range) -> BaseDistribution:
    if given.choices:
        return CategoricalDistribution(given.choices)
    if given.integer:
        return IntDistribution(int(given.low), int(given.high), log=given.logarithmic)
    return FloatDistribution(given.low, given.high, log=given.logarithmic)


def _key(values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(values.items()))
