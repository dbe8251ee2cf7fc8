"""How churn is deployed: a stage each. `mlops deploy churn` deploys production, `--stage staging` the other."""

from __future__ import annotations

from deploy.declaration import Alarm, Autoscaling, Deployment, Monitor, Monitoring, Variant
from deploy.strategies import Canary

DEPLOYMENTS = {
    "staging": Deployment(),
    "production": Deployment(
        variants=(Variant(instance_type="ml.m5.large", instance_count=2),),
        strategy=Canary(size="50%", wait_interval=300, termination_wait=120),
        alarms=(
            Alarm("Invocation5XXErrors", threshold=0.01),  # more than 1 % of the requests of a minute fail
            Alarm("ModelLatency", threshold=500_000, statistic="p99"),  # microseconds
        ),
        autoscaling=Autoscaling(target_value=1000, min_capacity=2, max_capacity=4),  # requests a minute and instance
    ),
}

# Who leaves is known a month later at the latest; `mlops label churn FILE` uploads it.
MONITORING = {
    "production": Monitoring(
        label="Churn",
        data_quality=Monitor(schedule="cron(0 * ? * * *)", window="PT1H"),
        model_quality=Monitor(schedule="cron(0 5 ? * * *)", window="P7D", delay="P1D"),
        model_bias=Monitor(schedule="cron(30 5 ? * * *)", window="P7D", delay="P1D"),
        explainability=Monitor(schedule="cron(0 6 ? * * *)", window="P1D"),
    ),
}
