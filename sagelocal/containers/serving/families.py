"""What each framework image does where the user's script says nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import codec, huggingface
from .answers import Flask, HuggingFace, Toolkit

CODE = "/opt/ml/model/code"
_FLASK = Flask()


@dataclass(frozen=True)
class Defaults:
    """One image family: its default functions, and the server that calls them."""

    model_fn: Callable[[str], Any]
    input_fn: Callable[[Any, Any], Any]
    predict_fn: Callable[[Any, Any], Any]
    output_fn: Callable[[Any, str], Any]
    stack: Flask | Toolkit | HuggingFace = _FLASK
    script: str | None = None  # SAGEMAKER_PROGRAM when that is not set; None: it must be
    submits: bool = True  # SAGEMAKER_SUBMIT_DIRECTORY is where the script lies; else it is /opt/ml/model/code
    hooks: bool = False  # pre_model_fn and model_warmup_fn
    context: bool = False  # functions may take one more argument, the request's context
    execution_parameters: bool = False  # the script's execution_parameters_fn answers /execution-parameters
    content_type: str | None = None  # of a request that has none
    accept: bool = True  # SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT counts
    malformed: str = "strict"  # what becomes of bytes that are no UTF-8, as in bytes.decode


def of(family: str, environment: Mapping[str, str]) -> Defaults:
    """The defaults of a container with these variables: in multi-model mode another server calls other functions."""
    defaults = FAMILIES[family]
    if environment.get("SAGEMAKER_MULTI_MODEL", "").lower() != "true" or family not in _MULTI_MODEL:
        return defaults
    return _MULTI_MODEL[family]


def _must_be_defined(model_dir: str) -> Any:
    raise NotImplementedError("Define model_fn(model_dir) in the script: this image has no default for it.")


def _sklearn_input(body: Any, content_type: str) -> Any:
    array = codec.to_squeezed_array(body, content_type)
    return array.astype("float32") if content_type in codec.TEXT else array


def _sklearn_multi_model_input(body: Any, content_type: str | None) -> Any:
    """Unlike for a single model, one row stays a row."""
    array = codec.to_array(body, content_type)
    if len(array.shape) == 1:
        array = array.reshape(1, -1)
    return array.astype("float32") if content_type in codec.TEXT else array


def _sklearn_predict(data: Any, model: Any) -> Any:
    return model.predict(data)


def _xgboost_predict(data: Any, model: Any) -> Any:
    return model.predict(data, validate_features=False)


def _written(prediction: Any, accept: str) -> tuple[bytes, str]:
    return codec.encode_rows(prediction, accept), accept


def _written_by_toolkit(prediction: Any, accept: str) -> tuple[bytes, str]:
    return codec.encode(prediction, accept), accept


def _torch_model(model_dir: str) -> Any:
    """model.pt, else the only file that ends with .pt or .pth; a TorchScript file."""
    import torch

    path = Path(model_dir, "model.pt")
    if not path.exists():
        found = [each for each in sorted(Path(model_dir).iterdir()) if each.suffix in (".pt", ".pth")]
        if len(found) != 1:
            names = [each.name for each in found]
            raise ValueError(f"Without a model_fn exactly one .pth or .pt file is needed in {model_dir}; found {names}")
        path = found[0]
    try:
        return torch.jit.load(path, map_location=_device()).to(_device())
    except RuntimeError as error:
        raise RuntimeError(
            f"{path} is no TorchScript file, which the default model_fn reads: define model_fn in code/inference.py."
        ) from error


def _device() -> Any:
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _torch_input(body: Any, content_type: str | None) -> Any:
    import torch

    array = codec.to_array(body, content_type)
    tensor = torch.FloatTensor(array) if content_type in codec.TEXT else torch.from_numpy(array)
    return tensor.to(_device())


def _torch_predict(data: Any, model: Any) -> Any:
    import torch

    with torch.no_grad():
        model = model.to(_device())
        model.eval()
        return model(data.to(_device()))


def _torch_output(prediction: Any, accept: str) -> bytes:
    """The first type of a comma-separated Accept header that can be written; the whole header is the answer's type."""
    if hasattr(prediction, "detach"):  # a tensor
        prediction = prediction.detach().cpu().numpy().tolist()
    wanted = accept.replace(" ", "").split(",")
    return codec.encode(prediction, next((each for each in wanted if each in _TORCH_TYPES), accept))


_TORCH_TYPES = (codec.JSON, codec.CSV, codec.NPY)
_SKLEARN = Defaults(
    _must_be_defined,
    _sklearn_input,
    _sklearn_predict,
    _written,
    execution_parameters=True,
    content_type=codec.JSON,
    malformed="replace",
)
_XGBOOST = replace(_SKLEARN, input_fn=codec.to_dmatrix, predict_fn=_xgboost_predict, execution_parameters=False)
_PYTORCH = Defaults(
    _torch_model,
    _torch_input,
    _torch_predict,
    _torch_output,
    stack=Toolkit(),
    script="inference.py",
    submits=False,
    hooks=True,
    context=True,
)
FAMILIES = {
    "scikit-learn": _SKLEARN,
    "xgboost": _XGBOOST,
    "pytorch": _PYTORCH,
    "huggingface": Defaults(
        huggingface.load,
        huggingface.read,
        huggingface.predict,
        huggingface.write,
        stack=HuggingFace(),
        script="inference.py",
        submits=False,
        context=True,
        accept=False,
    ),
}
_MULTI_MODEL = {
    "scikit-learn": replace(
        _SKLEARN,
        input_fn=_sklearn_multi_model_input,
        output_fn=_written_by_toolkit,
        stack=Toolkit(),
        execution_parameters=False,
        content_type=None,
        malformed="strict",
    ),
    "xgboost": replace(_XGBOOST, stack=Toolkit(), content_type=None, malformed="strict"),
}
