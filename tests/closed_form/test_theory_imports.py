from __future__ import annotations

import subprocess
import sys


def test_the_theory_needs_numpy_alone() -> None:
    script = (
        "import importlib, pkgutil, sys, engine.theory as theory\n"
        "for module in pkgutil.iter_modules(theory.__path__, 'engine.theory.'):\n"
        "    importlib.import_module(module.name)\n"
        "print(sorted({'torch', 'scipy', 'sklearn', 'textual', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
