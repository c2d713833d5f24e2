"""What a run's start waits for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_a_run_on_the_digits_starts_without_what_takes_as_long_to_import_as_torch(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from engine import RunConfig, Trainer\n"
        "Trainer(RunConfig(width=8, depth=3, examples=8, data='digits')).observe()\n"
        "heavy = {'sklearn', 'torchvision', 'sympy', 'torch._inductor', 'torch._dynamo', 'torch.distributed.tensor'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path, env=environment
    )
    assert done.stdout.strip() == "[]"
