"""The model server that runs inside an endpoint's sandbox: what the framework images' `serve` does.

It is started as a package of another name and path, with nothing else of sagelocal in sight, so its modules import only
each other, the standard library, and the image's own libraries when a request needs them.
"""
