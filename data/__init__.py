"""Where each use case's data comes from: one module a use case, found by its `DATASET`."""
