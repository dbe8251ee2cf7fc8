"""`mlops deploy` and `undeploy`: from a declaration to an endpoint and back, with the changes shown first."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from deploy import apply, checks, declaration, names, plan, registry, resources, stages, state, strategies, view, wanted
from deploy.changes import Change
from deploy.declaration import Deployment, Stage, Variant
from mlops import beside, console, cost
from mlops.errors import Failure
from mlops.targets import Target

Listed = list[tuple[str, list[str]]]  # kinds with the names that exist
_STYLES = {"+": "green", "~": "yellow", "-": "red"}


@dataclasses.dataclass(frozen=True)
class Overrides:
    """What the command line says instead of the declaration."""

    version: int | str | None = None  # or a model package's ARN
    strategy: str | None = None  # a key of strategies.STRATEGIES
    bake: int | None = None  # seconds
    instance_type: str | None = None
    instance_count: int | None = None
    variants: tuple[str, ...] = ()  # NAME=VERSION or NAME=VERSION:WEIGHT
    shadow: int | None = None  # a version


def deploy(
    target: Target,
    use_case: str,
    stage: str,
    overrides: Overrides,
    *,
    wait: bool = True,
    dry_run: bool = False,
    yes: bool = False,
    registry_client: Any = None,
    watch: apply.Watch | None = None,
) -> str:
    """The endpoint's name. `registry_client`: SageMaker's where the versions are registered, if that is another
    account; `watch` is told how the endpoint is described while it changes.

    Raises LookupError when nothing is approved, ValueError for what AWS would refuse, Failure when the user says no,
    RuntimeError with the reason when the endpoint fails or goes back.
    """
    monitoring = declaration.monitored(use_case).get(stage)
    if monitoring and monitoring.captures:
        return _watch_batches(target, use_case, stage, overrides, dry_run=dry_run, yes=yes)
    deployment = overridden(declaration.find(use_case, stage), overrides)
    checks.check(deployment, stage)
    endpoint, sagemaker = names.endpoint_name(use_case, stage), target.client("sagemaker")
    versions = {each.version for each in [*deployment.variants, deployment.shadow] if each}
    packages = {each: registry.package(registry_client or sagemaker, use_case, each) for each in versions}
    served, where = packages[deployment.variants[0].version], place(target)
    desired = wanted.make(deployment, use_case, stage, packages, where)
    started = time.monotonic()
    with Progress(endpoint) as progress:
        if not dry_run:
            apply.settled(sagemaker, endpoint, progress)
        around = beside.find(target, use_case, stage, served, where, deployment, desired)
        found = state.read(target.client, endpoint, target.account)
        changes = plan.deploy(desired, found)
        changes += resources.deploy(around.wanted, beside.read(target, endpoint, where))
    show(endpoint, changes)
    for sentence in around.left_out:
        console.note(sentence)
    if not (yes or dry_run):
        _check_test(use_case, stage, found, deployment)
    if changes:
        costs = dataclasses.replace(stages.of(use_case).get(stage, Stage(stage)), deployment=deployment)
        console.say(cost.check(target, use_case, costs, yes=yes or dry_run))
    if dry_run or not changes:
        return endpoint
    confirm(changes, yes)
    around.upload(target)
    with Progress(endpoint, watch) as progress:
        made = apply.apply(target.client, changes, progress, wait=wait)
    _report(endpoint, use_case, served, changes[made:], started, waited=wait)
    return endpoint


def _check_test(use_case: str, stage: str, found: state.State, deployment: Deployment) -> None:
    """Raises Failure where a deployment would end an A/B test that nobody has decided or stopped."""
    serves = view.variants(found.config or {})
    if names.CHALLENGER in serves and names.CHALLENGER not in {each.name for each in deployment.variants}:
        raise Failure(
            f"An A/B test runs on {names.endpoint_name(use_case, stage)}. Let it decide (mlops promote {use_case} "
            f"--winner --stage {stage}), end it (mlops abtest {use_case} --stop --stage {stage}), or deploy over it "
            "with --yes."
        )


def _watch_batches(target: Target, use_case: str, stage: str, overrides: Overrides, *, dry_run: bool, yes: bool) -> str:
    """Monitors alone, of the newest approved version or another: what batch transform jobs capture has no endpoint."""
    if dataclasses.replace(overrides, version=None) != Overrides():
        raise ValueError(f"The stage {stage} watches batch transform jobs and has no endpoint: --version alone goes.")
    name, where = names.endpoint_name(use_case, stage), place(target)
    package = registry.package(target.client("sagemaker"), use_case, overrides.version or declaration.APPROVED)
    around = beside.find(target, use_case, stage, package, where)
    changes = resources.deploy(around.wanted, beside.read(target, name, where))
    show(name, changes)
    for sentence in around.left_out:
        console.note(sentence)
    if changes and not dry_run:
        confirm(changes, yes)
        around.upload(target)
        apply.apply(target.client, changes)
    return name


def undeploy(target: Target, use_case: str, stage: str, *, dry_run: bool = False, yes: bool = False) -> None:
    """Removes all of an endpoint, then lists every kind again. Raises Failure when something is left."""
    endpoint, sagemaker = names.endpoint_name(use_case, stage), target.client("sagemaker")
    where = place(target)
    with Progress(endpoint) as progress:
        if not dry_run:
            apply.settled(sagemaker, endpoint, progress)
        before, around = state.read(target.client, endpoint, target.account), beside.read(target, endpoint, where)
    changes = resources.undeploy(around) + plan.undeploy(before)
    if changes:
        show(endpoint, changes)
    if dry_run:
        return
    if changes:
        confirm(changes, yes)
        with Progress(endpoint) as progress:
            apply.apply(target.client, changes, progress)
    prove(endpoint, _listed(before, endpoint, where, around), _read_again(target, endpoint, where))


def _listed(found: state.State, endpoint: str, where: wanted.Place, around: resources.Found) -> Listed:
    """The names that exist, by kind; a kind that both have is one."""
    kinds: dict[str, list[str]] = {}
    for kind, existing in [*found.listed(), *beside.listed(endpoint, where, around)]:
        kinds.setdefault(kind, []).extend(existing)
    return list(kinds.items())


def _read_again(target: Target, endpoint: str, where: wanted.Place) -> Listed:
    """A few times if need be: AWS's lists come after the calls, and a policy's own alarms go a little later."""
    for pause in (0.5, 2, 4, 8):
        around = beside.read(target, endpoint, where)
        found = _listed(state.read(target.client, endpoint, target.account), endpoint, where, around)
        if not any(existing for _, existing in found):
            break
        time.sleep(pause)
    return found


def overridden(deployment: Deployment, overrides: Overrides) -> Deployment:
    """Raises ValueError for a --variant that can't be read."""
    variants = [_resized(each, overrides) for each in deployment.variants]
    if overrides.version:
        variants[0] = dataclasses.replace(variants[0], version=overrides.version)
    for text in overrides.variants:
        variants = _with_variant(variants, text)
    shadow = deployment.shadow
    if overrides.shadow:
        shadow = dataclasses.replace(shadow or variants[0], name="Shadow", version=overrides.shadow)
    return dataclasses.replace(
        deployment, variants=tuple(variants), shadow=shadow, strategy=_strategy(deployment.strategy, overrides)
    )


