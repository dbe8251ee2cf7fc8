"""What MiniStack's CloudFormation is given: runs inside MiniStack's process, with each private call that it relies on.

MiniStack 1.5 knows no CodePipeline and no SageMaker type, and its CodeBuild is not sagelocal's. Here a stack makes
those by sagelocal's API. Unlike in MiniStack alone, a template is checked first for intrinsic functions and properties
that nobody would heed, and a stack that was reported as complete is on disk with all that it made: a kill loses none.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from typing import Any

from sagelocal.config import LOOPBACK, OURS
from sagelocal.stacks import interrupted, types
from sagelocal.stacks.completions import COMPLETIONS, Completion
from sagelocal.stacks.conversion import is_function
from sagelocal.stacks.heeded import checked
from sagelocal.stacks.references import unresolved

Document = dict[str, Any]
# The functions that MiniStack's CloudFormation resolves.
_FUNCTIONS = {
    "Fn::And",
    "Fn::Base64",
    "Fn::Cidr",
    "Fn::Equals",
    "Fn::FindInMap",
    "Fn::GetAZs",
    "Fn::GetAtt",
    "Fn::If",
    "Fn::ImportValue",
    "Fn::Join",
    "Fn::Not",
    "Fn::Or",
    "Fn::Select",
    "Fn::Split",
    "Fn::Sub",
    "Fn::ToJsonString",
}


class Provisioner:
    """Makes resources of `types.TYPES` by sagelocal's API and MiniStack's own, each on its port."""

    def __init__(self, sagelocal_port: int, ministack_port: int, access_key: str, secret_key: str) -> None:
        self._ports = sagelocal_port, ministack_port
        self._keys = {"aws_access_key_id": access_key, "aws_secret_access_key": secret_key}

    def handlers(self, kind: str) -> Document:
        """The row of MiniStack's table of resource types. Each runs in a thread, as sagelocal calls MiniStack too."""
        row = types.TYPES[kind]

        def create(logical_id: str, properties: Document, stack: str) -> tuple[str, Document]:
            name = properties.get(row.name) or _generated(stack, logical_id)
            place = _place()
            types.create(kind, name, properties, self._client, place)
            return types.reference(kind, name, place), types.attributes(kind, name, place)

        def update(physical: str, before: Document, after: Document, stack: str) -> tuple[str, Document]:
            name, place = _name(physical), _place()
            types.update(kind, name, before, after, self._client)
            return types.reference(kind, name, place), types.attributes(kind, name, place)

        def delete(physical: str, properties: Document) -> None:
            types.delete(kind, _name(physical), self._client)

        return {"create": create, "update": update, "delete": delete}

    def completed(self, row: Document, completion: Completion) -> Document:
        """MiniStack's row of a type, which also does what it left out."""

        def create(logical_id: str, properties: Document, stack: str) -> tuple[str, Document]:
            physical, found = row["create"](logical_id, properties, stack)
            completion.configure(self._client(completion.service), physical, {}, properties)
            return physical, found

        def update(physical: str, before: Document, after: Document, stack: str, *rest: str) -> tuple[str, Document]:
            now, found = row["update"](physical, before, after, stack, *rest)
            completion.configure(self._client(completion.service), now, before if now == physical else {}, after)
            return now, found

        return {**row, "create": create, "update": update}

    @functools.cached_property
    def _session(self) -> Any:
        import boto3
        import botocore.session

        core = botocore.session.Session()
        for variable in ("config_file", "credentials_file"):  # a broken one of the user's would end every call
            core.set_config_variable(variable, os.devnull)
        return boto3.session.Session(botocore_session=core)

    def _client(self, service: str) -> Any:
        from botocore.config import Config

        url = f"http://{LOOPBACK}:{self._ports[0 if service in OURS else 1]}"
        region = _place()["region"]
        return self._session.client(
            service, endpoint_url=url, region_name=region, config=Config(proxies={}), **self._keys
        )


