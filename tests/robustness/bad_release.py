"""A bad version is released to production as deploy/stages.yml declares it, under load, and comes back by itself.

python tests/robustness/bad_release.py [--time-scale 10] [--rate 20]

Starts a sagelocal of its own where version 1 of churn is good, version 2 raises on 30 % of its requests, and version 3
answers after 0.8 s. Version 1 is in service; then `mlops cicd release` puts 2 and 3 into production, one after the
other, while requests come at a steady rate. Prints, for each:

- how many requests failed, by what; how many were to be expected: those that the canary got, times 30 %;
- failures that are not the bad version's own, and those after the endpoint was back: none may be;
- how long the bad version had traffic, beside the bake time; what the release said, and its exit code: 1.

The time scale shortens the waits of the declaration (a bake of 300 s at 10 is 30 s) and no period of an alarm. On a
laptop an alarm is looked at every two seconds, AWS does so by the minute: there the same takes one to three minutes.
"""

from __future__ import annotations

import argparse
import io
import itertools
import os
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from deploy import names, registry, stages
from deploy.strategies import Canary
from sagelocal import config, server
from sagelocal.config import Settings

ROOT = Path(__file__).resolve().parents[2]
USE_CASE, STAGE = "churn", "production"
SHARE = 0.3  # of the requests that version 2 raises on
SLOW = 0.8  # seconds; the declaration's alarm allows a p99 of 0.5
OWN = "on purpose"  # in the message of version 2's own errors
AFTER = 5.0  # seconds of load after a release has ended
HANDLER = f"""
import time

def model_fn(model_dir):
    return VERSION

def transform_fn(model, body, content_type, accept):
    if model == 2 and int(body) % 10 < {SHARE * 10:.0f}:
        raise RuntimeError("{OWN}")
    if model == 3:
        time.sleep({SLOW})
    return str(model), "text/csv"
"""


@dataclass(frozen=True)
class Asked:
    when: float  # time.monotonic() at its end
    version: str  # that answered; "" where nothing did
    failed: str = ""  # how

    @property
    def bad(self) -> bool:
        """Answered, or not answered, by the version that is released."""
        return self.version != "1" if not self.failed else OWN in self.failed


@dataclass(frozen=True)
class Outcome:
    version: int
    asked: int
    bad: int  # requests that the bad version got
    own: int  # failures that are its own
    others: Counter[str]  # further failures, by their kind
    late: int  # requests that it got after the release had said that it is back
    seconds: float  # from its first request to its last
    code: int
    said: str


class Load:
    """Requests at a steady rate from many threads, until it is left."""

    def __init__(self, settings: Settings, endpoint: str, rate: float) -> None:
        retries = Config(retries={"total_max_attempts": 1}, max_pool_connections=64)
        self._runtime = _runtime(settings, retries)
        self._endpoint = endpoint
        self._rate = rate
        self._done = threading.Event()
        self.asked: list[Asked] = []

    def __enter__(self) -> Load:
        self._pool = ThreadPoolExecutor(64)
        self._clock = threading.Thread(target=self._tick)
        self._clock.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._clock.join()
        self._pool.shutdown()

    def _tick(self) -> None:
        start = time.monotonic()
        for number in itertools.count():
            if self._done.wait(max(0.0, start + number / self._rate - time.monotonic())):
                return
            self._pool.submit(self._ask, number)

    def _ask(self, number: int) -> None:
        # Mixed, so that no share of them goes to one instance alone.
        body = str(number * 7919 % 1000)
        try:
            answer = self._runtime.invoke_endpoint(EndpointName=self._endpoint, Body=body, ContentType="text/csv")
            found = Asked(time.monotonic(), answer["Body"].read().decode())
        except (BotoCoreError, ClientError) as error:
            found = Asked(time.monotonic(), "", str(error))
        self.asked.append(found)


