"""How this page says a monitor's state in one way."""

from __future__ import annotations

from dashboard import look
from dashboard.monitoring.monitors import Monitor
from dashboard.monitoring.runs import Run, State
from deploy.declaration import Kind

KINDS = {
    Kind.DATA_QUALITY: "Data quality",
    Kind.MODEL_QUALITY: "Model quality",
    Kind.MODEL_BIAS: "Bias",
    Kind.EXPLAINABILITY: "Explanations",
}
ASKS = {
    Kind.DATA_QUALITY: "Are the requests still like the data that the model was trained on?",
    Kind.MODEL_QUALITY: "Is the model still as good as it was on its test set?",
    Kind.MODEL_BIAS: "Does it treat groups more differently than it did?",
    Kind.EXPLAINABILITY: "Do the same features drive it?",
}
ICONS = {
    Kind.DATA_QUALITY: ":material/table_chart:",
    Kind.MODEL_QUALITY: ":material/target:",
    Kind.MODEL_BIAS: ":material/balance:",
    Kind.EXPLAINABILITY: ":material/lightbulb:",
}
_BADGES = {
    State.HEALTHY: (look.GOOD, ":material/check_circle:"),
    State.VIOLATIONS: (look.BAD, ":material/error:"),
    State.NOTHING: (look.IDLE, ":material/do_not_disturb_on:"),
    State.FAILED: (look.WARN, ":material/warning:"),
    State.STOPPED: (look.IDLE, ":material/stop_circle:"),
    State.RUNNING: (look.BUSY, ":material/sync:"),
}


def run_badge(run: Run | None) -> str:
    """Markdown: a verdict as a badge with an icon."""
    if run is None:
        return ":gray-badge[never ran]"
    colour, icon = _BADGES[run.state]
    return f":{colour}-badge[{icon} {run}]"


def alarm_badge(state: str) -> str:
    """Markdown: of CloudWatch's StateValue."""
    words = {"OK": "alarm OK", "ALARM": "in alarm", "INSUFFICIENT_DATA": "alarm: no data yet"}
    icons = {"OK": ":material/notifications:", "ALARM": ":material/notification_important:"}
    return f":{look.colour(state)}-badge[{icons.get(state, ':material/notifications:')} {words.get(state, state)}]"


def schedule(monitor: Monitor) -> str:
    """Markdown: when it runs, and when next."""
    if not monitor.expression:
        return "no schedule"
    if monitor.expression == "NOW":
        return "runs once"
    expression = look.plain(monitor.expression)
    said = f"{expression} UTC" if monitor.expression.startswith("cron") else expression
    if not monitor.enabled:
        return f"{said}, stopped"
    return f"{said}, next {look.moment(monitor.next)}" if monitor.next else said
