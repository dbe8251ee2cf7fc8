"""Model Monitor: job definitions, schedules, and the executions that they start as Processing jobs."""