def _runtime(settings: Settings, more: Config) -> Any:
    import boto3

    environment = settings.aws_environment()
    return boto3.client(
        "sagemaker-runtime",
        region_name=settings.region,
        endpoint_url=environment["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        config=more,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--time-scale", type=float, default=10)
    parser.add_argument("--rate", type=float, default=20)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = config.keep_time_scale(config.load(Path(folder) / "state"), args.time_scale)
        server.up(settings)
        try:
            experiment(settings, args.rate)
        finally:
            server.down(settings)


def experiment(settings: Settings, rate: float) -> list[Outcome]:
    """Raises AssertionError where a bad version is not taken back as it should."""
    arns = [register(settings, version) for version in (1, 2, 3)]
    first = release(settings, arns[0])
    assert first.returncode == 0, first.stderr
    found = [bad(settings, arns[version - 1], version, rate) for version in (2, 3)]
    for each in found:
        report(each, settings.time_scale)
    for each in found:
        check(each, settings.time_scale)
    return found


def register(settings: Settings, version: int) -> str:
    """ARN of an approved version whose model is the handler above."""
    sagemaker, key = settings.client("sagemaker"), f"bad-release/{version}/model.tar.gz"
    packed, content = io.BytesIO(), HANDLER.replace("VERSION", str(version)).encode()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    settings.client("s3").put_object(Bucket=settings.bucket, Key=key, Body=packed.getvalue())
    registry.ensure_group(sagemaker, USE_CASE)
    container = {
        "Image": f"683313688378.dkr.ecr.{settings.region}.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3",
        "ModelDataUrl": f"s3://{settings.bucket}/{key}",
        "Environment": {
            "SAGEMAKER_PROGRAM": "inference.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
            "SAGEMAKER_MODEL_SERVER_WORKERS": "16",  # most of them sleep
        },
    }
    types = {"SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"]}
    made = sagemaker.create_model_package(
        ModelPackageGroupName=USE_CASE,
        ModelApprovalStatus="Approved",
        InferenceSpecification={"Containers": [container], **types},
    )
    return str(made["ModelPackageArn"])


def release(settings: Settings, arn: str) -> subprocess.CompletedProcess[str]:
    """As a deploy action of the pipeline does it."""
    place = {"MLOPS_BUCKET": settings.bucket, "SAGEMAKER_ROLE_ARN": settings.role_arn}
    command = [sys.executable, "-m", "mlops.cli", "cicd", "release", "--stage", STAGE, "--package", arn]
    environment = {**os.environ, **settings.shell_environment(), **place}
    return subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def bad(settings: Settings, arn: str, version: int, rate: float) -> Outcome:
    with Load(settings, names.endpoint_name(USE_CASE, STAGE), rate) as load:
        time.sleep(AFTER)
        done = release(settings, arn)
        back = time.monotonic()
        time.sleep(AFTER)
    hit = [each for each in load.asked if each.bad and (each.version == str(version) or each.failed)]
    return Outcome(
        version=version,
        asked=len(load.asked),
        bad=len(hit),
        own=sum(OWN in each.failed for each in load.asked),
        others=Counter(each.failed for each in load.asked if each.failed and OWN not in each.failed),
        late=sum(each.when > back + SLOW + 1 for each in hit),
        seconds=hit[-1].when - hit[0].when if hit else 0.0,
        code=done.returncode,
        said=done.stderr.strip().splitlines()[-1],
    )


def bake(scale: float) -> float:
    """Seconds that the declared canary is watched."""
    strategy = stages.find(STAGE, USE_CASE).deployment.strategy
    assert isinstance(strategy, Canary)
    return strategy.wait_interval / scale


def report(found: Outcome, scale: float) -> None:
    expected = found.bad * SHARE if found.version == 2 else 0.0
    print(f"\nversion {found.version}, {'raises on 30 %' if found.version == 2 else f'takes {SLOW} s'}:")
    print(f"  {found.asked} requests, {found.bad} of them ({found.bad / found.asked:.1%}) got the bad version")
    print(f"  failed: {found.own} ({found.own / found.asked:.2%}); expected of its requests: {expected:.0f}")
    print(f"  failures by the deployment itself: {sum(found.others.values())} {dict(found.others) or ''}")
    print(f"  after the release had ended: {found.late}")
    print(f"  the bad version had traffic for {found.seconds:.1f} s; the bake time is {bake(scale):.0f} s")
    print(f"  exit code {found.code}: {found.said}")


def check(found: Outcome, scale: float) -> None:
    assert found.code == 1 and "Alarm " in found.said, found.said
    assert not found.others and not found.late
    assert 0 < found.seconds < bake(scale), "the canary was not taken back within the bake time"
    assert (found.own > 0) == (found.version == 2)
    assert found.own <= 0.5 * SHARE * found.asked, "more than the canary's share of requests failed"


if __name__ == "__main__":
    main()
