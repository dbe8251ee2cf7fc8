"""CloudFormation templates on a laptop: resolved here, made by the services that a laptop has."""
