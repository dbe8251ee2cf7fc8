"""Why a training job of a built-in algorithm fails: the user's fault or the algorithm's."""

from __future__ import annotations


class UserError(Exception):
    """What the user can change: a hyperparameter, a channel, a record."""


class AlgorithmError(Exception):
    """Anything else."""
