"""An HTTPS proxy of this machine that leads AWS's STS addresses to MiniStack and every other one where it belongs.

The SageMaker SDKs ask `https://sts.<region>.amazonaws.com` who they are (`account_id`, `get_execution_role`): they name
the address themselves, so that no endpoint variable changes it. `mlops env --sts-proxy` sets `HTTPS_PROXY` and
`AWS_CA_BUNDLE` in a shell that wants those calls to work; nothing else ever starts this proxy.

It ends TLS for the hosts of `certificates.HOSTS` only. The certificate's authority exists for the moment in which it
signs: what stays on disk can stand in for those hosts and for no other.
"""
