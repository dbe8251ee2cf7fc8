from __future__ import annotations


def parse_accept(accept: str) -> list[str]:
    """The types of an Accept header."""
    return accept.replace(" ", "").split(",")
