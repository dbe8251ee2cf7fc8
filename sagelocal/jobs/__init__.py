"""Processing and Training jobs under SageMaker's container contract."""
