"""The `train` command of the framework images in script mode; runs inside the job and imports nothing of sagelocal.

Does what the documented contract of the `sagemaker-training` toolkit says: the reserved hyperparameters
`sagemaker_program` and `sagemaker_submit_directory` (or SAGEMAKER_PROGRAM, SAGEMAKER_SUBMIT_DIRECTORY) name the code,
every other hyperparameter becomes an argument, and SM_* variables describe the job.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

_BASE = Path("/opt/ml")
_CODE = _BASE / "code"
_OUTPUT = _BASE / "output"
_RESERVED = ("sagemaker_", "_tuning_")
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt)(?:: .*)?$")


def main() -> None:
    config = {name: _read(name) for name in ("hyperparameters", "resourceconfig", "inputdataconfig")}
    hyperparameters = {name: decoded(value) for name, value in config["hyperparameters"].items()}
    program = str(hyperparameters.get("sagemaker_program") or os.environ.get("SAGEMAKER_PROGRAM", ""))
    source = str(hyperparameters.get("sagemaker_submit_directory") or os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", ""))
    module = os.environ.get("SAGEMAKER_TRAINING_MODULE", "")
    try:
        _wait_for(config["resourceconfig"]["hosts"])
        _fetch(source)
        user = {name: value for name, value in hyperparameters.items() if not name.startswith(_RESERVED)}
        reserved = {name: value for name, value in hyperparameters.items() if name.startswith(_RESERVED)}
        arguments = to_arguments(user)
        os.environ.update(environment(user, reserved, arguments, program, source, module, config))
        _install(program)
        launcher = torchrun(config["resourceconfig"]) if reserved.get("sagemaker_torch_distributed_enabled") else []
        code, said = _run(command(program, arguments, launcher))
    except Exception as error:  # whatever went wrong before the user's script: the job has to say it
        _fail(f"{type(error).__name__}: {error}", 1)
    if code:
        _fail(f'ExecuteUserScriptError: ExitCode {code} ErrorMessage "{said}" Command "{program}"', code)
    (_OUTPUT / "success").touch()


def decoded(value: str) -> Any:
    """Hyperparameters are JSON in strings; what is no JSON is the string itself."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def to_arguments(hyperparameters: dict[str, Any]) -> list[str]:
    """Sorted by name, `--name value`, and `-n value` for a name of one letter."""
    arguments = []
    for name in sorted(hyperparameters):
        value = hyperparameters[name]
        if isinstance(value, dict):
            value = ",".join(f"{key}={item}" for key, item in value.items())
        arguments += [f"--{name}" if len(name) > 1 else f"-{name}", "" if value is None else str(value)]
    return arguments


def environment(
    user: dict[str, Any],
    reserved: dict[str, Any],
    arguments: list[str],
    program: str,
    source: str,
    module: str,
    config: dict[str, Any],
) -> dict[str, str]:
    """The SM_* variables, texts as they are and all else as compact JSON."""
    resources, inputs = config["resourceconfig"], config["inputdataconfig"]
    channels = {name: str(_BASE / "input" / "data" / name) for name in inputs}
    facts: dict[str, Any] = {
        "channel_input_dirs": channels,
        "current_host": resources["current_host"],
        "current_instance_type": resources.get("current_instance_type", ""),
        "framework_module": module,
        "hosts": resources["hosts"],
        "hyperparameters": user,
        "additional_framework_parameters": reserved,
        "input_data_config": inputs,
        "input_dir": str(_BASE / "input"),
        "input_config_dir": str(_BASE / "input" / "config"),
        "job_name": os.environ.get("TRAINING_JOB_NAME", ""),
        "log_level": int(reserved.get("sagemaker_container_log_level", 20)),
        "model_dir": str(_BASE / "model"),
        "module_dir": source or str(_CODE),
        "module_name": program.removesuffix(".py"),
        "network_interface_name": resources["network_interface_name"],
        "num_cpus": len(os.sched_getaffinity(0)),
        "num_gpus": _gpus(),
        "num_neurons": 0,
        "output_dir": str(_OUTPUT),
        "output_data_dir": str(_OUTPUT / "data"),
        "output_intermediate_dir": str(_OUTPUT / "intermediate"),
        "resource_config": resources,
        "user_entry_point": program,
        **_groups(resources),
    }
    renamed = {
        "hyperparameters": "hps",
        "additional_framework_parameters": "framework_params",
        "channel_input_dirs": "",
    }
    names = {renamed.get(name, name): value for name, value in facts.items()}
    names.pop("")
    names |= {"channels": sorted(channels), "user_args": arguments, "training_env": facts}
    names |= {f"channel_{name}": path for name, path in channels.items()}
    names |= {f"hp_{name}": value for name, value in user.items()}
    path = os.pathsep.join(part for part in (str(_CODE), os.environ.get("PYTHONPATH", "")) if part)
    return {f"SM_{name.upper()}": _text(value) for name, value in names.items()} | {"PYTHONPATH": path}


