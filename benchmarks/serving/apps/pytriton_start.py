"""Imported at the start of every interpreter of pytriton's environment.

The Python that pytriton carries is an older 3.11 than the standard library which it finds in the environment: its lock
lacks a method that `multiprocessing.resource_tracker` calls. The lock that is written in Python has it.
"""

import _thread

if not hasattr(_thread.RLock, "_recursion_count"):
    import threading
    from multiprocessing import resource_tracker

    resource_tracker._resource_tracker._lock = threading._PyRLock()
