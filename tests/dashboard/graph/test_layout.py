"""Where nodes go: below what they wait for, beside each other, with few crossings."""

from __future__ import annotations

import random
from itertools import pairwise

from dashboard.graph import layout
from dashboard.graph.layout import DROP, GAP, HEIGHT, WIDTH


def test_nothing_is_drawn_of_nothing() -> None:
    empty = layout.place([], [])
    assert (empty.width, empty.height, empty.nodes) == (0.0, 0.0, {})


def test_a_chain_is_straight() -> None:
    placed = layout.place("abc", [("a", "b"), ("b", "c")])
    assert [round(x) for x, _ in placed.nodes.values()] == [0, 0, 0]
    assert [y for _, y in placed.nodes.values()] == [0, HEIGHT + DROP, 2 * (HEIGHT + DROP)]
    assert (placed.width, placed.height) == (WIDTH, 3 * HEIGHT + 2 * DROP)


def test_a_parent_is_in_the_middle_of_its_children() -> None:
    placed = layout.place("abc", [("a", "b"), ("a", "c")])
    assert abs(placed.nodes["a"][0] - (WIDTH + GAP) / 2) < 1
    assert placed.width == 2 * WIDTH + GAP


def test_an_edge_goes_from_lower_side_to_upper_side_around_what_is_between() -> None:
    placed = layout.place("abc", [("a", "b"), ("b", "c"), ("a", "c")])
    way = placed.ways["a", "c"]
    assert (way[0][1], way[-1][1]) == (HEIGHT, 2 * (HEIGHT + DROP))
    left, _ = placed.nodes["b"]
    assert not left <= way[1][0] <= left + WIDTH


def test_ways_that_need_not_cross_do_not() -> None:
    placed = layout.place("abcdxy", [("a", "y"), ("b", "x"), ("c", "x"), ("d", "y")])
    ends = {"a": "y", "b": "x", "c": "x", "d": "y"}
    order = sorted(ends, key=lambda name: placed.nodes[name][0])
    sides = [ends[name] for name in order]
    assert sides in (["x", "x", "y", "y"], ["y", "y", "x", "x"])


def test_hundreds_of_nodes_keep_their_distance() -> None:
    chance = random.Random(0)
    names = [str(number) for number in range(300)]
    edges = list(dict.fromkeys((str(chance.randrange(end)), str(end)) for end in range(1, 300) for _ in range(2)))
    placed = layout.place(names, edges)
    rows: dict[float, list[float]] = {}
    for x, y in placed.nodes.values():
        rows.setdefault(y, []).append(x)
    gaps = [right - left for row in rows.values() for left, right in pairwise(sorted(row))]
    assert min(gaps) > WIDTH + GAP - 0.01
    assert all(placed.nodes[start][1] < placed.nodes[end][1] for start, end in edges)
