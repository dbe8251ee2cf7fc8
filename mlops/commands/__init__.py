"""Commands whose options have a file of their own; what they do is in `mlops/<name>.py`."""
