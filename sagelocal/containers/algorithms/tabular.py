"""What AWS's own algorithms share: channels of rows, and an artifact of arrays."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from . import recordio
from .answers import CSV, RECORDIO
from .errors import UserError
from .job import Channel, Job, log

Rows = tuple[Any, np.ndarray | None]  # features (rows, columns) and labels (rows,), None without any
_CHANNELS_FAILED = "Unable to initialize the algorithm. Failed to validate input data configuration."
_ARTIFACT = "model_algo-1"  # AWS's name for it; what is in it is sagelocal's own (a NumPy archive)
_META = "meta"


def channels(job: Job, known: Mapping[str, bool], types: tuple[str, ...] = (RECORDIO, CSV)) -> None:
    """Raises UserError for a missing required channel (True), an unknown one or a content type that is not read."""
    for name, required in known.items():
        if required and name not in job.channels:
            raise UserError(f"{_CHANNELS_FAILED} (caused by ValidationError): {name!r} is a required property")
    for name, channel in job.channels.items():
        if name not in known:
            raise UserError(
                f"{_CHANNELS_FAILED} (caused by ValidationError): Additional properties are not allowed ({name!r} was "
                "unexpected)"
            )
        if _type(channel) not in types:
            raise UserError(
                f"{_CHANNELS_FAILED} (caused by ValidationError): the ContentType of channel {name}, "
                f"{_type(channel)!r}, is not one of {', '.join(types)}"
            )


def _type(channel: Channel) -> str:
    return channel.content_type or RECORDIO


def load(job: Job, name: str, features: int | None, *, labels: bool, keep_sparse: bool = False) -> Rows | None:
    """A channel's rows as float32, None for a channel that the job does not have.

    `features` is the feature_dim to hold to, `labels` whether each row must have one. Raises UserError.
    """
    channel = job.channels.get(name)
    if channel is None:
        return None
    with channel.streams() as streams:
        if _type(channel) == CSV:
            found, truth = _csv(streams, int(channel.parameters.get("label_size", "1")), name)
        else:
            found, truth = recordio.read(streams, only="float32_tensor")
    log(f"Channel {name}: {found.shape[0]} records with {found.shape[1]} features")
    if labels and truth is None:
        raise UserError(f"The records of channel {name} have no labels.")
    if sparse.issparse(found):
        if features and found.shape[1] < features:
            found.resize(found.shape[0], features)
        found = found.astype(np.float32) if keep_sparse else found.toarray().astype(np.float32)
    if features and found.shape[1] != features:
        raise UserError(
            f"feature_dim is {features}, but the records of channel {name} have {found.shape[1]} features. In CSV the "
            "first column is the label unless the ContentType says label_size=0."
        )
    if not np.isfinite(found.data if sparse.issparse(found) else found).all():
        raise UserError(f"Channel {name} has values that are no finite numbers.")
    return found, truth


def _csv(streams: Iterator[Any], label_size: int, name: str) -> Rows:
    import pandas

    if label_size not in (0, 1):
        raise UserError(f"label_size {label_size} of channel {name} is not supported: 0 or 1 is.")
    parts = []
    for stream in streams:
        try:
            body = stream.read()
            parts.append(pandas.read_csv(io.BytesIO(body), header=None, dtype=np.float32).to_numpy())
        except ValueError as error:
            raise UserError(f"Channel {name} has a file that is no CSV of numbers without a header: {error}") from error
    if not parts:
        raise UserError(f"Channel {name} has no files.")
    if len({part.shape[1] for part in parts}) > 1:
        raise UserError(f"The files of channel {name} have different numbers of columns.")
    data = np.concatenate(parts)
    return data[:, label_size:], data[:, 0] if label_size else None


def save(job: Job, meta: Mapping[str, Any], **arrays: np.ndarray) -> None:
    """Writes the artifact."""
    with (job.model / _ARTIFACT).open("wb") as file:
        np.savez(file, **{_META: np.array(json.dumps(meta))}, **arrays)  # type: ignore[arg-type]


def restore(model_dir: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The artifact's metadata and arrays. Raises ValueError for one that AWS made, or none."""
    file = Path(model_dir) / _ARTIFACT
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return json.loads(str(arrays.pop(_META))), arrays
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"{file} is no artifact that sagelocal's algorithm wrote ({error}). AWS's own artifacts have a format of "
            "their own and serve on AWS only."
        ) from error


def dense(features: recordio.Matrix) -> np.ndarray:
    return features if isinstance(features, np.ndarray) else features.toarray()


def batches(count: int, size: int, rng: np.random.Generator | None = None) -> Iterator[np.ndarray]:
    """Row numbers in mini-batches of `size`, shuffled by `rng`."""
    order = np.arange(count) if rng is None else rng.permutation(count)
    for start in range(0, count, size):
        yield order[start : start + size]
