"""The mathematics below the frameworks: which BLAS numpy was built with, and which libraries are loaded."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, Optional

# BLAS and LAPACK, kernels of neural networks, and what makes threads.
_NOTABLE = re.compile(
    r"(openblas|mkl|blis|libblas|liblapack|armpl|dnnl|mkldnn|xnnpack|gomp|iomp|libomp|tbb|cudart|cublas|cudnn|nvinfer)"
)


def libraries(maps: Path = Path("/proc/self/maps")) -> dict[str, Any]:
    """``{"blas": {"name", "version", "source"} or None, "loaded": [file names]}`` of this process.

    ``blas`` is numpy's, None where numpy is not imported or does not tell; ``loaded`` is empty where the system has
    no list of what is loaded.
    """
    return {"blas": _blas(), "loaded": _loaded(maps)}


def _blas() -> Optional[dict[str, str]]:
    numpy = sys.modules.get("numpy")
    config = getattr(numpy, "__config__", None)
    if config is None:
        return None
    built = getattr(config, "CONFIG", {}).get("Build Dependencies", {}).get("blas", {})  # since numpy 1.25
    if built.get("name"):
        return {"name": str(built["name"]), "version": str(built.get("version", "")), "source": "numpy.__config__"}
    older = getattr(config, "blas_opt_info", None) or getattr(config, "blas_ilp64_opt_info", None) or {}
    names = older.get("libraries") or ()
    return {"name": " ".join(names), "version": "", "source": "numpy.__config__"} if names else None


def _loaded(maps: Path) -> list[str]:
    try:
        lines = maps.read_text(errors="replace").splitlines()
    except OSError:
        return []
    names = {line.rpartition("/")[2] for line in lines if "/" in line}
    return sorted(name for name in names if ".so" in name and _NOTABLE.search(name.lower()))
