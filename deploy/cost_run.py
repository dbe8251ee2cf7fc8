"""What an execution of a pipeline costs by AWS's list prices, from the jobs that it ran. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from deploy.cost import HOUR, Estimate, Line, instances
from deploy.prices import Prices
from deploy.recurrence import HOURS

STORAGE = {"training": "training-storage-gb-month", "processing": "processing-storage-gb-month"}


@dataclass(frozen=True)
class Job:
    """One that ran, or all trials of a tuning job on instances of one kind."""

    step: str
    use: str  # training, processing, transform
    instance_type: str
    instance_count: int
    seconds: float  # billable ones, summed over jobs
    volume_gb: float  # of each instance
    jobs: int = 1


def run(jobs: Iterable[Job], cached: int, prices: Prices, start_up: float = 0.0) -> Estimate:
    """`cached`: steps that took an earlier execution's results; `start_up`: seconds added to every job."""
    lines = [line for each in jobs for line in _job(each, prices, start_up)]
    return Estimate(lines, list(_assumed(cached, start_up)))


def _job(job: Job, prices: Prices, start_up: float) -> Iterator[Line]:
    hours = (job.seconds + job.jobs * start_up) * job.instance_count / HOUR
    line = instances(job.step, prices, job.use, job.instance_type, (hours, hours))
    trials = f"{job.jobs} jobs: " if job.jobs > 1 else ""
    storage = prices.units.get(STORAGE.get(job.use, ""))
    disk = storage.amount * job.volume_gb * hours / HOURS if storage else 0.0
    yield Line(line.what, line.low + disk, line.high + disk, trials + line.how, line.unpriced)


def _assumed(cached: int, start_up: float) -> Iterator[str]:
    if cached:
        yield f"{cached} steps took an earlier execution's results, which costs nothing."
    if start_up:
        yield f"Each job takes {start_up:g} s more than here, to start: a laptop has no instances and images to fetch."
    yield "Disks are included, S3 requests and data transfer are not."
