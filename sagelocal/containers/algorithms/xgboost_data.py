"""The input channels of the XGBoost image as DMatrix: CSV, libsvm, Parquet and recordio-protobuf."""

from __future__ import annotations

import csv
import re
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xgboost

from . import recordio
from .errors import UserError
from .job import Channel, log

_KINDS = {
    "csv": ("csv", "text/csv"),
    "libsvm": ("libsvm", "text/libsvm", "text/x-libsvm"),
    "parquet": ("parquet", "application/x-parquet"),
    "recordio-protobuf": ("recordio-protobuf", "application/x-recordio-protobuf"),
}
_LIBSVM = re.compile(r"\S+(\s+(qid:)?\d+:\S+)*\s*(#.*)?$")
_LABEL = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?(:[\d.eE+-]+)?$")


def kind(channel: Channel) -> str:
    """libsvm without a ContentType. Raises UserError naming the known ones."""
    if not channel.content_type:
        return "libsvm"
    found = next((name for name, types in _KINDS.items() if channel.content_type in types), None)
    if found is None:
        known = ", ".join(each for types in _KINDS.values() for each in types)
        raise UserError(f"{channel.content_type} is not an accepted ContentType: {known}.")
    if found == "csv" and channel.parameters.get("label_size", "1") != "1":
        raise UserError(
            f"{channel.content_type};label_size={channel.parameters['label_size']} is not an accepted csv ContentType. "
            "Optional parameter label_size must be equal to 1"
        )
    return found


def load(channels: Sequence[Channel], weights: bool) -> xgboost.DMatrix | None:
    """All files of the channels as one matrix, None where there are none. `weights`: CSV's column 1 holds them."""
    for channel in channels:
        if channel.mode == "Pipe":
            raise UserError(
                "Pipe mode is no longer supported by this image. Please use Fast File mode instead, or set "
                "TrainingInputMode to File."
            )
    files = [file for channel in channels for file in _visible(channel)]
    if not files:
        return None
    form = kind(channels[0])
    log(f"Reading {len(files)} {form} files of {', '.join(str(channel.folder) for channel in channels)}")
    try:
        matrix = _READERS[form](files, weights)
    except UserError:
        raise
    except Exception as error:  # pandas, Arrow and XGBoost raise what they like
        raise UserError(f"Failed to load {form} data with exception:\n{error}") from error
    if matrix.get_label().size == 0:
        raise UserError("Got input data without labels. Please check the input data set.")
    return matrix


def _visible(channel: Channel) -> list[Path]:
    """Raises UserError for a hidden file, as the image does."""
    if any(each.name.startswith(".") for each in channel.folder.rglob("*") if each.is_file()):
        raise UserError("Hidden file found in the data path! Remove that before training.")
    return channel.files()


def _csv(files: Sequence[Path], weights: bool) -> xgboost.DMatrix:
    import pandas

    parts = []
    for file in files:
        with file.open(errors="ignore") as opened:
            first = opened.readline()
        frame = pandas.read_csv(file, header=None, sep=delimiter(first), skipinitialspace=True)
        texts = [column for column in frame if not pandas.api.types.is_numeric_dtype(frame[column])]
        if texts:
            raise ValueError(
                f"column {texts[0]} of {file.name} holds {frame[texts[0]].iloc[0]!r}, which is no number: the "
                "algorithm takes files of numbers, without a header"
            )
        parts.append(frame.to_numpy(np.float32))
    if len({part.shape[1] for part in parts}) > 1:
        raise ValueError(f"the files have {', '.join(str(part.shape[1]) for part in parts)} columns")
    data = np.concatenate(parts)
    first_feature = 2 if weights else 1
    return xgboost.DMatrix(data[:, first_feature:], label=data[:, 0], weight=data[:, 1] if weights else None)


def delimiter(line: str) -> str:
    if "," in line:
        return ","
    try:
        return csv.Sniffer().sniff(line).delimiter
    except csv.Error as error:
        raise UserError(f"Could not determine delimiter on line {line[:50]}:\n{error}") from error


def _libsvm(files: Sequence[Path], weights: bool) -> xgboost.DMatrix:
    """XGBoost's own reader: columns are counted from 0, as in the image."""
    for file in files:
        _check_libsvm(file)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that text input is deprecated
        for number, file in enumerate(files):
            (Path(folder) / f"{number}.libsvm").symlink_to(file)
        return xgboost.DMatrix(f"{folder}?format=libsvm", silent=True)


def _check_libsvm(file: Path) -> None:
    """The first line that is not blank, as CSV read as libsvm would be a matrix of labels only."""
    with file.open(errors="ignore") as opened:
        line = next((line for line in opened if line.strip()), "")
    if not line or not _LIBSVM.match(line) or not _LABEL.match(line.split()[0]):
        raise UserError(
            f"First line '{line[:50].rstrip()}...' of file '{file.name}' is not 'LIBSVM' format. Please ensure the "
            "file is in 'LIBSVM' format."
        )


def _parquet(files: Sequence[Path], weights: bool) -> xgboost.DMatrix:
    import pyarrow.parquet

    table = np.concatenate([pyarrow.parquet.read_table(file).to_pandas().to_numpy(np.float32) for file in files])
    return xgboost.DMatrix(table[:, 1:], label=table[:, 0])


def _recordio(files: Sequence[Path], weights: bool) -> xgboost.DMatrix:
    streams = [file.open("rb") for file in files]
    try:
        features, labels = recordio.read(streams)
    finally:
        for stream in streams:
            stream.close()
    return xgboost.DMatrix(features, label=labels)


_READERS = {"csv": _csv, "libsvm": _libsvm, "parquet": _parquet, "recordio-protobuf": _recordio}
