"""The Hugging Face image's default functions: a transformers pipeline, and the formats of its requests and answers."""

from __future__ import annotations

import base64
import csv
import datetime
import io
import json
import os
from pathlib import Path
from typing import Any

from . import codec

_IMAGES = tuple(f"image/{kind}" for kind in ("jpeg", "png", "tiff", "bmp", "gif", "webp", "x-image"))
_AUDIO = ("audio/x-flac", "audio/mpeg", "audio/wave", "audio/ogg", "audio/x-audio")
_COLUMNS = ("question", "context", "inputs")
_NO_CSV = ("zero-shot-classification", "table-question-answering")  # their inputs are nested
# Endings of an architecture's name in config.json; of several that fit the last one counts.
_TASKS = {
    "TapasForQuestionAnswering": "table-question-answering",
    "ForQuestionAnswering": "question-answering",
    "ForTokenClassification": "token-classification",
    "ForSequenceClassification": "text-classification",
    "ForMultipleChoice": "multiple-choice",
    "ForMaskedLM": "fill-mask",
    "ForCausalLM": "text-generation",
    "ForConditionalGeneration": "text2text-generation",
    "MTModel": "text2text-generation",
    "EncoderDecoderModel": "text2text-generation",
    "GPT2LMHeadModel": "text-generation",
    "T5WithLMHeadModel": "text2text-generation",
}


def load(model_dir: str) -> Any:
    """The pipeline of HF_TASK, else of the architecture in config.json; HF_MODEL_ID is downloaded first.

    Raises ValueError where no task can be told, and what transformers raises.
    """
    if model_id := os.environ.get("HF_MODEL_ID"):
        model_dir = _downloaded(model_id)
    task = os.environ.get("HF_TASK") or _task(Path(model_dir))
    os.environ["HF_TASK"] = task  # the image sets it, too, for a script to see
    import torch
    from transformers import pipeline

    device = 0 if torch.cuda.is_available() else -1
    trust = os.environ.get("HF_TRUST_REMOTE_CODE", "False").lower() in ("true", "1", "yes", "y", "t", "on")
    return pipeline(task=task, model=model_dir, device=device, trust_remote_code=trust)


def _downloaded(model_id: str) -> str:
    from huggingface_hub import snapshot_download

    revision, token = os.environ.get("HF_MODEL_REVISION"), os.environ.get("HF_API_TOKEN")
    return str(snapshot_download(model_id, revision=revision, token=token))


def _task(folder: Path) -> str:
    config = folder / "config.json"
    if not config.exists():
        raise ValueError(f"HF_TASK is not set, and {folder} has no config.json to tell the pipeline's task from.")
    architecture = (json.loads(config.read_text()).get("architectures") or [""])[0]
    if found := [task for ending, task in _TASKS.items() if architecture.endswith(ending)]:
        return found[-1]
    raise ValueError(f"The architecture {architecture!r} in config.json tells no task: set HF_TASK.")


def read(body: Any, content_type: str | None) -> Any:
    """What the pipeline is given: `{"inputs": …, "parameters": …}`, or an NPY body's array."""
    import numpy as np

    if content_type == codec.JSON:
        return json.loads(body)
    if content_type == codec.CSV:
        return _read_csv(body)
    if content_type == codec.NPY:
        return np.load(io.BytesIO(body), allow_pickle=False)
    if content_type in _IMAGES:
        from PIL import Image

        return {"inputs": Image.open(io.BytesIO(body)).convert("RGB")}
    if content_type in _AUDIO:
        return {"inputs": bytes(body)}
    raise codec.UnsupportedFormatError(content_type, (codec.JSON, codec.CSV, codec.NPY, *_IMAGES, *_AUDIO))


def _read_csv(text: str) -> dict[str, list[Any]]:
    if (task := os.environ.get("HF_TASK")) in _NO_CSV:
        raise ValueError(f"{codec.CSV} can't hold the inputs of {task}: send {codec.JSON}.")
    header = (text.splitlines() or [""])[0].lower()
    if not any(column in header for column in _COLUMNS):
        raise ValueError(f"The CSV needs a header with a column inputs, or question and context; it begins {header!r}.")
    rows = list(csv.DictReader(io.StringIO(text)))
    return {"inputs": [row["inputs"] for row in rows] if rows and "inputs" in rows[0] else rows}


def predict(data: Any, model: Any) -> Any:
    inputs = data.pop("inputs", data)
    parameters = data.pop("parameters", None)
    return model(inputs) if parameters is None else model(inputs, **parameters)


def write(prediction: Any, accept: str) -> str | bytes:
    if accept == codec.JSON:
        separators = (",", ":")
        return json.dumps(prediction, ensure_ascii=False, allow_nan=False, separators=separators, default=_plain)
    if accept == codec.CSV:
        rows = prediction if isinstance(prediction, list) else list(prediction)
        out = io.StringIO()
        writer = csv.DictWriter(out, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
        return out.getvalue()
    if accept in _IMAGES:
        buffer = io.BytesIO()
        prediction.save(buffer, format="PNG" if accept == "image/x-image" else accept.removeprefix("image/").upper())
        return buffer.getvalue()
    if accept == codec.NPY:
        return codec.encode(prediction, accept)
    raise codec.UnsupportedFormatError(accept, (codec.JSON, codec.CSV, codec.NPY, *_IMAGES))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return str(value)
    if hasattr(value, "save") and hasattr(value, "convert"):  # an image
        buffer = io.BytesIO()
        value.save(buffer, format="PNG")
        return base64.b64encode(buffer.getvalue()).decode()
    return codec.plain(value)
