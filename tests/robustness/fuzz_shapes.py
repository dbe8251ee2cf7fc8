"""Random requests from botocore's input shapes: valid, at a limit, or broken in one place."""

from __future__ import annotations

import copy
import random
import string
from collections.abc import Callable, Mapping
from typing import Any

import rstr
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from sagelocal.api.validation import compiled

MODES = ("valid", "boundary", "invalid")
_DEPTH = 6  # structures nested deeper are left out unless required: some shapes hold themselves
_KEPT = 200  # values of a member
_LONGEST = 3000  # characters; a limit above this is not reached for
_WRONG: tuple[Any, ...] = (
    "",
    "\x00",
    "🙂" * 40,
    "../../etc/passwd",
    -1,
    2**63,
    1.5,
    True,
    [],
    {},
    [[]],
    {"x": {}},
    "a" * 70000,
)

Pick = Callable[[random.Random], Any]


class Requests:
    """`hints` choose the values of shapes or members by name, where text of the right form would mean nothing.

    `templates` are requests by operation that AWS would take; `seen` are values of members in earlier answers.
    """

    def __init__(
        self,
        chance: random.Random,
        hints: Mapping[str, Pick],
        templates: Mapping[str, Callable[[random.Random], dict[str, Any]]],
        seen: dict[str, list[Any]],
    ) -> None:
        self._chance = chance
        self._hints = hints
        self._templates = templates
        self._seen = seen
        self._texts = rstr.Rstr(chance)

    def request(self, model: OperationModel, mode: str) -> dict[str, Any]:
        shape = model.input_shape
        if shape is None:
            return {}
        template = self._templates.get(model.name)
        if template and self._chance.random() < 0.75:
            made = copy.deepcopy(template(self._chance))
            more = {"valid": self._chance.choice((0, 0, 1)), "boundary": 2, "invalid": 0}[mode]
            for name in self._chance.sample(list(shape.members), min(more, len(shape.members))):
                made.setdefault(name, self._value(shape.members[name], name, mode == "boundary", 1))
        else:
            made = dict(self._value(shape, "", mode == "boundary", 0))
        if mode == "invalid":
            self._break(made)
        return made

    def learn(self, answer: Mapping[str, Any]) -> None:
        """Names, ARNs and callback tokens of an answer are used again; an ARN also where any will do."""
        for name, value in answer.items():
            if isinstance(value, str) and name.endswith(("Arn", "Name", "CallbackToken")):
                for each in {name, "Arn"} if name.endswith("Arn") else {name}:
                    known = self._seen.setdefault(each, [])
                    known.append(value)
                    del known[:-_KEPT]
            for inner in value if isinstance(value, list) else [value]:
                if isinstance(inner, dict):
                    self.learn(inner)

    def _value(self, shape: Shape, member: str, boundary: bool, depth: int) -> Any:
        known = self._seen.get(member) or (self._seen.get("Arn") if (member or shape.name).endswith("Arn") else None)
        if known and self._chance.random() < 0.5:
            return self._chance.choice(known)
        hint = self._hints.get(member) or self._hints.get(shape.name)
        if hint and self._chance.random() < 0.97:
            return hint(self._chance)
        if isinstance(shape, StructureShape):
            return self._structure(shape, boundary, depth)
        if isinstance(shape, ListShape):
            return [self._value(shape.member, "", boundary, depth + 1) for _ in range(self._length(shape, boundary, 2))]
        if isinstance(shape, MapShape):
            count = self._length(shape, boundary, 2)
            keys = [str(self._value(shape.key, "", False, depth + 1)) for _ in range(count)]
            return {key: self._value(shape.value, "", boundary, depth + 1) for key in keys}
        return self._scalar(shape, boundary)

    def _structure(self, shape: StructureShape, boundary: bool, depth: int) -> dict[str, Any]:
        if getattr(shape, "is_document_type", False):
            return {"any": [1, "thing"]}
        if getattr(shape, "is_tagged_union", False):
            name = self._chance.choice(list(shape.members))
            return {name: self._value(shape.members[name], name, boundary, depth + 1)}
        share = self._chance.choice((0.0, 0.15, 0.4, 0.9)) if depth < _DEPTH else 0.0
        return {
            name: self._value(inner, name, boundary, depth + 1)
            for name, inner in shape.members.items()
            if name in shape.required_members or self._chance.random() < (0.5 if name in self._seen else share)
        }

    def _length(self, shape: Shape, boundary: bool, most: int) -> int:
        low, high = shape.metadata.get("min", 0), shape.metadata.get("max", most)
        if boundary:
            return int(min(self._chance.choice((low, high)), 40))
        return int(min(high, max(low, self._chance.randint(0, most))))

    def _scalar(self, shape: Shape, boundary: bool) -> Any:
        kind = shape.type_name
        if kind == "boolean":
            return self._chance.random() < 0.5
        if kind == "timestamp":
            return self._chance.choice((0, 1.5, 1_700_000_000, 4_000_000_000))
        if kind in ("integer", "long", "float", "double"):
            low, high = shape.metadata.get("min", 0), shape.metadata.get("max", 1000)
            if boundary:
                return self._chance.choice((low, high))
            return self._chance.randint(int(low), int(max(low, min(high, low + 20))))
        return self._text(shape, boundary)

    def _text(self, shape: Shape, boundary: bool) -> str:
        if allowed := getattr(shape, "enum", None):
            return str(self._chance.choice(allowed))
        low, high = int(shape.metadata.get("min", 0)), int(min(shape.metadata.get("max", 30), _LONGEST))
        pattern = shape.metadata.get("pattern")
        size = self._chance.choice((low, high)) if boundary else min(high, max(low, 8))
        plain = "".join(self._chance.choices(string.ascii_lowercase, k=size))
        if not pattern or compiled(pattern).fullmatch(plain):
            return plain
        try:
            return str(self._texts.xeger(pattern))[:high]
        except Exception:  # a construct of Java's that the generator lacks: plain text then, which AWS refuses
            return plain

    def _break(self, request: dict[str, Any]) -> None:
        """One wrong value, missing member or unknown member somewhere."""
        where: Any = request
        while isinstance(where, dict) and where:
            key = self._chance.choice(list(where))
            inner = where[key]
            inner = inner[0] if isinstance(inner, list) and inner and isinstance(inner[0], dict) else inner
            if isinstance(inner, dict) and inner and self._chance.random() < 0.7:
                where = inner
                continue
            act = self._chance.randrange(4)
            if act == 0:
                del where[key]
            elif act == 1:
                where["NoSuchMember"] = 1
            else:
                where[key] = self._chance.choice(_WRONG)
            return
        request["NoSuchMember"] = 1