def _resized(variant: Variant, overrides: Overrides) -> Variant:
    changes: dict[str, Any] = {"instance_type": overrides.instance_type, "instance_count": overrides.instance_count}
    return dataclasses.replace(variant, **{name: value for name, value in changes.items() if value is not None})


def _with_variant(variants: list[Variant], text: str) -> list[Variant]:
    """One more, with the instances of the first; or another version and weight for one of that name."""
    name, equals, rest = text.partition("=")
    version, colon, weight = rest.partition(":")
    try:
        if not name or not equals:
            raise ValueError
        changes: dict[str, Any] = {"version": int(version), **({"weight": float(weight)} if colon else {})}
    except ValueError:
        raise ValueError(f"--variant {text}: write it as NAME=VERSION or NAME=VERSION:WEIGHT.") from None
    if any(each.name == name for each in variants):
        return [dataclasses.replace(each, **changes) if each.name == name else each for each in variants]
    return [*variants, dataclasses.replace(variants[0], name=name, **changes)]


def _strategy(declared: strategies.Strategy, overrides: Overrides) -> strategies.Strategy:
    chosen = declared
    if overrides.strategy and overrides.strategy != strategies.name(declared):
        chosen = strategies.STRATEGIES[overrides.strategy]()
    if overrides.bake is None:
        return chosen
    waits = {each.name for each in dataclasses.fields(chosen)} & {"wait_interval", "termination_wait"}
    changes: dict[str, Any] = dict.fromkeys(waits, overrides.bake)
    return dataclasses.replace(chosen, **changes)


