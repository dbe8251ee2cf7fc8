"""Prints a pipeline's definition as JSON; nothing is created but the code's and data's objects in the bucket.

get-pipeline-definition --module-name pipelines.churn --file-name definition.json
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from pipelines.run_pipeline import load


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--module-name", required=True, help="module with `build(project)`, such as pipelines.churn")
    parser.add_argument("--file-name", type=Path, help="where to write it; otherwise standard output")
    parser.add_argument("--role-arn", help="execution role; otherwise $SAGEMAKER_ROLE_ARN or the SDK's defaults file")
    args = parser.parse_args(argv)
    logging.disable(logging.INFO)  # the SDK turns on every library's
    try:
        text = definition(args.module_name, args.role_arn)
    except LookupError as error:
        print(error, file=sys.stderr)
        return 1
    if args.file_name:
        args.file_name.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)
    return 0


def definition(module_name: str, role: str | None = None) -> str:
    from pipelines.project import Project

    return json.dumps(json.loads(load(module_name, Project.from_environment(role=role)).definition()), indent=2)


if __name__ == "__main__":
    sys.exit(main())
