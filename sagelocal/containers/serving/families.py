"""What each framework image does where the user's script says nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import codec

CODE = "/opt/ml/model/code"


@dataclass(frozen=True)
class Defaults:
    """One image family: where its script is looked for, its default functions and its way to report an error."""

    directory: str  # SAGEMAKER_SUBMIT_DIRECTORY when that is not set
    script: str | None  # SAGEMAKER_PROGRAM when that is not set; None: it must be
    model_fn: Callable[[str], Any]
    input_fn: Callable[[Any, str], Any]
    predict_fn: Callable[[Any, Any], Any]
    output_fn: Callable[[Any, str], Any]
    context: bool = False  # functions may take one more argument, the request's context
    unreadable: int = 415  # status when input_fn does not know the content type
    unwritable: int = 406  # status when output_fn does not know the accept header
    json_errors: bool = True  # error bodies: a JSON object, or the message and the traceback


def _must_be_defined(model_dir: str) -> Any:
    raise NotImplementedError("Define model_fn(model_dir) in the script: this image has no default for it.")


def _sklearn_input(body: Any, content_type: str) -> Any:
    array = codec.to_array(body, content_type)
    return array.astype("float32") if content_type in codec.TEXT else array


def _sklearn_predict(data: Any, model: Any) -> Any:
    return model.predict(data)


def _xgboost_predict(data: Any, model: Any) -> Any:
    return model.predict(data, validate_features=False)


def _torch_model(model_dir: str) -> Any:
    import torch

    found = sorted(p for p in Path(model_dir).iterdir() if p.suffix in (".pt", ".pth") and p.is_file())
    preferred = [path for path in found if path.name in ("model.pth", "model.pt")]
    if len(preferred or found) != 1:
        names = [path.name for path in found]
        raise ValueError(f"Exactly one .pth or .pt file is needed in {model_dir} without a model_fn; found {names}")
    model = torch.jit.load((preferred or found)[0], map_location=_device())
    return model.to(_device())


def _device() -> Any:
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _torch_input(body: Any, content_type: str) -> Any:
    import torch

    array = codec.to_array(body, content_type)
    tensor = torch.from_numpy(array.astype("float32") if content_type in codec.TEXT else array)
    return tensor.to(_device())


def _torch_predict(data: Any, model: Any) -> Any:
    import torch

    model.eval()
    with torch.no_grad():
        return model.to(_device())(data.to(_device()))


def _torch_output(prediction: Any, accept: str) -> Any:
    """The first type of a comma-separated Accept header that can be written."""
    if hasattr(prediction, "detach"):  # a tensor
        prediction = prediction.detach().cpu().numpy()
    wanted = [part.partition(";")[0].strip() for part in accept.split(",")]
    chosen = next((part for part in wanted if part in (codec.JSON, codec.CSV, codec.NPY)), accept)
    return codec.encode(prediction, chosen), chosen


FAMILIES = {
    "scikit-learn": Defaults("/opt/ml/code", None, _must_be_defined, _sklearn_input, _sklearn_predict, codec.encode),
    "xgboost": Defaults("/opt/ml/code", None, _must_be_defined, codec.to_dmatrix, _xgboost_predict, codec.encode),
    "pytorch": Defaults(
        CODE,
        "inference.py",
        _torch_model,
        _torch_input,
        _torch_predict,
        _torch_output,
        context=True,
        unreadable=500,  # the toolkit maps an unknown type to a plain server error
        unwritable=500,
        json_errors=False,
    ),
}
