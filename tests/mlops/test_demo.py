"""The whole loop as a user has it: `mlops` in processes of its own, on a sagelocal with an empty state folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlops import cli
from sagelocal.config import Settings

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.namespaces


def mlops(laptop: Settings, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "MLOPS_STATE": str(laptop.state), "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    command = [sys.executable, "-m", "mlops.cli", *arguments]
    return subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, timeout=540)


@pytest.fixture(scope="module")
def loop(laptop: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    folder = tmp_path_factory.mktemp("work")
    return mlops(laptop, "demo", cwd=folder), folder


Loop = tuple[subprocess.CompletedProcess[str], Path]


def test_the_loop_ends_with_its_summary(loop: Loop) -> None:
    demo, _ = loop
    assert demo.returncode == 0, demo.stdout + demo.stderr
    summary = demo.stdout[demo.stdout.index("The loop took") :]
    assert re.search(r"tuning +\S+-Tune-\S+-00\d-[0-9a-f]{8}, best of 6: eta 0\.\d+, max_depth \d, ", summary)
    for said in ("every step ran", "average_precision", "MinAveragePrecision", "model-package/churn/1, Approved"):
        assert said in summary
    assert re.search(r"held-out traffic: no violation in \d{3,} records", summary)
    shifted = re.search(r"shifted traffic: 4 violations in \d{3,} records: (.+)", summary)
    assert shifted is not None, summary
    assert set(shifted[1].strip().split(", ")) == {"tenure", "Contract", "MonthlyCharges", "TotalCharges"}
    assert "Take it down with: mlops down" in summary


def test_the_reports_are_on_this_machine(loop: Loop) -> None:
    demo, folder = loop
    pages = {line.split()[-1] for line in demo.stdout.splitlines() if line.strip().endswith(".html")}
    assert len(pages) == 3
    for page in pages:
        assert "<html" in (folder / page).read_text()


@pytest.fixture
def inside(
    laptop: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """`mlops` in this process, where the SDK is imported already: exit code, standard output and error."""
    before = dict(os.environ)
    monkeypatch.setenv("MLOPS_STATE", str(laptop.state))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main(list(arguments))
        said = capfd.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    yield run
    os.environ.clear()
    os.environ.update(before)


Inside = Callable[..., tuple[int, str, str]]


@pytest.mark.usefixtures("loop")
def test_models_logs_and_a_question(inside: Inside) -> None:
    assert "churn-production" in inside("models", "churn")[1]
    _, trials, lines = inside("logs", "churn", "--step", "Tune")
    assert trials.count("best round") == 6
    assert len([line for line in lines.splitlines() if line.startswith("Tune: ")]) == 6
    assert '"probability"' in inside("invoke", "churn", "--accept", "application/json")[1]
    code, _, refused = inside("invoke", "churn", "1,2,3")
    assert code == 1
    assert refused.startswith("error: InvokeEndpoint: ModelError")
    assert len(refused.splitlines()) == 1


def test_a_second_run_takes_its_steps_from_the_cache_and_a_gate_that_is_not_reached_fails_it(
    laptop: Settings, loop: Loop, inside: Inside
) -> None:
    """Without the checks, which are never from the cache; what they find the second time is in test_checks.py."""
    (execution,) = re.findall(r"^execution +arn:\S+/(\w+) \(Succeeded", loop[0].stdout, re.MULTILINE)
    again = mlops(laptop, "run", "churn", "--steps", "ProcessData,Tune,Evaluate")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Taken from the cache, as neither code, data nor parameters changed: " in again.stdout
    for step in ("ProcessData", "Tune", "Evaluate"):
        assert re.search(rf"^{step} +Succeeded \(cached\)", again.stdout, re.MULTILINE)
    gate = ("--steps", "CheckGate,GateFailed", "--from", execution, "--param", "MinAveragePrecision=0.99")
    failed = mlops(laptop, "run", "churn", *gate)
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith("error: The execution "), failed.stderr
    _, status, _ = inside("status", "churn")
    assert "GateFailed" in status
    assert "at least 0.99 is needed" in status


@pytest.mark.slow  # tests/pipelines/test_iris.py deploys a stage by a pipeline, tests/sagelocal/workflow has the cache
@pytest.mark.usefixtures("loop")
def test_a_changed_parameter_misses_the_cache_where_it_matters_and_a_stage_is_deployed(laptop: Settings) -> None:
    worse = ("--param", "NumRound=40", "--param", "FailOnViolation=false")  # than the version that the loop approved
    changed = mlops(laptop, "run", "churn", *worse, "--param", "DeployTo=staging")
    assert changed.returncode == 0, changed.stdout + changed.stderr
    ended = {line.split()[0]: line for line in changed.stdout.splitlines() if "Succeeded" in line}
    assert "(cached)" in ended["ProcessData"]
    for step in ("Tune", "Evaluate", "CreateModel", "CreateEndpointConfig", "CreateEndpoint"):
        assert "(cached)" not in ended[step]
    probability, label = mlops(laptop, "invoke", "churn", "--stage", "staging").stdout.strip().split(",")
    assert 0 < float(probability) < 1
    assert label in ("0", "1")


def test_an_unknown_parameter_is_refused_with_the_known_ones(inside: Inside) -> None:
    code, _, said = inside("run", "churn", "--param", "NumRounds=1")
    assert code == 1
    assert "churn has no parameter NumRounds. It has: CurrentModelUrl, DeployTo, EndpointInstanceType, FailOn" in said


def test_a_definition_is_json_and_nothing_else(inside: Inside) -> None:
    assert json.loads(inside("definition", "churn")[1])["Version"] == "2020-12-01"


@pytest.mark.usefixtures("loop")
def test_a_deployed_version_leaves_nothing_to_change_and_undeploy_leaves_nothing(
    laptop: Settings, inside: Inside
) -> None:
    """The last test: it takes the others' endpoints down."""
    again = mlops(laptop, "deploy", "churn", "--version", "1")
    assert (again.returncode, again.stdout) == (0, "churn-production: nothing to change\n"), again.stderr
    _, dry, _ = inside("deploy", "churn", "--version", "1", "--instance-type", "ml.c5.large", "--dry-run")
    assert "variant AllTraffic: instance type ml.m5.large → ml.c5.large" in dry
    code, _, refused = inside("deploy", "churn", "--stage", "staging", "--strategy", "canary", "--bake", "3601")
    assert code == 1
    assert refused.startswith("error: The declaration of stage staging: canary has wait_interval=3601")
    sagemaker = laptop.client("sagemaker")
    stages = {each["EndpointName"].removeprefix("churn-") for each in sagemaker.list_endpoints()["Endpoints"]}
    assert "production" in stages
    for stage in stages:
        code, gone, said = inside("undeploy", "churn", "--stage", stage)
        assert code == 0, gone + said
        assert f"Nothing of churn-{stage} is left." in gone
    assert sagemaker.list_endpoints()["Endpoints"] == []
    assert sagemaker.list_endpoint_configs()["EndpointConfigs"] == []
    assert sagemaker.list_models()["Models"] == []
