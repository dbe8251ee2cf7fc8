"""Where a graph's nodes go: layer below layer, few crossings, straight where there is room. Pure.

Sugiyama, Tagawa and Toda's method: edges over several layers get a point in each of them; each layer is put in the
order of its neighbours' places, by turns from above and from below; at last everything moves towards its neighbours.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

WIDTH, HEIGHT = 156.0, 50.0  # of a node, in pixels
GAP, DROP = 10.0, 40.0  # between neighbours, between layers
_BEND = 4.0  # what an edge that passes a layer takes of it
_SWEEPS, _MOVES = 12, 40
_ALONE = 8.0  # the pull of a neighbour whose only neighbour it is: chains become straight

Edge = tuple[str, str]
Point = tuple[float, float]
_Place = str | tuple[str, int]  # a node, or the passage of its longer edges through a layer, which they share


@dataclass(frozen=True)
class Layout:
    width: float
    height: float
    nodes: Mapping[str, Point]  # upper left corners
    ways: Mapping[Edge, Sequence[Point]]  # from the lower side of one to the upper side of the other


def place(names: Sequence[str], edges: Sequence[Edge]) -> Layout:
    """`names` have each after those with an edge to it."""
    ranks = _ranks(names, edges)
    layers: list[list[_Place]] = [[] for _ in range(max(ranks.values(), default=-1) + 1)]
    for name in names:
        layers[ranks[name]].append(name)
    links: dict[tuple[_Place, _Place], None] = {}  # as a set that keeps its order
    for start, end in edges:
        passages: list[_Place] = [(start, rank) for rank in range(ranks[start] + 1, ranks[end])]
        for rank, passage in enumerate(passages, ranks[start] + 1):
            if passage not in layers[rank]:
                layers[rank].append(passage)
        links |= dict.fromkeys(pairwise([start, *passages, end]))
    above, below = _neighbours(links)
    layers = _untangled(layers, above, below)
    centres = _centres(layers, above, below)
    left = min((centres[one] - _width(one) / 2 for layer in layers for one in layer), default=0.0)
    centres = {one: centre - left for one, centre in centres.items()}
    return Layout(
        width=max((centres[one] + _width(one) / 2 for layer in layers for one in layer), default=0.0),
        height=max(0.0, len(layers) * (HEIGHT + DROP) - DROP),
        nodes={name: (centres[name] - WIDTH / 2, ranks[name] * (HEIGHT + DROP)) for name in names},
        ways={edge: _way(edge, ranks, centres) for edge in edges},
    )


def _ranks(names: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    before: dict[str, list[str]] = {name: [] for name in names}
    for start, end in edges:
        before[end].append(start)
    ranks: dict[str, int] = {}
    for name in names:
        ranks[name] = max((ranks[each] + 1 for each in before[name]), default=0)
    return ranks


Neighbours = Mapping[_Place, Sequence[_Place]]


def _neighbours(links: Iterable[tuple[_Place, _Place]]) -> tuple[Neighbours, Neighbours]:
    above: dict[_Place, list[_Place]] = {}
    below: dict[_Place, list[_Place]] = {}
    for start, end in links:
        above.setdefault(end, []).append(start)
        below.setdefault(start, []).append(end)
    return above, below


def _untangled(layers: list[list[_Place]], above: Neighbours, below: Neighbours) -> list[list[_Place]]:
    best, fewest = layers, _crossings(layers, below)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        order = range(1, len(layers)) if down else range(len(layers) - 2, -1, -1)
        layers = list(layers)
        for number in order:
            beside = layers[number - 1 if down else number + 1]
            layers[number] = _sorted(layers[number], beside, above if down else below)
        if (count := _crossings(layers, below)) < fewest:
            best, fewest = layers, count
    return best


def _sorted(layer: list[_Place], beside: Sequence[_Place], neighbours: Neighbours) -> list[_Place]:
    """By the mean place of their neighbours; those without any stay where they are."""
    places = {one: float(number) for number, one in enumerate(beside)}
    wanted = {
        one: sum(places[each] for each in neighbours[one]) / len(neighbours[one]) for one in layer if one in neighbours
    }
    moved = iter(sorted(wanted, key=lambda one: wanted[one]))
    return [next(moved) if one in wanted else one for one in layer]


def _crossings(layers: Sequence[Sequence[_Place]], below: Neighbours) -> int:
    """Pairs of links between two layers whose ends are in another order than their starts."""
    count = 0
    for upper, lower in pairwise(layers):
        places = {one: number for number, one in enumerate(lower)}
        seen: list[int] = []
        for one in upper:
            ends = sorted(places[each] for each in below.get(one, ()))
            count += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return count


def _centres(layers: Sequence[Sequence[_Place]], above: Neighbours, below: Neighbours) -> dict[_Place, float]:
    centres: dict[_Place, float] = {}
    for layer in layers:
        centres |= dict(zip(layer, _apart(layer, [0.0] * len(layer)), strict=True))
    for move in range(_MOVES):
        for layer in layers if move % 2 == 0 else reversed(layers):
            wanted = [_wanted(one, centres, above, below) for one in layer]
            centres |= dict(zip(layer, _apart(layer, wanted), strict=True))
    for layer in layers:  # chains that hang from what has found its place
        centres |= dict(zip(layer, _apart(layer, [_hung(one, centres, above, below) for one in layer]), strict=True))
    return centres


def _hung(one: _Place, centres: Mapping[_Place, float], above: Neighbours, below: Neighbours) -> float:
    parents = above.get(one, ())
    alone = len(parents) == 1 and len(below[parents[0]]) == 1
    return centres[parents[0]] if alone else centres[one]


def _wanted(one: _Place, centres: Mapping[_Place, float], above: Neighbours, below: Neighbours) -> float:
    """The mean of its neighbours' places, in which one that has no other neighbour there counts most."""
    total = weights = 0.0
    for mine, theirs in ((above, below), (below, above)):
        beside = mine.get(one, ())
        for each in beside:
            weight = _ALONE if len(beside) == 1 and len(theirs[each]) == 1 else 1.0
            total, weights = total + weight * centres[each], weights + weight
    return total / weights if weights else centres[one]


def _apart(layer: Sequence[_Place], wanted: Sequence[float]) -> list[float]:
    """The places nearest to the wanted ones (by least squares) that keep the order and the gaps.

    With the gaps taken off it is isotonic regression, which pooling adjacent violators solves.
    """
    offsets = [0.0]
    for left, right in pairwise(layer):
        offsets.append(offsets[-1] + (_width(left) + _width(right)) / 2 + GAP)
    pools: list[tuple[float, int]] = []  # sum and count of what has been pooled
    for want, offset in zip(wanted, offsets, strict=False):
        total, count = want - offset, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            before, counted = pools.pop()
            total, count = total + before, count + counted
        pools.append((total, count))
    flat = [total / count for total, count in pools for _ in range(count)]
    return [base + offset for base, offset in zip(flat, offsets, strict=False)]


def _width(one: _Place) -> float:
    return WIDTH if isinstance(one, str) else _BEND


def _way(edge: Edge, ranks: Mapping[str, int], centres: Mapping[_Place, float]) -> list[Point]:
    start, end = edge
    points = [(centres[start], ranks[start] * (HEIGHT + DROP) + HEIGHT)]
    for rank in range(ranks[start] + 1, ranks[end]):
        top, x = rank * (HEIGHT + DROP), centres[(start, rank)]
        points += [(x, top), (x, top + HEIGHT)]
    return [*points, (centres[end], ranks[end] * (HEIGHT + DROP))]
