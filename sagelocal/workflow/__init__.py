"""SageMaker Pipelines: definitions, their checks, and the engine that interprets them."""
