"""`python -m sagelocal`: sagelocal in the foreground, for the state folder that MLOPS_STATE names."""

from sagelocal.server import main

raise SystemExit(main())
