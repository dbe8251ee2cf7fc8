"""Hyperparameter tuning jobs: many training jobs, each with other values, until the best ones are known.

`operations` answers the API, `tuning_job` runs one. All that is decided follows from the store:
the tuning job's document, a record for each trial, and the trials' own training jobs.
"""
