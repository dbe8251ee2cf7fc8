"""What Model Monitor's own engine needs beyond a declaration: AWS's images, and configurations that Clarify takes."""

from __future__ import annotations

import dataclasses
from typing import Any

from deploy import managed_monitors
from deploy.declaration import Kind
from deploy.watch import Watch
from mlops import storage, uploads

KERNEL = "kernel_shap"  # what Clarify's baselines have, where the project's own check has exact values of the trees


def images(region: str) -> dict[Kind, str]:
    from sagemaker.core import image_uris

    names = {kind: "clarify" if kind in managed_monitors.CLARIFY else "model-monitor" for kind in Kind}
    return {kind: image_uris.retrieve(name, region) for kind, name in names.items()}


def watches(s3: Any, found: list[Watch], model: str) -> tuple[list[Watch], list[str]]:
    """With Clarify's configurations, and a sentence for each that can't be monitored by AWS's images.

    `model` is the name of the one in service, which Clarify asks behind an endpoint of its own.
    """
    taken, left_out = [], []
    for each in found:
        if each.kind is Kind.DATA_QUALITY:
            taken.append(_preprocessed(s3, each))
        elif each.kind is Kind.MODEL_QUALITY:
            taken.append(each)
        elif why := _reason(s3, each, model):
            left_out.append(f"{each.kind} is not monitored: {why}")
        else:
            taken.append(_configured(s3, each, model))
    return taken, left_out


def _reason(s3: Any, found: Watch, model: str) -> str:
    if found.kind is not Kind.EXPLAINABILITY:
        return ""
    if not model:
        return "Clarify asks a model, and batch transform jobs name none here"
    uri = found.baseline["constraints"]
    if KERNEL not in storage.read_json(s3, uri).get("explanations", {}):
        return f"{uri} has no Kernel SHAP values, which Clarify compares with; mlops run --checks managed makes them"
    return ""


def _preprocessed(s3: Any, found: Watch) -> Watch:
    if found.declared.captures:  # AWS preprocesses what endpoints capture
        return found
    script = managed_monitors.preprocessor(_features(s3, found))
    uri = uploads.file(s3, f"{found.output}/code", managed_monitors.PREPROCESSOR.name, script.encode())
    return dataclasses.replace(found, baseline={**found.baseline, "preprocessor": uri})


def _features(s3: Any, found: Watch) -> list[str]:
    return [each["name"] for each in storage.read_json(s3, found.features)["features"]]


def _configured(s3: Any, found: Watch, model: str) -> Watch:
    config = storage.read_json(s3, found.baseline["config"])
    instance_type = found.monitor.instance_type
    changed = managed_monitors.clarify_config(found.kind, config, _features(s3, found), model, instance_type)
    uri = uploads.document(s3, f"{found.output}/config", "analysis_config.json", changed)
    return dataclasses.replace(found, baseline={**found.baseline, "config": uri})
