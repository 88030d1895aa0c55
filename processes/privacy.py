"""A process whose memory and environment are closed to the other processes of its user."""

import sys

from processes.lifetime import ask_kernel

PR_SET_DUMPABLE = 4  # from <linux/prctl.h>


def be_private() -> None:
    """Close this process, and the children it forks, to what runs as the same user: Linux only.

    `/proc/<pid>/environ`, `mem` and `fd` are root's then, nothing of the user may trace it, and a
    crash writes no core. So a command cannot read the keys of the worker that started it. An exec
    undoes it: each program calls this itself.
    """
    if sys.platform == "linux":
        ask_kernel(PR_SET_DUMPABLE, 0)
