"""What the bench of the demo reads from the kernel."""

import os

from daozhang.bench.demo import _cpu_s, _pss_mib, _tree


def test_a_process_is_found_with_what_it_holds() -> None:
    assert os.getpid() in _tree(os.getppid())
    assert _pss_mib(os.getpid()) > 1
    assert _cpu_s(os.getpid()) > 0
    gone = 2**22 + 1
    assert (_tree(gone), _pss_mib(gone), _cpu_s(gone)) == ([gone], 0.0, 0.0)
