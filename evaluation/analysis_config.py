"""Clarify's analysis configuration, as far as analyses here follow it (developer guide, "Configure the analysis")."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Config = dict[str, Any]
REFUSED = {
    "": (
        "time_series_data_config", "segment_config", "facet_dataset_uri", "predicted_label_dataset_uri",
        "joinsource_name_or_index",
    ),
    "methods": ("asymmetric_shapley_value",),
    "methods.shap": ("text_config", "image_config"),
    "predictor": ("target_model", "accelerator_type", "time_series_predictor_config"),
}  # fmt: skip
METHODS = ("pre_training_bias", "post_training_bias", "shap", "pdp")


def read(path: Path) -> Config:
    """Raises:
    ValueError: the file, or what of it is not done here, before anything is made.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if config.get("version", "1.0") != "1.0":
        raise ValueError(f"version of the analysis config is {config['version']!r}: 1.0 is the only one")
    for where, names in REFUSED.items():
        part = config
        for step in where.split(".") if where else ():
            part = part.get(step) or {}
        for name in names:
            if part.get(name) is not None:
                raise ValueError(f"{where + '.' if where else ''}{name} of the analysis config is not supported here")
    if not set(METHODS) & set(config.get("methods", {})):
        raise ValueError(f"the analysis config's methods must have at least one of {', '.join(METHODS)}")
    return config


def stages(config: Config, only: str = "") -> list[str]:
    """The stages of bias that the config's methods name, or the one of them that is asked for.

    Raises:
        ValueError: no such stage, or the config's methods lack it.
    """
    named = [stage for stage in ("pre_training", "post_training") if f"{stage}_bias" in config["methods"]]
    if only and only not in ("pre_training", "post_training"):
        raise ValueError(f"stage is {only!r}: pre_training or post_training")
    if only and only not in named:
        raise ValueError(f"stage is {only}, and the analysis config's methods have no {only}_bias")
    return [only] if only else named


def listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]