def _groups(resources: dict[str, Any]) -> dict[str, Any]:
    """Who is in which instance group; a job without groups is one, homogeneousCluster."""
    groups = {group["instance_group_name"]: group for group in resources.get("instance_groups") or []}
    current = resources.get("current_group_name", "homogeneousCluster")
    return {
        "current_instance_group": current,
        "current_instance_group_hosts": groups.get(current, resources)["hosts"],
        "instance_groups": list(groups),
        "instance_groups_dict": groups,
        "is_hetero": len(groups) > 1,
        "is_master": resources["current_host"] == resources["hosts"][0],
        "master_hostname": resources["hosts"][0],
    }


def torchrun(resources: dict[str, Any]) -> list[str]:
    """What starts a Python file's processes on every host; the first host's port 7777 is where they meet."""
    hosts = resources["hosts"]
    launcher = ["torchrun", f"--nnodes={len(hosts)}", f"--nproc_per_node={_gpus() or 1}"]
    if len(hosts) > 1:
        rank = hosts.index(resources["current_host"])
        launcher += [f"--master_addr={hosts[0]}", "--master_port=7777", f"--node_rank={rank}"]
    return launcher


def command(program: str, arguments: list[str], launcher: list[str] | None = None) -> list[str]:
    """A package (`setup.py` beside it), a Python file (which a launcher may start), or a command of the shell."""
    if launcher and not program.endswith(".py"):
        raise ValueError(f"torchrun starts Python files, and the entry point is {program or 'missing'}")
    if not program:
        raise ValueError("no entry point: give the hyperparameter sagemaker_program or the variable SAGEMAKER_PROGRAM")
    if (_CODE / "setup.py").exists():
        return [sys.executable, "-m", program.removesuffix(".py"), *arguments]
    if not (_CODE / program).exists():
        raise FileNotFoundError(
            f"the entry point {program} is not in the submitted code: {sorted(each.name for each in _CODE.iterdir())}"
        )
    if program.endswith(".py"):
        return [*(launcher or [sys.executable]), program, *arguments]
    return ["/bin/sh", "-c", shlex.join([f"./{program}", *arguments])]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))


def _read(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((_BASE / "input" / "config" / f"{name}.json").read_text())
    return document


def _fetch(source: str) -> None:
    """The submitted code: an archive on S3 or a folder of the job; none when /opt/ml/code holds it already."""
    _CODE.mkdir(parents=True, exist_ok=True)
    if source.startswith("s3://"):
        import boto3

        bucket, _, key = source.removeprefix("s3://").partition("/")
        archive = Path("/tmp/sourcedir.tar.gz")
        boto3.client("s3").download_file(bucket, key, str(archive))
        with tarfile.open(archive) as tar:
            # Debian 12's Python 3.11.2 has no filters yet; what the archive could harm is this job's own sandbox.
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            tar.extractall(_CODE)
    elif source and Path(source.removeprefix("file://")) != _CODE:
        shutil.copytree(source.removeprefix("file://"), _CODE, dirs_exist_ok=True)


def _install(program: str) -> None:
    pip = [sys.executable, "-m", "pip", "install"]
    if (_CODE / "requirements.txt").exists():
        subprocess.run([*pip, "-r", "requirements.txt"], cwd=_CODE, check=True)
    if (_CODE / "setup.py").exists():
        subprocess.run([*pip, "--no-build-isolation", "."], cwd=_CODE, check=True)
    elif not program.endswith(".py") and (_CODE / program).is_file():
        (_CODE / program).chmod(0o755)


def _run(arguments: list[str]) -> tuple[int, str]:
    """Exit status and the last line that looks like an exception, or the last line; all output goes through at once."""
    print("Invoking script with the following command:\n\n" + shlex.join(arguments) + "\n", flush=True)
    said = last = ""
    with subprocess.Popen(arguments, cwd=_CODE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        signal.signal(
            signal.SIGTERM, lambda number, frame: process.terminate()
        )  # Stop reaches the script's own handler
        assert process.stdout
        for line in process.stdout:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
            text = line.decode("utf-8", errors="replace").rstrip()
            said = text if _EXCEPTION.match(text) else said
            last = text or last
    return process.returncode if process.returncode >= 0 else 128 - process.returncode, said or last


def _wait_for(hosts: list[str]) -> None:
    for host in hosts:
        for _ in range(100):
            try:
                socket.gethostbyname(host)
                break
            except OSError:
                time.sleep(0.1)
        else:
            raise TimeoutError(f"the host name {host} did not resolve")


def _gpus() -> int:
    return sum(1 for device in Path("/dev").iterdir() if re.fullmatch(r"nvidia\d+", device.name))


def _fail(message: str, code: int) -> None:
    """The user's own failure text wins."""
    print(message, file=sys.stderr, flush=True)
    failure = _OUTPUT / "failure"
    if not failure.exists():
        failure.write_text(message)
    sys.exit(code)


if __name__ == "__main__":
    main()
