"""The glob patterns of triggers, by CodePipeline's guide ("Working with glob patterns in syntax").

`*` stays within a folder, `**` crosses folders, `?` is one character, `[a-z]` a set, `{a,b}` alternatives, a backslash
escapes. `**/x` needs a folder before x: to mean it at the top too, write `**x`.
"""

from __future__ import annotations

import functools
import re


def matches(pattern: str, name: str) -> bool:
    return _compiled(pattern).fullmatch(name) is not None


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(_expression(pattern), re.DOTALL)


_TOKEN = re.compile(r"\\.|\*\*|\*|\?|\[[^\]/]+\]|\{[^{}]*\}|.", re.DOTALL)
_KNOWN = {"**": ".*", "*": "[^/]*", "?": "[^/]"}


def _expression(pattern: str) -> str:
    written = []
    for token in _TOKEN.findall(pattern):
        if token in _KNOWN:
            written.append(_KNOWN[token])
        elif token[0] == "\\" and len(token) == 2:
            written.append(re.escape(token[1]))
        elif token[0] == "[" and len(token) > 2:
            written.append("[" + re.sub(r"([\\\[])", r"\\\1", token[1:-1].replace("!", "^", 1)) + "]")
        elif token[0] == "{" and len(token) > 1:
            written.append("(?:" + "|".join(_expression(one) for one in token[1:-1].split(",")) + ")")
        else:
            written.append(re.escape(token))
    return "".join(written)
