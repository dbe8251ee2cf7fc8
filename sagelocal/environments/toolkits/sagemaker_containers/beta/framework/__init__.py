"""The names under which AWS's examples import the toolkit; asking for what is not here names it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ... import _content_types as content_types
from ... import _encoders as encoders
from ... import _errors as errors
from ... import _worker as worker

__all__ = ["content_types", "encoders", "env", "errors", "modules", "transformer", "worker"]


class _Absent(SimpleNamespace):
    """A module that scripts import beside the others and hardly ever use."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"sagemaker_containers.beta.framework.{self.__dict__['_name']}.{name} is not in sagelocal."
        )


env, modules, transformer = _Absent(_name="env"), _Absent(_name="modules"), _Absent(_name="transformer")
