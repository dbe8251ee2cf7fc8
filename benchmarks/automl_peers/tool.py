"""One AutoML tool, called directly: learns from a CSV file within a budget, and answers for another.

    python tool.py NAME train.csv test.csv TARGET binary|regression SECONDS CORES predictions.csv

Runs in the tool's own environment. What is written is a column `predicted`: the probability of 1, or the value.
"""

from __future__ import annotations

import sys
from typing import Any

import pandas as pd


def flaml(train: pd.DataFrame, test: pd.DataFrame, target: str, problem: str, seconds: float, cores: int) -> Any:
    from flaml import AutoML

    model = AutoML()
    rows, records = categories(train.drop(columns=target), test.drop(columns=target))
    task, metric = ("classification", "roc_auc") if problem == "binary" else ("regression", "rmse")
    model.fit(rows, train[target], task=task, metric=metric, time_budget=seconds, n_jobs=cores, seed=0, verbose=0)
    return model.predict_proba(records)[:, 1] if problem == "binary" else model.predict(records)


def tpot(train: pd.DataFrame, test: pd.DataFrame, target: str, problem: str, seconds: float, cores: int) -> Any:
    import tpot

    rows, records = train.drop(columns=target), test.drop(columns=target)
    texts = [name for name in rows if rows[name].dtype == object]
    common = {"max_time_mins": seconds / 60, "n_jobs": cores, "random_state": 0, "categorical_features": texts}
    if problem == "binary":
        model = tpot.TPOTClassifier(scorers=["roc_auc_ovr"], scorers_weights=[1], preprocessing=True, **common)
    else:
        model = tpot.TPOTRegressor(
            scorers=["neg_root_mean_squared_error"], scorers_weights=[1], preprocessing=True, **common
        )
    model.fit(rows, train[target])
    return model.predict_proba(records)[:, 1] if problem == "binary" else model.predict(records)


def h2o(train: pd.DataFrame, test: pd.DataFrame, target: str, problem: str, seconds: float, cores: int) -> Any:
    import h2o
    from h2o.automl import H2OAutoML

    h2o.init(nthreads=cores, bind_to_localhost=True, max_mem_size="6G", verbose=False)
    try:
        rows, records = h2o.H2OFrame(train), h2o.H2OFrame(test.drop(columns=target))
        if problem == "binary":
            rows[target] = rows[target].asfactor()
        metric = "AUC" if problem == "binary" else "RMSE"
        model = H2OAutoML(max_runtime_secs=int(seconds), seed=0, sort_metric=metric)
        model.train(y=target, training_frame=rows)
        found = model.leader.predict(records).as_data_frame()
    finally:
        h2o.cluster().shutdown()
    return found["p1" if problem == "binary" else "predict"]


def autosklearn(train: pd.DataFrame, test: pd.DataFrame, target: str, problem: str, seconds: float, cores: int) -> Any:
    from autosklearn import classification, metrics, regression

    rows, records = categories(train.drop(columns=target), test.drop(columns=target))
    if problem == "binary":
        model = classification.AutoSklearnClassifier(
            time_left_for_this_task=int(seconds), n_jobs=cores, seed=0, metric=metrics.roc_auc
        )
    else:
        model = regression.AutoSklearnRegressor(
            time_left_for_this_task=int(seconds), n_jobs=cores, seed=0, metric=metrics.root_mean_squared_error
        )
    model.fit(rows, train[target])
    return model.predict_proba(records)[:, 1] if problem == "binary" else model.predict(records)


def categories(rows: pd.DataFrame, records: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    texts = [name for name in rows if rows[name].dtype == object]
    return rows.astype(dict.fromkeys(texts, "category")), records.astype(dict.fromkeys(texts, "category"))


TOOLS = {"flaml": flaml, "tpot": tpot, "h2o": h2o, "autosklearn": autosklearn}

if __name__ == "__main__":
    name, train, test, target, problem, seconds, cores, out = sys.argv[1:]
    found = TOOLS[name](pd.read_csv(train), pd.read_csv(test), target, problem, float(seconds), int(cores))
    pd.DataFrame({"predicted": list(found)}).to_csv(out, index=False)
