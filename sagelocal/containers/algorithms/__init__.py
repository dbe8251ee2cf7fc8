"""What AWS's built-in algorithm images do, without a script of the user's: `train` and, for the model server, `serve`.

Bound into a job's or an endpoint's sandbox as a package of its own, so its modules import only each other, the standard
library and the libraries that compute. One module an algorithm; `NAMES` are the families of `sagelocal.containers`.
"""

from __future__ import annotations

# Family -> module of this package, which has `train(job)` and, but for XGBoost's, `load(model_dir)`.
NAMES = {
    "xgboost": "xgboost_training",
    "knn": "knn",
    "linear-learner": "linear_learner",
    "kmeans": "kmeans",
    "pca": "pca",
    "randomcutforest": "random_cut_forest",
    "factorization-machines": "factorization_machines",
}
