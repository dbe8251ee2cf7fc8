"""The jobs that an AutoML job is made of, as requests: cleaning, a search for each family, the blend of the best."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sagelocal.jobs.automl.plans import METRICS, Plan

Document = dict[str, Any]
ROOT = Path(__file__).resolve().parents[3]  # of the project, whose scripts the jobs run
PROCESSING, TRAINING, BLEND = "automl.py", "automl.py", "automl_ensemble.py"
# AWS's own XGBoost image, and scikit-learn's for cleaning, both with what the scripts need; the account is us-east-1's.
_ACCOUNT = "683313688378"
_IMAGES = {"processing": "sagemaker-scikit-learn:1.9-0", "training": "sagemaker-xgboost:3.2-0"}
_INSTANCE = "ml.m5.large"
_OUTPUTS = ("train", "validation", "test", "report")
_CODE = "/opt/ml/processing/input/code"
# Of a candidate's container; the SDK's AutoMLStep copies these very names, MODEL_NAME besides.
SERVING = {
    "SAGEMAKER_PROGRAM": "inference.py",
    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
    "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv",
    "SAGEMAKER_INFERENCE_SUPPORTED": "probability,label,prediction",  # what answers can hold; a request cannot choose
    "SAGEMAKER_INFERENCE_OUTPUT": "probability,label,prediction",
}
# Of the rows that cleaning holds out, as nobody judges the winner by them here: AWS's validation is cross-validation.
_HELD_OUT = {"test_share": "0.1", "validation_share": "0.1"}


def image(kind: str, region: str) -> str:
    return f"{_ACCOUNT}.dkr.ecr.{region}.amazonaws.com/{_IMAGES[kind]}"


def archive(folder: str) -> bytes:
    """The scripts of `processing/` or `training/` and AutoML's data files, gzipped; the same bytes for the same files.

    Its requirements file is that of the search.
    """
    whole = io.BytesIO()
    with gzip.GzipFile(fileobj=whole, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in sorted(sources(folder).items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return whole.getvalue()


def sources(folder: str) -> dict[str, bytes]:
    place = ROOT / folder
    found = {path.name: path.read_bytes() for path in [*place.glob("*.py"), *place.glob("automl*.json")]}
    requirements = place / "automl.requirements.txt"
    return found | ({"requirements.txt": requirements.read_bytes()} if requirements.is_file() else {})


def upload(s3: Any, output: str, folder: str) -> str:
    """Puts the scripts under the job's output, by their content's hash; their URI."""
    bucket, _, prefix = output.removeprefix("s3://").partition("/")
    digest = hashlib.sha256(archive(folder)).hexdigest()[:16]
    place = "/".join(part for part in (prefix.strip("/"), "automl", "code", digest, folder) if part)
    if folder == "training":
        s3.put_object(Bucket=bucket, Key=f"{place}.tar.gz", Body=archive(folder))
        return f"s3://{bucket}/{place}.tar.gz"
    for name, content in sources(folder).items():
        s3.put_object(Bucket=bucket, Key=f"{place}/{name}", Body=content)
    return f"s3://{bucket}/{place}/"


def cleaning(job: Mapping[str, Any], plan: Plan, name: str, code: str, region: str) -> Document:
    """CreateProcessingJob: types, problem and blanks of the table are found out, and a part held out."""
    arguments = {"target": plan.target, "problem": problem(plan), **_HELD_OUT}
    sources_ = {"raw": (plan.data, "/opt/ml/processing/input/raw"), "code": (code, _CODE)}
    return {
        "ProcessingJobName": name,
        "RoleArn": job["RoleArn"],
        "AppSpecification": {
            "ImageUri": image("processing", region),
            "ContainerEntrypoint": ["python3", f"{_CODE}/{PROCESSING}"],
            "ContainerArguments": [part for key, value in arguments.items() for part in (flag(key), value)],
        },
        "ProcessingInputs": [
            {
                "InputName": each,
                "S3Input": {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix", "S3InputMode": "File"},
            }
            for each, (uri, path) in sources_.items()
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": each,
                    "S3Output": {
                        "S3Uri": f"{place(job)}/{each}",
                        "LocalPath": f"/opt/ml/processing/{each}",
                        "S3UploadMode": "EndOfJob",
                    },
                }
                for each in _OUTPUTS
            ],
            **({"KmsKeyId": key} if (key := job["OutputDataConfig"].get("KmsKeyId")) else {}),
        },
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": _INSTANCE, "VolumeSizeInGB": 30, **volume_key(job)}
        },
        **({"NetworkConfig": {"VpcConfig": vpc}} if (vpc := security(job).get("VpcConfig")) else {}),
    }


def search(job: Mapping[str, Any], plan: Plan, name: str, family: str, code: str, facts: Mapping[str, Any]) -> Document:
    """CreateTrainingJob for one family; `facts` has region, metric, problem and how many searches run side by side."""
    asked = {"family": family, "families": ",".join(plan.families), "parallel": facts["parallel"]}
    asked |= {"seconds": plan.searched}
    return training(job, plan, name, TRAINING, code, facts, asked, {"train": f"{place(job)}/train"})


def blend(job: Mapping[str, Any], plan: Plan, name: str, code: str, facts: Mapping[str, Any]) -> Document:
    """CreateTrainingJob for the best of all candidates as one model."""
    asked = {"seconds": max(1, int(0.15 * plan.seconds))}
    channels = {"train": f"{place(job)}/train", "trials": f"{place(job)}/models/"}
    return training(job, plan, name, BLEND, code, facts, asked, channels)


def training(
    job: Mapping[str, Any],
    plan: Plan,
    name: str,
    script: str,
    code: str,
    facts: Mapping[str, Any],
    asked: Mapping[str, Any],
    channels: Mapping[str, str],
) -> Document:
    hyperparameters = {"target": plan.target, "problem": facts["problem"], "metric": facts["metric"], **asked}
    blending = script == BLEND
    return {
        "TrainingJobName": name,
        "RoleArn": job["RoleArn"],
        "AlgorithmSpecification": {"TrainingImage": image("training", facts["region"]), "TrainingInputMode": "File"},
        "HyperParameters": {
            **{key: str(value) for key, value in hyperparameters.items()},
            "sagemaker_program": script,
            "sagemaker_submit_directory": code,
        },
        "InputDataConfig": [
            {
                "ChannelName": channel,
                "DataSource": {
                    "S3DataSource": {
                        "S3Uri": uri,
                        "S3DataType": "S3Prefix",
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
            }
            for channel, uri in channels.items()
        ],
        "OutputDataConfig": {
            "S3OutputPath": f"{place(job)}/{'blend' if blending else 'models'}",
            **({"KmsKeyId": key} if (key := job["OutputDataConfig"].get("KmsKeyId")) else {}),
        },
        "ResourceConfig": {"InstanceCount": 1, "InstanceType": _INSTANCE, "VolumeSizeInGB": 30, **volume_key(job)},
        "StoppingCondition": {"MaxRuntimeInSeconds": plan.job_seconds or max(600, 4 * plan.seconds)},
        **{key: security(job)[key] for key in ("VpcConfig",) if security(job).get(key)},
        **(
            {"EnableInterContainerTrafficEncryption": True}
            if security(job).get("EnableInterContainerTrafficEncryption")
            else {}
        ),
    }


def place(job: Mapping[str, Any]) -> str:
    """Where everything of a job goes."""
    return f"{job['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job['AutoMLJobName']}"


def security(job: Mapping[str, Any]) -> Mapping[str, Any]:
    """SecurityConfig: the second API has it at the top, the first one inside AutoMLJobConfig."""
    found: Mapping[str, Any] = (
        job.get("SecurityConfig") or (job.get("AutoMLJobConfig") or {}).get("SecurityConfig") or {}
    )
    return found


def volume_key(job: Mapping[str, Any]) -> Document:
    return {"VolumeKmsKeyId": key} if (key := security(job).get("VolumeKmsKeyId")) else {}


def problem(plan: Plan) -> str:
    from sagelocal.jobs.automl.plans import PROBLEMS

    return PROBLEMS.get(plan.problem, "auto")


def metric(objective: str) -> str:
    return METRICS[objective]


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")
