"""Delivery: CodeBuild, CodePipeline and the git remote that starts them."""
