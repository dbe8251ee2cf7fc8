"""A job's source: just the files that it needs, uploaded under their content's hash.

SageMaker keys its step cache by URI and never looks at content, so a source's URI has to change exactly when the source
does. The SDK's own prefixes carry a time, or the whole folder's hash: with the first no step is ever found in the cache
after a new upsert, with the second an edit to churn makes fraud train again.

What a script `training/churn.py` takes along, found by reading and never by importing it:

1. the modules of its own folder that it imports (`import churn_features`), and what those import in turn;
2. the files of its own folder that it, or such a module, names in a string (`"report_page.html.j2"`);
3. `training/churn.requirements.txt`, or else `training/requirements.txt`, as `requirements.txt`.
"""

from __future__ import annotations

import ast
import functools
import gzip
import hashlib
import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REQUIREMENTS = "requirements.txt"
FILE_NAME = re.compile(r"[\w-][\w.-]{0,98}\.\w+")
CODE = "/opt/ml/processing/input/code"  # where a Processing job finds its source, by the SDK's own custom


@dataclass(frozen=True)
class Bundle:
    """The files of one job, by their path inside the job's source folder."""

    name: str  # where they go: "training/churn", "sm_drivers"
    files: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """First 16 hex digits of a SHA-256 over names and contents; times, modes and machines don't matter."""
        whole = hashlib.sha256()
        for name, content in sorted(self.files.items()):
            whole.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
        return whole.hexdigest()[:16]

    @property
    def requirements(self) -> bool:
        """Whether packages have to be installed before the script runs."""
        return REQUIREMENTS in self.files

    @property
    def command(self) -> list[str]:
        """A Processing job's ContainerEntrypoint, in exec form, so that the script sees the signals of a Stop.

        What AWS's image lacks is installed first.
        """
        script = f"{CODE}/{self.name.rsplit('/', 1)[-1]}.py"
        if not self.requirements:
            return ["python3", script]
        pip = f"python3 -m pip install --quiet --disable-pip-version-check --requirement {CODE}/{REQUIREMENTS}"
        return ["/bin/bash", "-c", f'{pip} && exec python3 "$0" "$@"', script]

    def upload_archive(
        self, s3: Any, bucket: str, prefix: str = "", extra_args: Mapping[str, Any] | None = None
    ) -> str:
        """The same as one gzipped tar, `s3://<bucket>/[<prefix>/]code/<name>/<digest>.tar.gz`."""
        key = "/".join(part for part in (prefix.strip("/"), "code", self.name, f"{self.digest}.tar.gz") if part)
        if not any(s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])):
            s3.put_object(Bucket=bucket, Key=key, Body=self.archive(), **(extra_args or {}))
        return f"s3://{bucket}/{key}"

    def archive(self) -> bytes:
        """Byte for byte the same for the same files."""
        whole = io.BytesIO()
        with gzip.GzipFile(fileobj=whole, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
            for name, content in sorted(self.files.items()):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        return whole.getvalue()

    def upload(self, s3: Any, bucket: str, prefix: str = "", extra_args: Mapping[str, Any] | None = None) -> str:
        """The folder's URI, `s3://<bucket>/[<prefix>/]code/<name>/<digest>/`; sends only what the bucket lacks.

        `s3` is a boto3 client, `extra_args` are PutObject's own (a KMS key, say). Raises ClientError when the bucket
        refuses.
        """
        folder = "/".join(part for part in (prefix.strip("/"), "code", self.name, self.digest) if part) + "/"
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=folder)
        there = {each["Key"] for page in pages for each in page.get("Contents", [])}
        for name, content in self.files.items():
            if folder + name not in there:
                s3.put_object(Bucket=bucket, Key=folder + name, Body=content, **(extra_args or {}))
        return f"s3://{bucket}/{folder}"


def bundle(root: Path, script: str) -> Bundle:
    """What `script`, a path such as `training/churn.py` under `root`, needs to run (rules 1 to 3 above).

    Raises FileNotFoundError naming the script, SyntaxError when a file of the bundle isn't Python.
    """
    path = root / script
    if not path.is_file():
        raise FileNotFoundError(f"There is no {script} in {root}: a use case's scripts carry the use case's name.")
    files = {each.relative_to(path.parent).as_posix(): each.read_bytes() for each in needed(path)}
    for requirements in (path.with_suffix(f".{REQUIREMENTS}"), path.with_name(REQUIREMENTS)):
        if requirements.is_file():
            files[REQUIREMENTS] = requirements.read_bytes()
            break
    return Bundle(path.relative_to(root).with_suffix("").as_posix(), files)


def folder(path: Path, name: str) -> Bundle:
    """All files under a folder, as they are."""
    files = (each for each in path.rglob("*") if is_source(each))
    return Bundle(name, {each.relative_to(path).as_posix(): each.read_bytes() for each in files})


def is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"


def needed(script: Path) -> list[Path]:
    """The script and, transitively, the files beside it that it imports or names, sorted."""
    found, waiting = set[Path](), [script]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            if path.suffix == ".py":
                waiting.extend(references(path, script.parent))
    return sorted(found)


def references(path: Path, folder: Path) -> Iterator[Path]:
    """Files of `folder` that a Python file imports as top-level modules or names in a string."""
    modules, strings = _named(path.read_bytes(), str(path))
    for dotted in modules:
        yield from module(folder, dotted)
    yield from (folder / name for name in strings if (folder / name).is_file())


@functools.lru_cache(maxsize=1024)  # the steps of a pipeline share most of their files
def _named(content: bytes, path: str) -> tuple[list[str], list[str]]:
    """The modules that a file imports, and the strings in it that could be a file's name."""
    modules, strings = list[str](), list[str]()
    for node in ast.walk(ast.parse(content, path)):
        if isinstance(node, ast.Import):
            modules += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.append(node.module)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and FILE_NAME.fullmatch(node.value):
            strings.append(node.value)
    return modules, strings


def module(folder: Path, dotted: str) -> Iterator[Path]:
    """The file of a top-level module, or all of a package: which of its modules run is known only when it runs."""
    name = dotted.split(".")[0]
    if (folder / f"{name}.py").is_file():
        yield folder / f"{name}.py"
    elif (folder / name).is_dir():
        yield from (each for each in (folder / name).rglob("*") if is_source(each))
