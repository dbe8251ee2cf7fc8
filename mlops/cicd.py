"""`mlops cicd up` and `down`: delivery's stacks, and on a laptop the git remote that a push goes to."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops import cicd_retained, console
from mlops.cicd_stacks import Change, Review, Stacks, reviewer
from mlops.targets import Target
from mlops.use_cases import check, find_all

ROOT = Path(__file__).absolute().parents[1]
TEMPLATES = ROOT / "deploy" / "cloudformation"
PROJECT = "mlops"  # the templates' default ProjectName
REMOTE = "local"
EVERY = "all"  # of --first-build
PARTS = ("baseline", "cicd", "monitoring")  # in the order in which they are made
_PRESIGNED = "{presigned}"  # reports are linked by presigned URLs: a laptop has no console to show them


@dataclass(frozen=True)
class Source:
    """Where the pipelines' commits come from; what is empty stays as the stacks have it."""

    connection: str = ""  # ARN
    repository: str = ""  # owner/name, or CodeCommit's name
    branch: str = ""
    email: str = ""
    codecommit: bool = False


def up(
    target: Target,
    project: str,
    source: Source,
    remote: str = REMOTE,
    *,
    first_build: Sequence[str] = (),
    yes: bool = False,
) -> None:
    """`first_build`: use cases, or "all"; none leaves the parameter as it is.

    Raises Failure when a stack cannot be made, ValueError for what the target cannot take, LookupError for what is no
    use case.
    """
    stacks = Stacks(target.client("cloudformation"), target.poll)
    address = _remote(target, project, remote) if target.settings else None
    review = reviewer(yes or target.settings is not None)
    cases = find_all()
    chosen = {
        **_source(target, project, source),
        "UseCases": ",".join(case.name for case in cases),
        "UseCasesWithModel": ",".join(case.name for case in cases if case.has_model),
        **_first_build(first_build),
    }
    names = {part: f"{project}-{part}" for part in PARTS}
    _check(stacks, names["cicd"], chosen)
    inherited: dict[str, str] = {}
    for part, name in names.items():
        _deploy(stacks, name, _template(part), inherited | chosen, review)
        inherited = inherited or stacks.outputs(name)  # the baseline's
    cicd = names["cicd"]
    if address is None:
        repository = stacks.parameters(cicd)["FullRepositoryId"]
        console.say(f"A push to {stacks.parameters(cicd)['BranchName']} of {repository} builds, tests and deploys it.")
        return
    branch = _git("symbolic-ref", "--short", "HEAD") or "HEAD"
    console.say(f"git push {remote} {branch if branch == 'main' else branch + ':main'}")
    console.note(f"builds, tests and deploys what you push; {console.command()} cicd status says how far it is.")


def down(target: Target, project: str, remote: str = REMOTE, *, everything: bool = False, yes: bool = False) -> None:
    """Removes the pipelines; with `everything` also the baseline, its buckets with their contents and its key.

    Raises Failure when the user says no, or for what is left.
    """
    stacks = Stacks(target.client("cloudformation"), target.poll)
    parts = ("monitoring", "cicd", *(("network", "baseline") if everything else ()))
    there = [name for name in (f"{project}-{part}" for part in parts) if stacks.status(name) is not None]
    found = {name: stacks.resources(name) for name in there}
    rows = [row for each in found.values() for row in each]
    if rows:
        changes = [Change("-", logical, kind, physical) for logical, kind, physical in rows]
        reviewer(yes or (target.settings is not None and not everything))(", ".join(there), changes)
    for name in there:
        # What the stack would leave goes first: afterwards nothing would say what it was.
        cicd_retained.remove(target, [(kind, physical) for _, kind, physical in found[name]] if everything else [])
        stacks.delete(name)
        console.say(f"The stack {name} is gone.")
    if target.settings and _git("remote", "get-url", remote).startswith(str(target.settings.state)):
        _git("remote", "remove", remote)
        console.note(f"The git remote {remote} is gone, too; what was pushed stays in {target.settings.state / 'git'}.")
    if not there:
        console.say(f"There is no stack of {project}.")
    elif not everything:
        console.note(
            f"{project}-baseline stays with its roles, key and data: {console.command()} cicd down --everything"
        )


def _remote(target: Target, project: str, remote: str) -> Path:
    """The bare repository, and the user's clone has a remote that leads to it.

    Raises ValueError where the clone has another remote of that name, or is none.
    """
    from sagelocal.cicd import remote as repositories

    assert target.settings
    if not _git("rev-parse", "--git-dir"):
        raise ValueError(f"{ROOT} is no git repository: git init, then commit what is to be built.")
    address = repositories.create(target.settings, project)
    there = _git("remote", "get-url", remote)
    if there and there != str(address):
        raise ValueError(f"The git remote {remote} leads to {there}: name another by --remote, or remove it.")
    if not there:
        subprocess.run(["git", "-C", str(ROOT), "remote", "add", remote, str(address)], check=True)
        console.note(f"git remote {remote}: {address}")
    return address


def _git(*arguments: str) -> str:
    """What git answers of this clone, "" where it refuses."""
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _source(target: Target, project: str, source: Source) -> dict[str, str]:
    """Raises ValueError for options that a laptop has no use for."""
    if target.settings is None:
        given = {
            "ProjectName": project,
            "SourceProvider": "CodeCommit" if source.codecommit else "",
            "CodeCommitRepository": source.repository if source.codecommit else "",
            "ConnectionArn": source.connection,
            "FullRepositoryId": source.repository,
            "BranchName": source.branch,
            "NotificationEmail": source.email,
        }
        return {name: value for name, value in given.items() if value}
    if source.connection or source.repository or source.codecommit:
        raise ValueError(
            "On a laptop the repository is its own: --connection, --repository and --codecommit are for --target aws."
        )
    place = f"{target.region}:{target.account}"
    return {
        "ProjectName": project,
        "ConnectionArn": f"arn:aws:codeconnections:{place}:connection/local",
        "FullRepositoryId": f"local/{project}",
        "BranchName": source.branch or "main",
        "NotificationEmail": source.email,
        # The bucket and role of everything else on a laptop, so that builds share its data and its cache.
        "DataBucket": target.settings.bucket,
        "ExecutionRoleArn": target.settings.role_arn,
        "ReportUrl": _PRESIGNED,
    }


def _first_build(given: Sequence[str]) -> dict[str, str]:
    if not given:
        return {}
    return {"FirstBuild": "" if EVERY in given else ",".join(check(name) for name in given)}


def _check(stacks: Stacks, name: str, parameters: Mapping[str, str]) -> None:
    """Raises ValueError, naming the options, for what a new stack lacks."""
    complete = stacks.parameters(name) | dict(parameters)
    missing = []
    if not complete.get("FullRepositoryId"):
        missing.append("--repository owner/name")
    if complete.get("SourceProvider", "CodeConnections") == "CodeConnections" and not complete.get("ConnectionArn"):
        missing.append("--connection ARN (aws codeconnections create-connection makes one; authorise it there)")
    if missing:
        raise ValueError(f"The stack {name} needs {' and '.join(missing)}.")


def _deploy(stacks: Stacks, name: str, body: str, parameters: Mapping[str, str], review: Review) -> None:
    changed = stacks.deploy(name, body, parameters, review)
    console.note(f"The stack {name} is {'up to date' if changed else 'as it was'}.")


def _template(name: str) -> str:
    return (TEMPLATES / f"{name}.yml").read_text(encoding="utf-8")
