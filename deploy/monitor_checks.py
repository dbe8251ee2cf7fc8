"""What would be refused of a declaration of monitors, said before anything is made."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deploy import managed_monitors, monitors, names, retraining
from deploy.declaration import Engine, Kind, Monitor, Monitoring, Source
from deploy.managed_schedules import MONITORING_SCHEDULE
from deploy.resources import ROLE, SCHEDULE, Type
from deploy.retraining_resources import FUNCTION, RULE
from deploy.wanted import Place

PROBLEMS = ("BinaryClassification", "MulticlassClassification", "Regression", "Clustering")
DURATION = r"P(?=\d|T\d)(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?"  # ISO 8601's, of what has one length
_EXPRESSION = re.compile(r"rate\([1-9]\d* (minute|hour|day)s?\)|cron\((\S+ ){5}\S+\)")
# The developer guide's schedules of Model Monitor ("Cron expressions for monitoring schedule"): hourly, daily, every
# so many hours from one hour on.
_MANAGED = re.compile(r"cron\(0 (\*|\d{1,2}|\d{1,2}/\d{1,2}) \? \* \* \*\)")


# Characters of a name. A monitoring schedule's 63 are its job definition's, too, whose name has nine more.
_LONGEST: dict[Type, int] = {ROLE: 64, SCHEDULE: 64, RULE: 64, FUNCTION: 64, MONITORING_SCHEDULE: 54}


def check(monitoring: Monitoring, stage: str, endpoint: str, place: Place) -> None:
    """Raises ValueError with every problem."""
    if found := [*problems(monitoring), *too_long(monitoring, endpoint, place)]:
        raise ValueError(f"The monitoring of stage {stage}: " + "; ".join(found) + ".")


def problems(monitoring: Monitoring) -> Iterator[str]:
    for kind, monitor in monitoring.monitors().items():
        yield from _monitor(kind, monitor, monitoring.engine)
    if monitoring.explainability and monitoring.explainability.thresholds:
        yield "explainability has no thresholds: its nDCG of 0.9 is fixed"
    if monitoring.problem_type not in PROBLEMS:
        yield f"problem_type is {monitoring.problem_type!r}, and there are {', '.join(PROBLEMS)}"
    yield from _answer(monitoring)
    if not 0 <= monitoring.probability_threshold <= 1:
        yield f"probability_threshold is {monitoring.probability_threshold:g}, and it lies between 0 and 1"
    for name, uri in (("captures", monitoring.captures), ("ground_truth", monitoring.ground_truth)):
        if uri and not uri.startswith("s3://"):
            yield f"{name} is {uri!r}, and has to be an S3 URI"
    for each in monitoring.notify:
        try:
            monitors.protocol(each)
        except ValueError as error:
            yield str(error).rstrip(".")
    if monitoring.max_model_age:
        yield from _duration("max_model_age", monitoring.max_model_age)
        if not monitoring.monitors():
            yield "max_model_age needs a monitor, which says how old the model is, and none is declared"
    if monitoring.retraining:
        yield from _retraining(monitoring)


def too_long(monitoring: Monitoring, endpoint: str, place: Place) -> Iterator[str]:
    """Names that AWS refuses, of what would be made for the endpoint."""
    engine = managed_monitors if monitoring.engine is Engine.MANAGED else monitors
    unused = {names.monitor_name(endpoint, kind) for kind in Kind if kind not in monitoring.monitors()}
    keys = [*engine.keys(endpoint, place), *(retraining.keys(endpoint, place) if monitoring.retraining else [])]
    for type_, name in keys:
        longest = _LONGEST.get(type_)
        if longest and len(name) > longest and name not in unused:
            yield f"the {type_.kind} {name} would have {len(name)} characters, and {longest} are allowed"


def _retraining(monitoring: Monitoring) -> Iterator[str]:
    declared = monitoring.retraining
    assert declared
    if not monitoring.label:
        yield "retraining needs labelled traffic, and no label is named"
    if monitoring.captures:
        yield "retraining collects an endpoint's traffic, and this is of batch transform jobs"
    if declared.min_records < 1:
        yield f"retraining.min_records is {declared.min_records}, and it takes at least 1"
    if missing := [each for each in declared.on if each not in monitoring.monitors()]:
        yield f"retraining waits for {', '.join(missing)}, which is not monitored"
    for name in ("window", "cooldown"):
        yield from _duration(f"retraining.{name}", getattr(declared, name))
    if declared.source is Source.SCORES and not re.fullmatch(r"P\d+D", declared.window):
        yield f"retraining.window is {declared.window!r}, and of scores whole days are taken, such as P135D"
    if declared.history and declared.source is not Source.SCORES:
        yield "retraining.history is of the source scores, and this one is captures"
    if declared.history and not declared.history.startswith("s3://"):
        yield f"retraining.history is {declared.history!r}, and has to be an S3 URI"


def _monitor(kind: Kind, monitor: Monitor, engine: Engine) -> Iterator[str]:
    yield from _duration(f"{kind}: window", monitor.window)
    yield from _duration(f"{kind}: delay", monitor.delay)
    if not _EXPRESSION.fullmatch(monitor.schedule):
        yield f"{kind}: schedule is {monitor.schedule!r}; write cron(0 * ? * * *) or rate(6 hours)"
    elif engine is Engine.MANAGED and not _MANAGED.fullmatch(monitor.schedule):
        yield (
            f"{kind}: Model Monitor runs hourly, cron(0 * ? * * *), daily, cron(0 6 ? * * *), or every so many hours, "
            f"cron(0 0/6 ? * * *), and not at {monitor.schedule}"
        )


def _answer(monitoring: Monitoring) -> Iterator[str]:
    if monitoring.problem_type == "Clustering" and monitoring.label:
        yield f"label is {monitoring.label!r}, and no truth is known of a clustering: name the column as answer"
    if monitoring.answer and monitoring.engine is Engine.MANAGED:
        yield f"answer is {monitoring.answer!r}, and Model Monitor's data quality looks at requests alone"


def _duration(what: str, text: str) -> Iterator[str]:
    if not re.fullmatch(DURATION, text):
        yield f"{what} is {text!r}, which is no duration such as PT1H or P7D"
    elif what.endswith("window") and not retraining.seconds(text):
        yield f"{what} is {text!r}, in which there is nothing to look at"
