"""What each provider's action does: provider -> f(work) -> Outcome."""

from __future__ import annotations

from collections.abc import Callable

from sagelocal.cicd.codepipeline.actions import approval, build, invoke, source
from sagelocal.cicd.codepipeline.work import Outcome, Work

PROVIDERS: dict[str, Callable[[Work], Outcome]] = {
    "CodeStarSourceConnection": source.connection,
    "CodeCommit": source.codecommit,
    "S3": source.s3,
    "CodeBuild": build.run,
    "Manual": approval.run,
    "Lambda": invoke.run,
}
