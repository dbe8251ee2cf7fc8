"""CloudFormation on a laptop: MiniStack's own, which here also makes what sagelocal answers and forgets no stack."""
