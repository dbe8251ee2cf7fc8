"""`mlops monitor`: what a stage's monitors last found, or what they find now."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from deploy import managed_verdicts, names, retraining, verdicts
from deploy.declaration import Engine, Kind, Monitoring
from deploy.managed_schedules import MONITORING_SCHEDULE
from deploy.resources import SCHEDULE, Found
from deploy.verdicts import Verdict
from mlops import beside, console, deployment, storage
from mlops.errors import Failure
from mlops.targets import Target

Window = tuple[datetime, datetime]
_UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days"}
_HEADINGS = ("monitor", "schedule (UTC)", "last run", "verdict", "violations")


def show(target: Target, use_case: str, stage: str) -> list[Verdict]:
    """A line for each monitor that is declared, and what they last found. Raises LookupError when none is declared."""
    monitoring, endpoint = beside.monitored(use_case, stage), names.endpoint_name(use_case, stage)
    found = beside.read(target, endpoint, deployment.place(target))
    rows, last = [], list[Verdict]()
    for kind in monitoring.monitors():
        name = names.monitor_name(endpoint, kind)
        schedule = _schedule(found, name)
        if schedule is None:
            rows.append((kind, "not deployed", "", "", ""))
            continue
        latest = managed_verdicts.latest if (MONITORING_SCHEDULE, name) in found else verdicts.latest
        verdict = latest(target.client("sagemaker"), target.client("s3"), name, kind)
        rows.append((kind, schedule, *(_row(verdict) if verdict else ("never", "", ""))))
        last += [verdict] if verdict else []
    console.show(_HEADINGS, rows, title=endpoint)
    for verdict in last:
        if said := verdict.reason or (verdict.report_uri if verdict.output_uri else ""):
            console.say(f"{verdict.kind}: {said}")
    return last


def _schedule(found: Found, name: str) -> str | None:
    """In words, of whichever engine; None where there is none."""
    if own := found.get((SCHEDULE, name)):
        return f"{own['ScheduleExpression']} {own['State'].lower()}"
    if theirs := found.get((MONITORING_SCHEDULE, name)):
        expression = theirs.get("MonitoringScheduleConfig", {}).get("ScheduleConfig", {}).get("ScheduleExpression", "")
        return f"{expression} {theirs.get('MonitoringScheduleStatus', '').lower()}"
    return None


def _row(verdict: Verdict) -> tuple[str, str, str]:
    found = str(len(verdict.violations)) if verdict.output_uri else ""
    return console.ago(verdict.started), verdict.status, found


def now(
    target: Target,
    use_case: str,
    stage: str,
    kinds: Sequence[Kind],
    since: str | None,
    until: str | None,
    reports: Path,
) -> list[tuple[Verdict, Path | None]]:
    """Runs the monitors of the kinds, all for none, over a window and prints what they found, with the reports.

    The window ends now and is as long as the monitor's own. Raises LookupError for one that isn't deployed, Failure
    when an execution fails, ValueError for times that are none or a window without length.
    """
    monitoring, endpoint = beside.monitored(use_case, stage), names.endpoint_name(use_case, stage)
    chosen = list(kinds) or _deployed(target, monitoring, endpoint)
    end = _ceil(moment(until)) if until else _ceil(datetime.now(UTC))
    windows = {kind: (moment(since) if since else end - _length(monitoring, kind), end) for kind in chosen}
    for start, _ in windows.values():
        if start >= end:
            raise ValueError(
                f"The window begins at {verdicts.iso(start)} and ends at {verdicts.iso(end)}: nothing is in it."
            )
    with console.stderr().status(f"{', '.join(chosen)} of {endpoint} …"):
        found = (_run_managed if monitoring.engine is Engine.MANAGED else _run)(target, endpoint, windows)
    answers = [(each, _download(target, use_case, endpoint, each, reports)) for each in found]
    for verdict, page in answers:
        tell(endpoint, verdict, page)
    if failed := [each.kind for each in found if each.status not in (verdicts.COMPLETED, verdicts.VIOLATIONS)]:
        raise Failure(f"No verdict of {', '.join(failed)}.")
    return answers


def _run(target: Target, endpoint: str, windows: Mapping[Kind, Window]) -> list[Verdict]:
    """All at once."""
    sagemaker = target.client("sagemaker")
    started = {kind: _start(sagemaker, names.monitor_name(endpoint, kind), *window) for kind, window in windows.items()}
    for execution in started.values():
        verdicts.ended(sagemaker, execution, target.poll)
    return [verdicts.read(sagemaker, target.client("s3"), execution, kind) for kind, execution in started.items()]


def _run_managed(target: Target, endpoint: str, windows: Mapping[Kind, Window]) -> list[Verdict]:
    sagemaker, s3 = target.client("sagemaker"), target.client("s3")

    def run(kind: Kind) -> Verdict:
        name = names.monitor_name(endpoint, kind)
        return managed_verdicts.run(sagemaker, s3, name, kind, *windows[kind], poll=target.poll)

    with ThreadPoolExecutor(len(windows)) as pool:
        return list(pool.map(run, windows))


def _deployed(target: Target, monitoring: Monitoring, endpoint: str) -> list[Kind]:
    found = beside.read(target, endpoint, deployment.place(target))
    kinds = [kind for kind in monitoring.monitors() if _schedule(found, names.monitor_name(endpoint, kind)) is not None]
    if not kinds:
        raise LookupError(f"No monitor of {endpoint} is deployed: mlops deploy brings them up.")
    return kinds


def _length(monitoring: Monitoring, kind: Kind) -> timedelta:
    monitor = monitoring.monitors().get(kind)
    return timedelta(seconds=retraining.seconds(monitor.window)) if monitor else timedelta(hours=1)


def _start(sagemaker: Any, name: str, start: datetime, end: datetime) -> str:
    try:
        return verdicts.start(sagemaker, name, start, end)
    except sagemaker.exceptions.ResourceNotFound:
        raise LookupError(f"The monitor {name} is not deployed: mlops deploy brings it up.") from None


def _download(target: Target, use_case: str, endpoint: str, verdict: Verdict, reports: Path) -> Path | None:
    if not verdict.output_uri:
        return None
    name = f"{names.monitor_name(endpoint, verdict.kind)}-{verdict.execution.rsplit('/', 1)[1]}.html"
    return storage.download(target.client("s3"), verdict.report_uri, reports / use_case / name)


def tell(endpoint: str, verdict: Verdict, page: Path | None) -> None:
    if verdict.violations:
        console.show(
            (verdict.kind, "check", "what"),
            [(verdicts.subject(v), v.get("constraint_check_type", ""), v["description"]) for v in verdict.violations],
        )
    console.say(f"{endpoint} {verdict.kind}: {sentence(verdict)}")
    if page:
        console.say(f"report: {page}")


def sentence(verdict: Verdict) -> str:
    if verdict.status not in (verdicts.COMPLETED, verdicts.VIOLATIONS):
        return f"{verdict.status}: {verdict.reason}"
    looked = f" in {verdict.records} records" if verdict.records is not None else ""
    if not verdict.violations:
        return f"no violation{looked}"
    return f"{len(verdict.violations)} violations{looked}: {', '.join(verdict.subjects)}"


def moment(text: str) -> datetime:
    """ISO 8601 (UTC unless it says otherwise), or how long ago: `90s`, `15m`, `2h`, `7d`."""
    if ago := re.fullmatch(r"(\d+)\s*(s|m|min|h|d)", text.strip()):
        return datetime.now(UTC).replace(microsecond=0) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time: give 2026-03-02T10:00:00Z, or how long ago, as 15m, 2h, 7d.") from None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _ceil(when: datetime) -> datetime:
    """The next whole second: capture times have no fractions, and the window's end is not part of it."""
    return when if when.microsecond == 0 else when.replace(microsecond=0) + timedelta(seconds=1)
