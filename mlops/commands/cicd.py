"""`mlops cicd`: delivery for people (up, status, approve …) and inside builds (build, release, test)."""

from __future__ import annotations

import typer

cicd = typer.Typer(name="cicd", help="Delivery: from a git push to production.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(cicd)
