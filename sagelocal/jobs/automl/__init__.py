"""AutoML jobs: this project's AutoML (`processing/automl.py`, `training/automl*.py`) behind AWS's API of it.

Its scripts run as a user's own do, in processing and training jobs of the account; nothing of them is imported here.
"""
