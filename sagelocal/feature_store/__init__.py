"""SageMaker Feature Store: feature groups, their online store in SQLite, their offline store as Parquet on S3."""
