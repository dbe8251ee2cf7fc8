"""What a job's Python can import: the packages of AWS's image, and on top what its requirements.txt installs.

- `manifests/<ECR repository>/<version>.toml` lists the packages of one AWS image, with its source; an image without a
  file shows every package of this laptop. Adding an image is adding a file.
- A `View` is a folder that stands in for this Python's site-packages inside a sandbox: links to those distributions
  that the image has. Whatever looks (import, importlib.metadata, pip, pkgutil) sees the same, and nothing is patched.
- An overlay is what one `pip install` adds, kept under a key of its requirements, the view below it and this Python.
  It is made once, by pip in a sandbox of its own, and shown read-only to every job that asks for the same.
- `inside/` is what runs in the job's Python: sys.path, the sentence that a missing package's error ends with, and the
  `pip install` that asks sagelocal instead of running a resolver.
"""
