"""explainability.py with the library shap beside it, for models that need it: a job installs what its script's
requirements name, and shap brings 200 MB of numba and llvmlite that XGBoost's models don't need.

It explains what has no `explain_fn`: trees of scikit-learn, and by Kernel SHAP any model that a predictor asks.
"""

from __future__ import annotations

import explainability

if __name__ == "__main__":
    explainability.main()
