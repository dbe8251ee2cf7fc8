"""How churn is deployed: a stage each. `mlops deploy churn` deploys production, `--stage staging` the other."""

from __future__ import annotations

from deploy.declaration import (
    CURRENT_MODEL,
    Alarm,
    Autoscaling,
    Deployment,
    Kind,
    Monitor,
    Monitoring,
    Retraining,
    Variant,
)
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
    "rehearsal": Deployment(),  # what `mlops demo drift` plays on
}

# Traffic that drifted violates the baseline of before by definition: that is noted with the candidate, which brings a
# baseline of its own. It has to beat the model in service.
LEARN_ANEW = {"CurrentModelUrl": CURRENT_MODEL, "FailOnViolation": "False", "RegisterNewBaseline": "True"}

# Who leaves is known a month later at the latest; `mlops label churn FILE` uploads it.
MONITORING = {
    "production": Monitoring(
        label="Churn",
        data_quality=Monitor(schedule="cron(0 * ? * * *)", window="PT1H"),
        model_quality=Monitor(schedule="cron(0 5 ? * * *)", window="P7D", delay="P1D"),
        model_bias=Monitor(schedule="cron(30 5 ? * * *)", window="P7D", delay="P1D"),
        explainability=Monitor(schedule="cron(0 6 ? * * *)", window="P1D"),
        retraining=Retraining(
            on=(Kind.DATA_QUALITY, Kind.MODEL_QUALITY), window="P30D", cooldown="P7D", parameters=LEARN_ANEW
        ),
    ),
    # Production's loop with short times, on the demo's few hundred records.
    "rehearsal": Monitoring(
        label="Churn",
        data_quality=Monitor(schedule="cron(0 3 ? * * *)"),
        model_quality=Monitor(schedule="cron(0 4 ? * * *)", delay="PT0S"),
        model_bias=None,
        explainability=None,
        retraining=Retraining(
            on=(Kind.DATA_QUALITY, Kind.MODEL_QUALITY), window="PT1H", cooldown="PT30S", parameters=LEARN_ANEW
        ),
    ),
}
