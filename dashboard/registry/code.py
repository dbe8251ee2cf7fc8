"""What code and which hyperparameters made two versions: commits, sources by their content's hash, and their diff."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

import streamlit as st
from botocore.exceptions import ClientError

from dashboard import look, navigation
from dashboard.registry import origin
from dashboard.registry.measured import Version
from dashboard.registry.origin import Origin
from mlops import lineage

_OPEN = 3  # files whose diff is open from the beginning
_LINES = 400  # of a file's diff that are shown


def show(candidate: Version, current: Version | None) -> None:
    both = [candidate, *([current] if current else [])]
    with st.spinner("Reading what made them …"):
        found = [origin.of(each.package) for each in both]
    st.table(commits(both))
    for version, each in zip(both, found, strict=True):
        if each.unknown:
            st.caption(look.plain(f"Of {version.label} the source isn't known. {each.unknown}"))
    _executions(both)
    _given(both, found)
    if current is not None and all(each.code for each in found):
        _differences(both, found[0].code, found[1].code)
    elif found[0].code:
        st.table(_hashes(both, found, list(found[0].code)))


def commits(both: Sequence[Version]) -> list[dict[str, str]]:
    found = {each.label.capitalize(): each.package.get("MetadataProperties", {}) for each in both}
    said = {
        "Commit": {label: _commit(each.get("CommitId", "")) for label, each in found.items()},
        "Repository": {label: look.plain(each.get("Repository", "–")) for label, each in found.items()},
    }
    return [{"": words, **each} for words, each in said.items()]


def _commit(commit: str) -> str:
    """Short, and whether the code was not quite that commit's (pipelines/revision.py marks it)."""
    name, _, changed = commit.partition("-")
    return look.plain(name[:12] + (f" and changes ({changed})" if changed else "")) or "–"


def _executions(both: Sequence[Version]) -> None:
    """Their parameters are on the pages of executions."""
    made = [each.package.get("MetadataProperties", {}).get("GeneratedBy", "") for each in both]
    named = [navigation.execution(each) for each in made]
    if len(both) == 2 and all(named) and named[0] != named[1]:
        (pipeline, first), (other, second) = named
        if pipeline == other:
            words = "Compare their executions: parameters, steps, artifacts"
            navigation.link(
                words, "pipelines", icon=":material/compare_arrows:", pipeline=pipeline, compare=f"{first},{second}"
            )


def _given(both: Sequence[Version], found: Sequence[Origin]) -> None:
    st.subheader("Hyperparameters", anchor=False)
    rows = given(both, found)
    if not rows:
        known = any(each.given for each in found)
        st.caption("All are the same." if known else "The training job isn't known, or is gone.")
        return
    st.table(rows)
    same = len({name for each in found for name in each.given}) - len(rows)
    if same and len(both) == 2:
        st.caption(f"{same} more are the same in both.")


def given(both: Sequence[Version], found: Sequence[Origin]) -> list[dict[str, str]]:
    """Those that differ; all of a version that is compared with nothing."""
    names = list(dict.fromkeys(name for each in found for name in each.given))
    values = {name: [each.given.get(name, "–") for each in found] for name in names}
    return [
        {
            "Parameter": look.plain(name),
            **{version.label.capitalize(): look.plain(value) for version, value in zip(both, each, strict=True)},
        }
        for name, each in values.items()
        if len(both) == 1 or len(set(each)) > 1
    ]


def _hashes(both: Sequence[Version], found: Sequence[Origin], steps: Sequence[str]) -> list[dict[str, str]]:
    return [
        {
            "Source of step": look.plain(step),
            **{
                version.label.capitalize(): short(each.code.get(step, ""))
                for version, each in zip(both, found, strict=True)
            },
        }
        for step in steps
    ]


def short(uri: str) -> str:
    """The content's hash, or how the address ends, of a source."""
    if not uri:
        return "–"
    return str(lineage.version(uri)["hash"] or look.plain("…/" + "/".join(uri.rstrip("/").rsplit("/", 2)[-2:])))


def _differences(both: Sequence[Version], ours: Mapping[str, str], theirs: Mapping[str, str]) -> None:
    st.subheader("Source", anchor=False)
    steps = list(dict.fromkeys([*ours, *theirs]))
    changed = [step for step in steps if ours.get(step) != theirs.get(step)]
    if not changed:
        st.success(f"All {len(steps)} steps ran the same source.", icon=":material/check:")
        return
    st.table(_hashes(both, [Origin(dict(ours)), Origin(dict(theirs))], changed))
    if len(steps) > len(changed):
        st.caption(f"{len(steps) - len(changed)} more steps ran the same source.")
    seen: set[tuple[str, str]] = set()
    for step in changed:
        pair = (theirs.get(step, ""), ours.get(step, ""))
        if all(pair) and pair not in seen:
            seen.add(pair)
            _diff(step, *pair)


def _diff(step: str, before: str, now: str) -> None:
    try:
        files = differences(origin.bundle(before), origin.bundle(now))
    except (ClientError, LookupError) as error:
        st.warning(look.plain(f"{step}: {look.sentence(error)}"), icon=":material/warning:")
        return
    if not files:
        st.caption(look.plain(f"{step}: the files are the same, at another address."))
    for name, text in files.items():
        with st.expander(look.plain(f"{step}: {name}"), expanded=len(files) <= _OPEN):
            st.code(text, language="diff", wrap_lines=False)


def differences(before: Mapping[str, str | None], now: Mapping[str, str | None]) -> dict[str, str]:
    """A unified diff of each file that differs, at most so many lines of it."""
    names = sorted({*before, *now})
    return {name: _unified(name, before, now) for name in names if _differs(name, before, now)}


def _differs(name: str, before: Mapping[str, str | None], now: Mapping[str, str | None]) -> bool:
    """What can't be compared counts as the same where both have it: the hash told already that something differs."""
    return (name in before) is not (name in now) or before[name] != now[name]


def _unified(name: str, before: Mapping[str, str | None], now: Mapping[str, str | None]) -> str:
    old, new = before.get(name, ""), now.get(name, "")
    if old is None or new is None:
        return "No text, or too large to compare."
    was, became = f"before/{name}" if name in before else "/dev/null", f"now/{name}" if name in now else "/dev/null"
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), was, became, lineterm=""))
    more = [f"… {len(lines) - _LINES:,} more lines"] if len(lines) > _LINES else []
    return "\n".join([*lines[:_LINES], *more]) or "Only the ends of its lines differ."
