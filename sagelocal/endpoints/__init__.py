"""Models, endpoint configs and endpoints: model servers in sandboxes, weighted traffic and data capture."""
