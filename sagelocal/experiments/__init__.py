"""Experiments, their trials, the components of trials, and what executions and jobs record there by themselves."""
