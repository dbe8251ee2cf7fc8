"""What an instance type has: AWS's published vCPUs and memory of the ml.* families."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagelocal.api.errors import validation

# Family -> GiB of memory per vCPU, where every size of it has the same ratio.
_PER_CPU = {
    **dict.fromkeys(
        (
            "m4",
            "m5",
            "m5d",
            "m6g",
            "m6gd",
            "m6i",
            "m6id",
            "m7g",
            "m7i",
            "m7i-flex",
            "m8g",
            "m8i",
            "m8i-flex",
            "g4dn",
            "g5",
            "g6",
        ),
        4.0,
    ),
    **dict.fromkeys(
        ("c5", "c5d", "c6g", "c6gd", "c6gn", "c6i", "c6id", "c7g", "c7i", "c7i-flex", "c8g", "c8i", "c8i-flex", "inf2"),
        2.0,
    ),
    **dict.fromkeys(("c4",), 1.875),
    **dict.fromkeys(("c5n",), 2.625),
    **dict.fromkeys(
        ("r5", "r5d", "r6g", "r6gd", "r6i", "r6id", "r7g", "r7i", "r8g", "r8i", "r8i-flex", "g6e", "g7e"), 8.0
    ),
    **dict.fromkeys(("r4", "p2", "p3"), 7.625),
}
_SIZES = {"medium": 1, "large": 2, "xlarge": 4}  # vCPUs; "<n>xlarge" has 4 n
# Types off their family's ratio or size rule: vCPUs, GiB.
_EXCEPTIONS = {
    "ml.t2.medium": (2, 4.0),
    "ml.t2.large": (2, 8.0),
    "ml.t2.xlarge": (4, 16.0),
    "ml.t2.2xlarge": (8, 32.0),
    "ml.t3.medium": (2, 4.0),
    "ml.t3.large": (2, 8.0),
    "ml.t3.xlarge": (4, 16.0),
    "ml.t3.2xlarge": (8, 32.0),
    "ml.c4.8xlarge": (36, 60.0),
    "ml.c5.9xlarge": (36, 72.0),
    "ml.c5.18xlarge": (72, 144.0),
    "ml.m4.10xlarge": (40, 160.0),
    "ml.p3.2xlarge": (8, 61.0),
    "ml.p3.8xlarge": (32, 244.0),
    "ml.p3.16xlarge": (64, 488.0),
    "ml.p3dn.24xlarge": (96, 768.0),
    "ml.p4d.24xlarge": (96, 1152.0),
    "ml.p4de.24xlarge": (96, 1152.0),
    "ml.p5.4xlarge": (16, 256.0),
    "ml.p5.48xlarge": (192, 2048.0),
    "ml.p5e.48xlarge": (192, 2048.0),
    "ml.p5en.48xlarge": (192, 2048.0),
    "ml.p6-b200.48xlarge": (192, 2048.0),
    "ml.trn1.2xlarge": (8, 32.0),
    "ml.trn1.32xlarge": (128, 512.0),
    "ml.trn1n.32xlarge": (128, 512.0),
    "ml.trn2.48xlarge": (192, 2048.0),
}


@dataclass(frozen=True)
class Instance:
    cpus: int
    memory: int  # bytes


def instance(instance_type: str) -> Instance:
    """Raises AwsError for a type whose size is unknown, since the job's memory limit follows from it."""
    if instance_type in _EXCEPTIONS:
        cpus, gib = _EXCEPTIONS[instance_type]
        return Instance(cpus, int(gib * 2**30))
    match = re.fullmatch(r"ml\.(\w+(?:-flex)?)\.(?:(\d+)(?=xlarge))?(medium|large|xlarge)", instance_type)
    if not match or match[1] not in _PER_CPU:
        families = ", ".join(f"ml.{family}" for family in sorted({*_PER_CPU, "t2", "t3"}))
        raise validation(
            f"The memory of instance type {instance_type} is not known to sagelocal. Use one of {families}."
        )
    cpus = _SIZES[match[3]] * int(match[2] or 1)
    return Instance(cpus, int(cpus * _PER_CPU[match[1]] * 2**30))


def memory_limit(instance_type: str, machine: int, hosts: int = 1) -> int:
    """Bytes a host's process tree may have: its instance's memory, at most its share of half this machine's bytes."""
    return min(instance(instance_type).memory, machine // (2 * hosts))


def host_count(kind: str, job: Mapping[str, Any]) -> int:
    """How many instances a job of this kind asks for."""
    if kind == "ProcessingJob":
        return int(job["ProcessingResources"]["ClusterConfig"]["InstanceCount"])
    if kind == "TransformJob":
        return int(job["TransformResources"]["InstanceCount"])
    return len(cluster(job["ResourceConfig"]))


def cluster(resources: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(host, instance type, instance group) of a training job's hosts, by name as AWS sorts them: algo-1, algo-10 …

    Hosts are numbered through the groups in their order; a job without groups has one, named as AWS names it.
    """
    groups = resources.get("InstanceGroups") or [{**resources, "InstanceGroupName": "homogeneousCluster"}]
    members = [group for group in groups for _ in range(group["InstanceCount"])]
    return sorted(
        (f"algo-{number}", member["InstanceType"], member["InstanceGroupName"])
        for number, member in enumerate(members, 1)
    )
