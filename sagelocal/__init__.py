"""An embedded SageMaker: AWS's API, jobs, pipelines, registry and endpoints in one process on a laptop."""

__version__ = "0.1.0"
