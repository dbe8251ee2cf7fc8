"""`mlops abtest` and `mlops promote`."""

from __future__ import annotations

from typing import Annotated

import typer

from mlops.options import LAPTOP, REPORTS, Reports, Stage, TargetOption, UseCase, Yes, connect, known_model


def register(app: typer.Typer) -> None:
    app.command()(abtest)
    app.command()(promote)


def abtest(
    use_case: UseCase,
    a: Annotated[
        int | None, typer.Option("--a", min=1, metavar="VERSION", help="Begin: the one that stays if B is not better.")
    ] = None,
    b: Annotated[int | None, typer.Option("--b", min=1, metavar="VERSION", help="Begin: the challenger.")] = None,
    split: Annotated[str, typer.Option("--split", metavar="A/B", help="Shares of the traffic.")] = "50/50",
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric", help="accuracy, NAME=VALUE (share whose truth is VALUE), brier, or value; several are tried."
        ),
    ] = None,
    mde: Annotated[
        float, typer.Option("--mde", help="Smallest effect that matters: 0.02 is two points of a share.")
    ] = 0.02,
    power: Annotated[float, typer.Option("--power", help="Chance to find it.")] = 0.8,
    alpha: Annotated[float, typer.Option("--alpha", help="Chance to be wrong if there is none.")] = 0.05,
    baseline: Annotated[
        float | None, typer.Option("--baseline", help="A's share of the first metric; else its registered accuracy.")
    ] = None,
    max_errors: Annotated[
        float, typer.Option("--max-errors", help="Guardrail: so many more of B's requests may fail.")
    ] = 0.01,
    max_latency: Annotated[
        float, typer.Option("--max-latency", help="Guardrail: so many times A's latency may B's be.")
    ] = 1.2,
    covariate: Annotated[
        str, typer.Option("--covariate", metavar="FEATURE", help="A number known before; CUPED takes its noise away.")
    ] = "",
    unit: Annotated[
        str, typer.Option("--unit", help="request, or customer: what stands before the first / of an inference id.")
    ] = "request",
    stop: Annotated[bool, typer.Option("--stop", help="End it undecided: A gets all traffic.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show sizes and what would change.")] = False,
    reports: Reports = REPORTS,
    yes: Yes = False,
    stage: Stage = "production",
    target: TargetOption = LAPTOP,
) -> None:
    """Two versions behind one endpoint: begin with --a and --b, then see at any time how it stands."""
    known_model(use_case)
    if (a is None) != (b is None) or (stop and a is not None):
        raise typer.BadParameter(
            "A test begins with --a and --b, ends with --stop, and without any of them says how it stands."
        )
    from mlops import abtest as command

    where = connect(target)
    if stop:
        command.stop(where, use_case, stage, dry_run=dry_run)
    elif a is None or b is None:
        command.look(where, use_case, stage, reports)
    else:
        options = command.Options(
            a=a,
            b=b,
            split=split,
            metrics=tuple(metric or ("accuracy",)),
            effect=mde,
            power=power,
            alpha=alpha,
            baseline=baseline,
            max_errors=max_errors,
            max_latency=max_latency,
            covariate=covariate,
            unit=unit,
        )
        command.start(where, use_case, stage, options, dry_run=dry_run, yes=yes)


def promote(
    use_case: UseCase,
    variant: Annotated[str | None, typer.Option("--variant", help="A or B, whatever the test says: see --yes.")] = None,
    winner: Annotated[bool, typer.Option("--winner", help="Whichever the A/B test has decided for.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why, against the test or before it has decided.")] = "",
    reports: Reports = REPORTS,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --reason: though the test hasn't decided so.")] = False,
    stage: Stage = "production",
    target: TargetOption = LAPTOP,
) -> None:
    """Make an A/B test's winner the only variant, by the stage's strategy and under its alarms."""
    known_model(use_case)
    if winner == bool(variant):
        raise typer.BadParameter("Give either --winner, or --variant A or B.")
    from mlops import promotion

    promotion.promote(connect(target), use_case, stage, variant, reports, yes=yes, reason=reason)
