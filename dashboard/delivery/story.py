"""A lineage as parts: each a section to read and a node to draw, from what went in to the endpoint. Pure.

`trace` is what mlops.lineage.trace returns; a fact that nothing tells is None there, and said as unknown here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dashboard import look

Document = Mapping[str, Any]
UNKNOWN = "unknown"
_INPUTS = {"Data": "database", "Code": "code"}


@dataclass(frozen=True)
class Link:
    label: str
    address: str  # of dashboard.navigation
    query: Mapping[str, str]


@dataclass(frozen=True)
class Part:
    key: str
    icon: str  # of Material Symbols
    title: str
    brief: str  # beneath the title of its node
    status: str = ""  # AWS's word; "" where it has none
    facts: tuple[tuple[str, str], ...] = ()
    details: tuple[str, ...] = ()  # addresses and ARNs
    links: tuple[Link, ...] = ()
    into: tuple[str, ...] = field(default=())  # keys of the parts that this one went into
    known: bool = True


def parts(trace: Document) -> list[Part]:
    """Each after all that went into it; the endpoint is the last."""
    found: dict[str, Part] = {}
    release = trace["release"]
    doors = _approvals(release)
    first = doors[0].key if doors else "release"
    for variant in _shared(trace["variants"]):
        found |= {part.key: part for part in _variant(variant, first)}
    for part in [*doors, *_release(release), _endpoint(trace)]:
        found[part.key] = part
    return list(found.values())


def _shared(variants: Sequence[Document]) -> list[Document]:
    """Variants of one package as one, with all of their names."""
    found: dict[str, Document] = {}
    for each in variants:
        key = each["package"]["arn"] if each["package"] else f"model {each['model']}"
        names = f"{found[key]['name']}, {each['name']}" if key in found else each["name"]
        found[key] = {**each, "name": names}
    return list(found.values())


def _variant(variant: Document, door: str) -> Iterator[Part]:
    package = variant["package"]
    if package is None:
        yield Part(
            key=f"model {variant['model']}",
            icon="inventory_2",
            title=variant["model"] or "Model",
            brief="no model package",
            facts=(("Variant", variant["name"]),),
            details=tuple(variant["model_data"]),
            into=(door,),
            known=False,
        )
    elif "unreadable" in package:
        title = "/".join(package["arn"].rsplit("/", 2)[-2:])
        yield Part(
            key=package["arn"],
            icon="inventory_2",
            title=title,
            brief=UNKNOWN,
            facts=(("Variant", variant["name"]), ("Package", package["unreadable"])),
            details=(package["arn"],),
            into=(door,),
            known=False,
        )
    else:
        yield from _package(package, variant, door)


def _package(package: Document, variant: Document, door: str) -> Iterator[Part]:
    own, run = package["arn"], package["execution"]
    maker = f"execution {run['arn']}" if run else own
    yield _commit(f"commit {own}", package["commit"], package["repository"], maker)
    for kind, title in (("data", "Data"), ("code", "Code")):
        yield _inputs(title, f"{kind} {own}", package[kind], maker)
    if run:
        yield _execution(run, package, own)
    yield Part(
        key=own,
        icon="inventory_2",
        title=_named(package),
        brief="registered by hand" if run is None else f"registered {look.moment(package['registered'])[:10]}",
        facts=(
            ("Registered", look.moment(package["registered"])),
            ("Variant", variant["name"]),
            ("Model", str(variant["model"] or UNKNOWN)),
            *((("Made by", "no execution: it was registered by hand"),) if run is None else ()),
        ),
        details=(own, *package["model_data"], *package["images"]),
        links=_registry(package),
        into=(f"approval {own}",),
    )
    yield _approval(package, door)


def _named(package: Document) -> str:
    if package["group"]:
        return f"{package['group']} version {package['version']}"
    return str(package["arn"]).rsplit("/", 1)[-1]


def _registry(package: Document) -> tuple[Link, ...]:
    if not package["group"]:
        return ()
    query = {"group": package["group"], "version": str(package["version"])}
    return (Link(_named(package), "registry", query),)


def _commit(key: str, commit: str | None, repository: str | None, into: str) -> Part:
    if not commit:
        why = (("Commit", "unknown: nothing told the pipeline which it was"),)
        return Part(key, "commit", "Commit", UNKNOWN, facts=why, into=(into,), known=False)
    facts = (("Commit", commit), ("Repository", repository or UNKNOWN))
    return Part(key, "commit", f"Commit {commit[:8]}", repository or "", facts=facts, into=(into,))


def _inputs(title: str, key: str, versions: list[Document], into: str) -> Part:
    if not versions:
        why = ((title, "unknown: SageMaker's lineage names none"),)
        return Part(key, _INPUTS[title], title, UNKNOWN, facts=why, into=(into,), known=False)
    several = len(versions) > 1
    hashes = [each["hash"] or "no content hash" for each in versions]
    return Part(
        key=key,
        icon=_INPUTS[title],
        title=title,
        brief=f"{len(versions)} sources" if several else hashes[0],
        facts=tuple((_last(each["uri"]), content) for each, content in zip(versions, hashes, strict=True)),
        details=tuple(each["uri"] for each in versions),
        into=(into,),
    )


def _last(uri: str) -> str:
    """The end of an address that a person knows it by: training/churn, churn.parquet."""
    names = [name for name in uri.rstrip("/").split("/") if name]
    if len(names[-1].split(".")[0]) >= 16 and len(names) > 2:  # the content's hash itself
        return "/".join(names[-3:-1])
    return names[-1]


def _execution(run: Document, package: Document, into: str) -> Part:
    pipeline, identity = run["arn"].split("/")[-3::2] if "/execution/" in run["arn"] else ("", run["arn"])
    link = (Link(f"Execution {identity}", "pipelines", {"pipeline": pipeline, "execution": identity}),)
    if "unreadable" in run:
        facts: tuple[tuple[str, str], ...] = (("Execution", run["unreadable"]),)
        return Part(
            key=f"execution {run['arn']}",
            icon="account_tree",
            title=f"{pipeline} {identity}",
            brief=UNKNOWN,
            facts=facts,
            details=(run["arn"],),
            into=(into,),
            known=False,
        )
    said = (("Said", run["description"]),) if run["description"] else ()
    return Part(
        key=f"execution {run['arn']}",
        icon="account_tree",
        title=f"{pipeline} {identity}",
        brief=f"{len(package['jobs'])} jobs",
        status=run["status"],
        facts=(
            ("Started", sentence(run["started"], run["by"])),
            ("Took", look.duration(run["started"], run["ended"])),
            ("Name", run["name"] or UNKNOWN),
            *said,
        ),
        details=(run["arn"], *(each["arn"] for each in package["jobs"])),
        links=link,
        into=(into,),
    )


def _approval(package: Document, door: str) -> Part:
    approval = package["approval"]
    decided = approval["at"] is not None
    facts = [("Decided", sentence(approval["at"], approval["by"]) or UNKNOWN)] if decided else []
    if decided:
        facts.append(("Reason", approval["why"] or "none was given"))
    return Part(
        key=f"approval {package['arn']}",
        icon="how_to_reg",
        title="Model approval",
        brief=person(approval["by"]) if decided else "",
        status=approval["status"] or "",
        facts=tuple(facts),
        links=_registry(package),
        into=(door,),
        known=bool(approval["status"]),
    )


def _approvals(release: Document | None) -> list[Part]:
    """The manual approvals that let the release on, each before the next, the last before the release."""
    found = [] if release is None else _passed(release)
    keys = [f"door {number} {each['stage']}" for number, each in enumerate(found)]
    return [
        Part(
            key=key,
            icon="how_to_reg",
            title=each["stage"],
            brief=person(each["by"]),
            status="Approved" if each["status"] == "Succeeded" else each["status"],
            facts=(
                ("Answered", sentence(each["at"], each["by"]) or UNKNOWN),
                ("Reason", each["why"] or "none was given"),
            ),
            links=_delivery(release or {}),
            into=(after,),
        )
        for key, each, after in zip(keys, found, [*keys[1:], "release"], strict=False)
    ]


def _passed(release: Document) -> list[Document]:
    """Of its CodePipeline execution's approvals: those of later stages are answered after the release, or wait."""
    return sorted(
        (
            each
            for each in release["approvals"]
            if each["status"] == "Succeeded" and (not release["at"] or not each["at"] or each["at"] <= release["at"])
        ),
        key=lambda each: str(each["at"]),
    )


