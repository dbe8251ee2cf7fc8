"""Trains, deploys and asks the container of this folder; the same calls on a laptop and on AWS.

    python examples/bring_your_own_container/run.py [--image URI] [--role ARN] [--bucket NAME] [--delete]

On a laptop the image is only its name; on AWS it is what `docker push` pushed (see README.md).
"""

from __future__ import annotations

import argparse
import json
import math
import time
from typing import Any

import boto3

NAME = "demand-forecaster"


def series(years: int = 6) -> str:
    """Monthly demand that grows and peaks in December: a value a line."""
    values = (200 + 1.5 * month + 40 * math.cos(2 * math.pi * (month + 1) / 12) for month in range(12 * years))
    return "".join(f"{value:.3f}\n" for value in values)


def train(sagemaker: Any, s3: Any, image: str, role: str, bucket: str, name: str) -> str:
    """The S3 URI of the model. Raises RuntimeError with the job's FailureReason."""
    s3.put_object(Bucket=bucket, Key=f"{NAME}/train/demand.csv", Body=series().encode())
    data = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/{NAME}/train/"}
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        RoleArn=role,
        HyperParameters={"period": "12"},
        InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": data}}],
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/{NAME}/output"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    while (job := sagemaker.describe_training_job(TrainingJobName=name))["TrainingJobStatus"] == "InProgress":
        time.sleep(0.5)
    if job["TrainingJobStatus"] != "Completed":
        raise RuntimeError(f"Training job {name} is {job['TrainingJobStatus']}: {job.get('FailureReason')}")
    return str(job["ModelArtifacts"]["S3ModelArtifacts"])


def deploy(sagemaker: Any, image: str, role: str, model_data: str, name: str) -> None:
    """Returns when the endpoint is InService; raises RuntimeError with its FailureReason."""
    container = {"Image": image, "ModelDataUrl": model_data}
    sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=role)
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    while (found := sagemaker.describe_endpoint(EndpointName=name))["EndpointStatus"] == "Creating":
        time.sleep(0.5)
    if found["EndpointStatus"] != "InService":
        raise RuntimeError(f"Endpoint {name} is {found['EndpointStatus']}: {found.get('FailureReason')}")


def ask(runtime: Any, name: str, steps: int) -> list[dict[str, float]]:
    body = json.dumps({"steps": steps})
    answer = runtime.invoke_endpoint(EndpointName=name, Body=body, ContentType="application/json")
    found: list[dict[str, float]] = json.loads(answer["Body"].read())["forecast"]
    return found


def delete(sagemaker: Any, name: str) -> None:
    sagemaker.delete_endpoint(EndpointName=name)
    sagemaker.delete_endpoint_config(EndpointConfigName=name)
    sagemaker.delete_model(ModelName=name)


def main() -> None:
    identity, region = boto3.client("sts").get_caller_identity(), boto3.session.Session().region_name
    account = identity["Account"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", default=f"{account}.dkr.ecr.{region}.amazonaws.com/{NAME}:1")
    parser.add_argument("--role", default=f"arn:aws:iam::{account}:role/sagelocal-execution")
    parser.add_argument("--bucket", default=f"sagemaker-{region}-{account}")
    parser.add_argument("--delete", action="store_true", help="remove the endpoint, and do nothing else")
    args = parser.parse_args()
    sagemaker = boto3.client("sagemaker")
    if args.delete:
        delete(sagemaker, NAME)
        return
    job = f"{NAME}-{int(time.time())}"
    model_data = train(sagemaker, boto3.client("s3"), args.image, args.role, args.bucket, job)
    print(f"trained: {model_data}")
    deploy(sagemaker, args.image, args.role, model_data, NAME)
    for month, found in enumerate(ask(boto3.client("sagemaker-runtime"), NAME, 6), 1):
        print(f"month {month}: {found['mean']:.1f} ({found['low']:.1f} to {found['high']:.1f})")


if __name__ == "__main__":
    main()