def install(provisioner: Provisioner) -> None:
    """Extends MiniStack's CloudFormation as soon as anybody asks for it: importing it takes a second."""
    from ministack import app

    module = app._get_module
    extended: list[Any] = []

    def get_module(name: str) -> Any:
        found = module(name)
        if name == "cloudformation" and not extended:
            extended.append(found)
            _extend(provisioner)
        return found

    app._get_module = get_module


def _extend(provisioner: Provisioner) -> None:
    from ministack.services.cloudformation import changesets, handlers, provisioners, stacks

    known = provisioners._RESOURCE_HANDLERS
    for kind, handlers_of in list(known.items()):
        completion = COMPLETIONS.get(kind)
        known[kind] = checked(kind, handlers_of, completion.properties if completion else ())
        if completion:
            known[kind] = provisioner.completed(known[kind], completion)
    for kind, row in types.TYPES.items():
        known[kind] = provisioner.handlers(kind)
        if row.service in OURS:  # MiniStack's own APIs take no tag that begins with aws:
            provisioners._STACK_TAG_PROPERTY[kind] = ("Tags", "list")
        else:
            provisioners._STACK_TAG_PROPERTY.pop(kind, None)
        provisioners._REPLACING_PROPERTIES[kind] = (row.name,)

    threaded = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda kind: kind in types.TYPES or kind in COMPLETIONS or threaded(kind)

    _check_templates()
    for name in ("_deploy_stack_async", "_delete_stack_async"):
        kept = _kept(getattr(stacks, name))
        for module in (stacks, handlers, changesets):
            if hasattr(module, name):
                setattr(module, name, kept)


def _check_templates() -> None:
    from ministack.services.cloudformation import changesets, engine, handlers

    supported = engine.validate_template_support

    def validate(template: Document, conditions: Document, params: Document | None = None) -> None:
        supported(template, conditions, params=params)
        if found := [*problems(template), *unresolved(template, conditions)]:
            raise ValueError("Template format error: " + " ".join(dict.fromkeys(found)))

    resolved = engine._resolve_parameters

    def resolve(template: Document, provided: list[Document], previous: Document | None = None) -> Document:
        """MiniStack overlooks the values of parameters that a template does not have."""
        given = {str(each["Key"]) for each in provided if "Key" in each}
        if unknown := sorted(given - set(template.get("Parameters") or {})):
            raise ValueError(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
        return dict(resolved(template, provided, previous))

    for module in (engine, handlers, changesets):
        module.validate_template_support = validate
        module._resolve_parameters = resolve


def _kept(operation: Any) -> Any:
    """Saves what MiniStack holds in the very step of its event loop in which the stack's end becomes visible."""

    async def run(*args: Any, **kwargs: Any) -> Any:
        from ministack import app
        from ministack.core import persistence

        interrupted.begin()
        try:
            return await operation(*args, **kwargs)
        finally:
            persistence.save_all(app._build_persistence_save_dict())
            interrupted.end()

    return run


def problems(template: Document) -> Iterator[str]:
    """What a template asks for that would be done wrong, or not at all."""
    for section in ("Conditions", "Resources", "Outputs"):
        for path, name in _functions(template.get(section) or {}, section):
            if name not in _FUNCTIONS:
                yield f"{path}: {name} is no intrinsic function that a laptop's stacks have."
    for logical_id, resource in (template.get("Resources") or {}).items():
        if resource.get("Type") in types.TYPES:
            yield from types.problems(resource["Type"], logical_id, resource.get("Properties") or {})


def _functions(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for number, each in enumerate(value):
            yield from _functions(each, f"{path}[{number}]")
    elif isinstance(value, dict):
        for name, each in value.items():
            if is_function(str(name)) and str(name).startswith("Fn::"):
                yield path, name
            yield from _functions(each, f"{path}.{name}")


def _generated(stack: str, logical_id: str) -> str:
    from ministack.services.cloudformation import provisioners

    return str(provisioners._physical_name(stack, logical_id, max_len=63))


def _name(physical: str) -> str:
    """A name from what Ref gives, which is an ARN for some types."""
    return physical.rpartition("/")[2] if physical.startswith("arn:") else physical


def _place() -> dict[str, str]:
    from ministack.core.responses import get_account_id, get_region

    return {"account": get_account_id(), "region": get_region()}
