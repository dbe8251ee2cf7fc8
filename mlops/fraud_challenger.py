"""From labelled transactions to a better model: `mlops retrain`, a challenger in shadow, and its promotion.

recent    scored transactions and their truth as a table that the pipeline takes as InputDataUrl
retrain   the use case's pipeline on it: registers a version if it beats the one in service on the newest days
shadow    the version gets copies of the champion's requests, and nobody its answers
compare   both on the same transactions, once their truth is known
promote   the challenger alone, if it was better, with the reason kept at the version
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy import fraud_captures, names, served, state, streams
from mlops import console, demo, deployment, fraud_labels, fraud_performance, models, run, storage
from mlops.deployment import Overrides
from mlops.targets import Target
from processing.fraud_windows import LABEL_DELAY

if TYPE_CHECKING:
    import pandas as pd

SHADOW = "Shadow"  # deployment.overridden's name of the variant
DAYS = 135  # 42 to learn, 14 to choose, 14 to judge, a week between each twice, and 44 that fill the windows before
# What changed violates the baseline of before by definition; the candidate brings its own (docs/monitoring.md).
PARAMETERS = {"FailOnViolation": "False", "RegisterNewBaseline": "True"}


def recent(target: Target, use_case: str, days: int, as_of: datetime, history: str = "") -> tuple[str, int]:
    """URI of a folder with the transactions of the last days whose truth is known, all of a day or none, and how many
    they are. `history`: URI of a table of older ones, which is put beside it. Raises LookupError where there are none.
    """
    options = {"table": streams.scores_table(use_case), "window": f"P{days}D", "as-of": as_of.isoformat()}
    with tempfile.TemporaryDirectory() as made:
        script = f"processing/{names.module_name(use_case)}_recent.py"
        arguments = [f"--{name}={value}" for name, value in options.items()]
        said = fraud_performance.run(script, [*arguments, f"--region={target.region}", f"--output-path={made}"])
        found = json.loads((Path(made) / "summary.json").read_text(encoding="utf-8"))
        if not found["labelled"]:
            raise LookupError(f"{options['table']} has no transaction of the {days} days up to {found['last']}.")
        body = (Path(made) / "recent" / "recent.parquet").read_bytes()
    digest = hashlib.sha256(body + history.encode()).hexdigest()[:16]
    folder = target.place.uri("data", f"{use_case}-recent", digest)
    s3 = target.client("s3")
    bucket, key = storage.split(f"{folder}/recent.parquet")
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    if history:
        source, name = storage.split(history)
        s3.copy_object(Bucket=bucket, Key=f"{key.rpartition('/')[0]}/history.parquet", CopySource=f"{source}/{name}")
    console.say(f"{said.strip()}: {folder}")
    return folder, int(found["labelled"])


def retrain(
    target: Target, use_case: str, stage: str, data: str, parameters: dict[str, str], *, current: bool = True
) -> tuple[int, str]:
    """The version that the pipeline registered from the data, and its execution.

    Raises Failure where the gate refuses the candidate: it isn't better than the version in service, `current`, or not
    good enough.
    """
    sagemaker = target.client("sagemaker")
    given = {"InputDataUrl": data, **PARAMETERS, **parameters}
    if current:
        package = served.package(sagemaker, use_case, names.endpoint_name(use_case, stage))
        given["CurrentModelUrl"] = package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
    execution = run.run(target, use_case, given, detach=False)
    return demo.registered_version(sagemaker, use_case, execution), execution


def champion(target: Target, use_case: str, stage: str) -> int:
    """The version in service. Raises LookupError."""
    package = served.package(target.client("sagemaker"), use_case, names.endpoint_name(use_case, stage))
    return int(package["ModelPackageVersion"])


def shadow(target: Target, use_case: str, stage: str, version: int) -> None:
    """Approves it for that, as only approved versions are deployed, and puts it beside the champion."""
    first = champion(target, use_case, stage)
    if first == version:
        raise ValueError(f"Version {version} is in service already.")
    models.decide(target, use_case, version, f"challenger of version {first}, in shadow", approve=True)
    deployment.deploy(target, use_case, stage, Overrides(version=first, shadow=version), yes=True)


def challenger(target: Target, use_case: str, stage: str) -> int:
    """The version in shadow. Raises LookupError where there is none."""
    sagemaker, endpoint = target.client("sagemaker"), names.endpoint_name(use_case, stage)
    config = sagemaker.describe_endpoint_config(
        EndpointConfigName=state.endpoint(sagemaker, endpoint)["EndpointConfigName"]
    )
    for variant in config.get("ShadowProductionVariants", []):
        model = sagemaker.describe_model(ModelName=variant["ModelName"])
        package = (model.get("Containers") or [model["PrimaryContainer"]])[0]["ModelPackageName"]
        return int(sagemaker.describe_model_package(ModelPackageName=package)["ModelPackageVersion"])
    raise LookupError(f"{endpoint} has no version in shadow: mlops retrain {use_case} --shadow puts one there.")


def compare(
    target: Target, use_case: str, stage: str, since: datetime, until: datetime, as_of: datetime, days: int
) -> dict[str, Any]:
    """What evaluation/rare_events_challenger.py says of the requests captured in [since, until), and both versions.

    Raises LookupError where there is no shadow, or no transaction that both answered has a known truth.
    """
    versions = {"champion": champion(target, use_case, stage), "challenger": challenger(target, use_case, stage)}
    answers = table(target, use_case, stage, since, until, as_of, days)
    if not len(answers):
        raise LookupError(f"No transaction that both versions were asked about since {since} has a known truth yet.")
    with tempfile.TemporaryDirectory() as folder:
        file, found = Path(folder) / "answers.parquet", Path(folder) / "challenger.json"
        answers.to_parquet(file, index=False)
        fraud_performance.run("evaluation/rare_events_challenger.py", [f"--answers={file}", f"--output={found}"])
        verdict = {**json.loads(found.read_text(encoding="utf-8")), "versions": versions}
    tell(verdict)
    return verdict


def table(
    target: Target, use_case: str, stage: str, since: datetime, until: datetime, as_of: datetime, days: int
) -> pd.DataFrame:
    """A row for each transaction of the last days that both answered and that is older than LABEL_DELAY: of younger
    ones only frauds are known.
    """
    import pandas as pd

    place = target.place
    prefix = f"{names.capture_uri(place.bucket, place.prefix)}/{names.endpoint_name(use_case, stage)}"
    answered = {}
    for name, variant in (("champion", names.VARIANT), ("challenger", SHADOW)):
        captured = fraud_captures.read(target.client("s3"), prefix, variant, since, until)
        rows = [
            row for each in captured for row in zip(each.transactions, each.probabilities, each.alerts, strict=True)
        ]
        made = pd.DataFrame(rows, columns=[fraud_labels.ID, name, f"{name}_alert"])
        answered[name] = made.drop_duplicates(fraud_labels.ID, keep="last")  # asked again after a retry
    scored = fraud_labels.table(target, use_case, as_of.date() - timedelta(days=days), as_of.date(), as_of)
    settled = (as_of - timedelta(seconds=LABEL_DELAY)).strftime("%Y-%m-%dT%H:%M:%SZ")
    known = scored[scored["transaction_time"] <= settled].rename(columns={"customer_id": "card"})
    found = known.merge(answered["champion"], on=fraud_labels.ID).merge(answered["challenger"], on=fraud_labels.ID)
    kept = ["transaction_id", "card", "amount", "truth", "champion", "challenger", "champion_alert", "challenger_alert"]
    return found[kept].astype({"truth": int, "champion_alert": int, "challenger_alert": int})


def tell(verdict: dict[str, Any]) -> None:
    rows = [
        (
            f"{name}, version {verdict['versions'][name]}",
            f"{verdict[name]['average_precision']:.3f}",
            str(verdict[name]["alerts"]),
            f"{verdict[name]['precision']:.0%}",
            f"{verdict[name]['recall']:.0%}",
            f"{verdict[name]['missed']:,.0f} €",
        )
        for name in ("champion", "challenger")
    ]
    title = f"The same {verdict['transactions']:,} labelled transactions, {verdict['frauds']} frauds"
    console.show(("", "average precision", "alerts", "precision", "recall", "missed"), rows, title=title)
    console.say(verdict["sentence"])


def promote(target: Target, use_case: str, stage: str, verdict: dict[str, Any]) -> bool:
    """Puts the challenger in service if it was better, else takes it out of the shadow and rejects it; why is its
    ApprovalDescription. Whether it was promoted; where nothing was decided all stays as it is.
    """
    old, new = verdict["versions"]["champion"], verdict["versions"]["challenger"]
    if verdict["better"] is None:
        console.note(f"Nothing is decided, and version {new} stays in shadow.")
        return False
    better = bool(verdict["better"])
    models.decide(target, use_case, new, verdict["sentence"][:1024], approve=better)
    deployment.deploy(target, use_case, stage, Overrides(version=new if better else old), yes=True)
    return better
