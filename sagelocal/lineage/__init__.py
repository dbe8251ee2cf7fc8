"""Lineage entities, their associations, and what jobs, packages and endpoints record there by themselves."""