def place(target: Target) -> wanted.Place:
    found = target.place
    partition = target.client("sagemaker").meta.partition
    boundary = os.environ.get("MLOPS_ROLE_BOUNDARY", "")
    return wanted.Place(partition, target.account, target.region, found.role, found.bucket, found.prefix, boundary)


def show(endpoint: str, changes: Sequence[Change]) -> None:
    if not changes:
        console.say(f"{endpoint}: nothing to change")
        return
    console.say(endpoint)
    for change in changes:
        line = f"  {change.sign} {change.kind} {change.name}"
        console.stdout().print(line, style=_STYLES[change.sign], markup=False)
        for detail in change.details:
            console.say(f"      {detail}")
    counts = [(sum(change.sign == sign for change in changes), sign) for sign in _STYLES]
    words = {"+": "to add", "~": "to change", "-": "to remove"}
    console.say(", ".join(f"{count} {words[sign]}" for count, sign in counts if count))


def confirm(changes: Sequence[Change], yes: bool) -> None:
    """Asks before anything that exists is changed or removed, in a terminal. Raises Failure for a no."""
    if yes or all(change.sign == "+" for change in changes) or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return
    if input("Apply? [y/N] ").strip().lower() not in ("y", "yes"):
        raise Failure("Nothing was changed.")


def _report(
    endpoint: str, use_case: str, package: dict[str, Any], left: Sequence[Change], started: float, *, waited: bool
) -> None:
    took = f"after {time.monotonic() - started:.1f} s" if waited else "soon"
    console.say(f"Endpoint {endpoint} serves version {package['ModelPackageVersion']} {took}")
    if left:
        stage = endpoint.removeprefix(f"{names.endpoint_name(use_case, '')}")
        console.say(f"{len(left)} changes wait until it does: mlops deploy {use_case} --stage {stage}")


def prove(endpoint: str, before: Listed, after: Listed) -> None:
    """Raises Failure when a listing still has something."""
    rows = [
        (kind, str(len(was)), ", ".join(now) or "none") for (kind, was), (_, now) in zip(before, after, strict=True)
    ]
    console.show((endpoint, "were", "are left"), rows)
    if any(now for _, now in after):
        raise Failure(f"Not all of {endpoint} is gone: run it again, or see what holds on to it.")
    console.say(f"Nothing of {endpoint} is left. What it captured or answered stays in S3, its log in CloudWatch Logs")


class Progress:
    """How an endpoint that changes is described: a line that changes in a terminal, else a line for each change."""

    def __init__(self, endpoint: str, watch: apply.Watch | None = None) -> None:
        self._watch = watch
        self._shown = ""
        self._status = console.stderr().status(f"Looking at {endpoint} …")

    def __enter__(self) -> Progress:
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def __call__(self, endpoint: state.Described) -> None:
        if self._watch:
            self._watch(endpoint)
        text = view.progress(endpoint)
        if console.stderr().is_terminal:
            self._status.update(text)
        elif text != self._shown:
            console.note(text)
        self._shown = text
