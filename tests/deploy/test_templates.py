"""The CloudFormation templates: clean to their linters, which do find faults, and at one with the project."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from iam_templates import FOLDER, Stack, read
from jsonschema.validators import validate
from sagemaker.core.config.config_schema import SAGEMAKER_PYTHON_SDK_CONFIG_SCHEMA

from mlops.use_cases import find_all

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted(each.stem for each in FOLDER.glob("*.yml"))
LIMIT = 51_200  # bytes of a template in a request to CloudFormation


def run(*command: str, folder: Path = ROOT) -> tuple[int, str]:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def checkov() -> str:
    found = ROOT / ".venv" / "checkov" / "bin" / "checkov"
    if path := str(found) if found.exists() else shutil.which("checkov"):
        return path
    pytest.skip("checkov has an environment of its own, which `make lint` makes")


@pytest.mark.slow
def test_cfn_lint_finds_nothing_but_a_planted_fault(tmp_path):
    lint = str(Path(sys.executable).with_name("cfn-lint"))
    assert run(lint) == (0, "")
    faulty = (FOLDER / "cicd.yml").read_text().replace("PipelineType: V2", "PipelineType: V3")
    (tmp_path / "cicd.yml").write_text(faulty)
    code, said = run(lint, "--config-file", "/dev/null", str(tmp_path / "cicd.yml"))
    assert code and "'V3' is not one of" in said


@pytest.mark.slow
def test_checkov_finds_nothing_but_a_planted_fault(tmp_path):
    code, said = run(checkov())
    assert code == 0, said
    faulty = (FOLDER / "baseline.yml").read_text().replace("EnableKeyRotation: true", "EnableKeyRotation: false")
    (tmp_path / "baseline.yml").write_text(faulty)
    # Where no configuration file names another folder.
    options = ("--framework", "cloudformation", "--skip-download", "--compact", "--quiet")
    code, said = run(checkov(), *options, "--directory", str(tmp_path), folder=tmp_path)
    assert code and "CKV_AWS_7" in said


def test_what_is_suppressed_has_a_reason():
    for name in TEMPLATES:
        for resource in Stack(name).template["Resources"].values():
            for tool in resource.get("Metadata", {}).values():
                assert all(len(each["comment"]) > 10 for each in tool["skip"])


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_fits_into_a_request(name):
    assert (FOLDER / f"{name}.yml").stat().st_size < LIMIT


def test_every_use_case_has_its_group_and_is_known_to_both_stacks():
    names = sorted(each.name for each in find_all(ROOT))
    with_model = sorted(each.name for each in find_all(ROOT) if each.has_model)
    baseline = Stack("baseline")
    groups = [
        baseline.properties(each)["ModelPackageGroupName"] for each in baseline.of("AWS::SageMaker::ModelPackageGroup")
    ]
    assert sorted(groups) == with_model
    for name in ("baseline", "cicd"):
        assert sorted(read(name)["Parameters"]["UseCases"]["Default"].split(",")) == names


def test_policies_are_no_longer_than_aws_takes():
    """6,144 characters a managed policy, 10 policies a role; for half as many use cases again as there are."""
    more = "demand,images,news,ratings"
    stack = Stack("baseline", {"UseCases": ",".join([*(each.name for each in find_all(ROOT)), more])})
    for each in stack.of("AWS::IAM::ManagedPolicy"):
        text = json.dumps(stack.properties(each)["PolicyDocument"], separators=(",", ":"))
        assert len(text) <= 6144, each
    assert all(len(stack.properties(each).get("ManagedPolicyArns", [])) <= 10 for each in stack.of("AWS::IAM::Role"))


def test_the_projects_parameters_are_those_of_delivery():
    project, delivery = read("project"), read("cicd")
    given = set(project["Resources"]["Delivery"]["Properties"]["Parameters"])
    needed = {key for key, each in delivery["Parameters"].items() if "Default" not in each}
    assert needed <= given <= set(delivery["Parameters"])


def test_the_projects_names_are_those_the_baselines_roles_allow():
    parameters = {"SageMakerProjectId": "p-abc123", "BaselineName": "mlops"}
    name = Stack("project", parameters).properties("Delivery")["Parameters"]["ProjectName"]
    assert re.fullmatch(read("cicd")["Parameters"]["ProjectName"]["AllowedPattern"], name)
    assert name.startswith("mlops-p-")


@pytest.mark.parametrize("network", [{}, {"SubnetIds": "subnet-1,subnet-2", "SecurityGroupId": "sg-1"}])
@pytest.mark.parametrize("isolation", ["true", "false"])
def test_the_builds_defaults_file_is_one_of_the_sdk(network, isolation):
    stack = Stack("cicd", {**network, "DataBucket": "mlops-data", "NetworkIsolation": isolation})
    defaults = yaml.safe_load(stack.properties("SageMakerDefaults")["Value"])
    validate(defaults, SAGEMAKER_PYTHON_SDK_CONFIG_SCHEMA)
    jobs = defaults["SageMaker"].get("TrainingJob", {})
    assert jobs.get("EnableNetworkIsolation", False) == (isolation == "true")
    assert jobs.get("VpcConfig", {}).get("Subnets", []) == (["subnet-1", "subnet-2"] if network else [])


def test_only_the_branch_and_tags_start_a_build_and_nothing_a_deployment():
    stack = Stack("cicd", {"ConnectionArn": "arn", "FullRepositoryId": "a/b"})
    build, deploy = stack.properties("BuildPipeline"), stack.properties("DeployPipeline")
    push = build["Triggers"][0]["GitConfiguration"]["Push"]
    assert push == [
        {"Branches": {"Includes": ["main"]}, "FilePaths": {"Excludes": ["docs/**", "**.md"]}},
        {"Tags": {"Includes": ["v*"]}},
    ]
    assert "Triggers" not in deploy
    assert deploy["Stages"][0]["Actions"][0]["Configuration"]["DetectChanges"] is False
