"""How good rankings are, one a query or user: NDCG, MAP, precision and MRR of the first k.

Gains are linear, as in scikit-learn, and equal scores keep their order. Queries without a relevant record say nothing
about a ranking and are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from model_quality_metrics import FEWEST, Array, Metric, sampled


@dataclass
class Ranked:
    """Records of queries; 24 bytes each, and as much again while they are sorted."""

    query: Array  # a number a query, in any order
    relevance: Array  # at least 0; MAP, precision and MRR count what is above 0 as relevant
    score: Array

    def __len__(self) -> int:
        return len(self.query)


def ranked(data: Ranked, first: int) -> dict[str, Metric]:
    """By name, `ndcg_at_10` where `first` is 10; nothing where no query has a relevant record.

    A sample, of standard deviations, is one of queries.
    """
    found = by_query(data, first)
    queries = len(next(iter(found.values())))
    if not queries:
        return {}
    deviations = {}
    if queries >= FEWEST:
        deviations = sampled(lambda at: {name: float(value[at].mean()) for name, value in found.items()}, queries)
    error = math.sqrt(queries)
    return {
        name: Metric(float(value.mean()), deviations.get(name, math.nan), float(value.std() / error))
        for name, value in found.items()
    }


def by_query(data: Ranked, first: int) -> dict[str, Array]:
    """A value a query that has a relevant record."""
    order = np.lexsort((np.arange(len(data)), -data.score, data.query))
    query, relevance = data.query[order], data.relevance[order].astype(float)
    starts = np.flatnonzero(np.concatenate([[True], query[1:] != query[:-1]])) if len(query) else np.empty(0, int)
    if not len(starts):
        return dict.fromkeys((f"ndcg_at_{first}", f"map_at_{first}", f"precision_at_{first}", "mrr"), np.empty(0))
    sizes = np.diff(np.append(starts, len(query)))
    place = np.arange(len(query)) - np.repeat(starts, sizes)  # from 0
    top, hit = place < first, relevance > 0
    discount = top / np.log2(place + 2)
    ideal = relevance[np.lexsort((-relevance, query))]

    def total(values: Array) -> Array:
        return np.add.reduceat(values, starts)

    hits = np.cumsum(hit) - np.repeat(np.cumsum(hit)[starts] - hit[starts], sizes)
    relevant = total(hit.astype(float))
    precise = total(hit * top * hits / (place + 1))
    best = np.minimum.reduceat(np.where(hit, place + 1.0, np.inf), starts)
    known = relevant > 0
    return {
        f"ndcg_at_{first}": (total(relevance * discount)[known] / total(ideal * discount)[known]),
        f"map_at_{first}": precise[known] / np.minimum(relevant, first)[known],
        f"precision_at_{first}": total((hit & top).astype(float))[known] / first,
        "mrr": 1 / best[known],
    }
