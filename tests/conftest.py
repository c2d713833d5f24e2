"""What all tests share: real images where they are at hand, and hypothesis without deadlines."""

from __future__ import annotations

import os
import signal
from pathlib import Path

# Tests work on small matrices, where threads cost more than they bring; set before anything imports torch or numpy.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest

# Shared machines stall for longer than hypothesis' 200 ms; what is slow is seen in the suite's durations. Every run
# draws other examples; ``--hypothesis-profile thorough`` draws many.
hypothesis.settings.register_profile("suite", deadline=None, max_examples=50)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=2000)
hypothesis.settings.load_profile("suite")

# A shell's background job ignores Ctrl+C, and so would the programs that its tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_BESIDE_THE_REPOSITORY = Path(__file__).parents[2] / "shared" / "data" / "cifar10-subset.npz"


@pytest.fixture(scope="session")
def cifar10_npz() -> Path:
    """A file of real CIFAR-10 images: uint8 (N, 32, 32, 3), 5170 for training and 1017 for testing."""
    path = Path(os.environ.get("WNT_TEST_CIFAR10") or _BESIDE_THE_REPOSITORY)
    if not path.is_file():
        pytest.skip("no real CIFAR-10 images here; $WNT_TEST_CIFAR10 can name an .npz file of them")
    return path
