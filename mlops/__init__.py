"""The command line over pipelines, endpoints and monitors: the one place that knows of two targets, laptop and AWS."""
