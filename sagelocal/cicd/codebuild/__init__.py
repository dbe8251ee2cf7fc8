"""CodeBuild: projects, builds of a buildspec in a sandbox, reports, artifacts."""
