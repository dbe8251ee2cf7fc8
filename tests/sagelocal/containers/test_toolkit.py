"""The toolkit's arguments and SM_* variables; running a script with it is tested with the training jobs."""

from __future__ import annotations

import json

import pytest

from sagelocal.containers import toolkit


def test_arguments_are_sorted_and_single_letters_get_one_dash() -> None:
    given = {"epochs": 3, "b": 0.5, "alpha": None, "flag": True, "map": {"x": 1, "y": 2}, "name": "a b"}
    assert toolkit.to_arguments(given) == [
        *("--alpha", "", "-b", "0.5", "--epochs", "3", "--flag", "True", "--map", "x=1,y=2", "--name", "a b")
    ]


@pytest.mark.parametrize(("text", "value"), [("3", 3), ('"s"', "s"), ("s", "s"), ("[1]", [1]), ("true", True)])
def test_hyperparameters_are_json_in_strings(text: str, value: object) -> None:
    assert toolkit.decoded(text) == value


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINING_JOB_NAME", "job")
    user = {"batch-size": 32, "loss": "mse"}
    config = {
        "resourceconfig": {
            "current_host": "algo-2",
            "hosts": ["algo-1", "algo-2"],
            "network_interface_name": "lo",
            "current_instance_type": "ml.m5.large",
            "current_group_name": "fit",
            "instance_groups": [
                {"instance_group_name": "data", "instance_type": "ml.c5.xlarge", "hosts": ["algo-1"]},
                {"instance_group_name": "fit", "instance_type": "ml.m5.large", "hosts": ["algo-2"]},
            ],
        },
        "inputdataconfig": {"train": {"TrainingInputMode": "File"}},
    }
    reserved = {"sagemaker_program": "train.py"}
    found = toolkit.environment(user, reserved, ["--x", "1"], "train.py", "s3://b/c.tar.gz", "m:main", config)
    assert found["SM_HP_BATCH-SIZE"] == "32"
    assert found["SM_HP_LOSS"] == "mse"
    assert json.loads(found["SM_HPS"]) == user
    assert found["SM_CHANNEL_TRAIN"] == "/opt/ml/input/data/train"
    assert json.loads(found["SM_CHANNELS"]) == ["train"]
    assert json.loads(found["SM_HOSTS"]) == ["algo-1", "algo-2"]
    assert json.loads(found["SM_USER_ARGS"]) == ["--x", "1"]
    assert json.loads(found["SM_FRAMEWORK_PARAMS"]) == reserved
    assert (found["SM_CURRENT_HOST"], found["SM_MODULE_NAME"]) == ("algo-2", "train")
    assert (found["SM_CURRENT_INSTANCE_GROUP"], found["SM_IS_HETERO"]) == ("fit", "true")
    assert json.loads(found["SM_CURRENT_INSTANCE_GROUP_HOSTS"]) == ["algo-2"]
    assert json.loads(found["SM_INSTANCE_GROUPS"]) == ["data", "fit"]
    assert json.loads(found["SM_INSTANCE_GROUPS_DICT"])["data"]["hosts"] == ["algo-1"]
    assert json.loads(found["SM_TRAINING_ENV"])["master_hostname"] == "algo-1"
    documented = [
        *("MODEL_DIR", "CHANNELS", "HPS", "HOSTS", "CURRENT_HOST"),
        *("CURRENT_INSTANCE_TYPE", "NUM_CPUS", "NUM_GPUS", "NUM_NEURONS", "LOG_LEVEL"),
        *("NETWORK_INTERFACE_NAME", "USER_ARGS", "INPUT_DIR", "INPUT_CONFIG_DIR", "OUTPUT_DIR"),
        *("OUTPUT_DATA_DIR", "RESOURCE_CONFIG", "OUTPUT_INTERMEDIATE_DIR", "INPUT_DATA_CONFIG", "TRAINING_ENV"),
        *("MODULE_DIR", "MODULE_NAME", "USER_ENTRY_POINT", "FRAMEWORK_MODULE", "FRAMEWORK_PARAMS"),
    ]
    assert not {f"SM_{name}" for name in documented} - found.keys()


def test_an_entry_point_is_needed() -> None:
    with pytest.raises(ValueError, match="sagemaker_program"):
        toolkit.command("", [])


def test_torchrun_meets_at_the_first_host() -> None:
    resources = {"hosts": ["algo-1", "algo-2"], "current_host": "algo-2"}
    launcher = toolkit.torchrun(resources)
    assert launcher[:2] == ["torchrun", "--nnodes=2"]
    assert launcher[3:] == ["--master_addr=algo-1", "--master_port=7777", "--node_rank=1"]
    assert toolkit.torchrun({"hosts": ["algo-1"], "current_host": "algo-1"})[1:2] == ["--nnodes=1"]
    with pytest.raises(ValueError, match="starts Python files"):
        toolkit.command("train.sh", [], launcher)