def _delivery(release: Document) -> tuple[Link, ...]:
    links = []
    if release["pipeline"] and release["execution"]:
        query = {"pipeline": release["pipeline"], "execution": release["execution"]}
        links.append(Link(f"{release['pipeline']} {release['execution'][:8]}", "delivery", query))
    return tuple(links)


def _release(release: Document | None) -> Iterator[Part]:
    if release is None:
        why = (("Release", "by hand: no build recorded it (mlops deploy, or a pipeline's own step)"),)
        yield Part("release", "local_shipping", "Release", "by hand", facts=why, into=("endpoint",), known=False)
        return
    build = release["build"]
    of_codebuild = bool(build) and ":" in build and "//" not in build
    query = {"build": build} if of_codebuild else {}
    yield Part(
        key="release",
        icon="local_shipping",
        title="Release",
        brief=f"{release['pipeline'] or 'build'} {(release['execution'] or '')[:8]}".strip(),
        facts=(
            ("Released", sentence(release["at"], release["by"]) or UNKNOWN),
            ("Pipeline", release["pipeline"] or UNKNOWN),
            ("Execution", release["execution"] or UNKNOWN),
            ("Build", build or UNKNOWN),
            ("Commit of the release", release["commit"] or UNKNOWN),
        ),
        links=(*_delivery(release), *((Link("Log of the release", "delivery", query),) if query else ())),
        into=("endpoint",),
    )


def _endpoint(trace: Document) -> Part:
    endpoint = trace["endpoint"]
    variants = ", ".join(each["name"] for each in trace["variants"])
    return Part(
        key="endpoint",
        icon="dns",
        title=endpoint["name"],
        brief="",
        status=endpoint["status"],
        facts=(
            ("Config", endpoint["config"]),
            ("Variants", variants),
            ("Created", look.moment(endpoint["created"])),
            ("Changed", look.moment(endpoint["modified"])),
        ),
        details=(endpoint["arn"],),
        links=(Link(endpoint["name"], "endpoints", {"endpoint": endpoint["name"]}),),
    )


def sentence(at: datetime | None, by: str | None) -> str:
    return " ".join(part for part in (look.moment(at), f"by {person(by)}" if by else "") if part)


def person(by: str | None) -> str:
    """The last part of an ARN: who it was, in the words of the account."""
    return f"{by}".rsplit("/", 1)[-1] if by else UNKNOWN


def edges(found: list[Part]) -> list[tuple[str, str]]:
    keys = {part.key for part in found}
    return [(part.key, into) for part in found for into in part.into if into in keys]
