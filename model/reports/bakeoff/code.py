"""Names the code that a result depends on, so that a cache is left when the code has moved on."""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
from types import ModuleType


def code_digest(*modules: ModuleType, below: str = "model.learners.") -> str:
    """Digest of the modules' sources, and of what they import below a package.

    Args:
        below: prefix of the modules that are followed; others are taken to be as they are.
    """
    sources: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module.__name__ in sources:
            continue
        sources[module.__name__] = inspect.getsource(module)
        for name in _imported(sources[module.__name__]):
            if name.startswith(below) and name not in sources:
                try:
                    waiting.append(importlib.import_module(name))
                except ModuleNotFoundError:  # a name in a module, not a module
                    continue
    return digest(sorted(sources.items()))


def _imported(source: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def digest(*parts: object) -> str:
    """SHA-256 of what the parts look like."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()
