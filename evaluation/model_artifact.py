"""Opens a model artifact the way a serving container does: through its own `code/inference.py`."""

from __future__ import annotations

import importlib.util
import json
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Artifact:
    handler: ModuleType  # model_fn, input_fn, predict_fn, output_fn, perhaps explain_fn
    model: Any  # what model_fn returned
    metadata: dict[str, Any]
    folder: Path  # unpacked

    def estimator(self) -> Any:
        """What an artifact keeps as model.joblib, for analyses that fit it anew; its classes are beside the handler."""
        import joblib

        return joblib.load(self.folder / "model.joblib")

    def rivals(self) -> dict[str, Any]:
        """Fitted estimators by name that this one was chosen among, itself one of them; none where none were kept."""
        import joblib

        path = self.folder / "rivals.joblib"
        return joblib.load(path) if path.exists() else {}

    def records(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table as a request carries it, read by the artifact's own `input_fn`: the same columns."""
        return pd.DataFrame(self.handler.input_fn(table.to_json(orient="records"), "application/json"))

    def predict(self, records: pd.DataFrame) -> pd.DataFrame:
        """Columns `probability` and `label`, a row a record."""
        return pd.DataFrame(self.handler.predict_fn(records, self.model))

    def explain(self, records: Any) -> pd.DataFrame | None:
        """SHAP values in log-odds, a row a record and a column a raw feature; None for an artifact that offers none."""
        explain = getattr(self.handler, "explain_fn", None)
        return explain(records, self.model) if explain else None


def load(folder: Path, workspace: Path) -> Artifact:
    """`folder` holds model.tar.gz, or the unpacked model. Raises ValueError naming what is not there."""
    archive = folder / "model.tar.gz"
    if archive.exists():
        with tarfile.open(archive) as bundle:
            bundle.extraction_filter = getattr(tarfile, "data_filter", None)  # Python before 3.11.4 has none
            bundle.extractall(workspace)
        folder = workspace
    code = folder / "code" / "inference.py"
    for needed in (code, folder / "metadata.json"):
        if not needed.exists():
            raise ValueError(
                f"The model in {folder} lacks {needed.relative_to(folder)}: give it the training job's output."
            )
    handler = import_file(code)
    metadata = json.loads((folder / "metadata.json").read_text())
    return Artifact(handler, handler.model_fn(str(folder)), metadata, folder)


def import_file(path: Path) -> ModuleType:
    """As the serving stack does: the file's folder is on the path, the file is the module `inference`."""
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location("inference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["inference"] = module
    spec.loader.exec_module(module)
    return module
