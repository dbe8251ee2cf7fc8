"""What the command line told the pages: `streamlit run dashboard/server.py -- --target aws --allow-changes`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Surroundings:
    target: str  # "aws" is said in red on every page, with account and region
    may_change: bool  # else no page makes a call that changes something


def read(argv: list[str] | None = None) -> Surroundings:
    parser = argparse.ArgumentParser(prog="dashboard")
    parser.add_argument("--target", choices=["laptop", "aws"], default="aws", help="aws: warn, and change nothing")
    parser.add_argument("--allow-changes", action="store_true", help="changes of an AWS account, too")
    given = parser.parse_args(sys.argv[1:] if argv is None else argv)
    return Surroundings(given.target, given.allow_changes or given.target == "laptop")
