"""CodePipeline V2: stages, actions, approvals, triggers."""
