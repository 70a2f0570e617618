"""What a server does about Python's garbage collector."""

import gc


def spare_what_is_loaded() -> None:
    """Look for garbage among what comes from now on alone. Call it once all is loaded.

    Modules and their like are some 85,000 objects, which stay. To look through them all stops
    every thread for up to 100 ms, which listeners would wait for.
    """
    gc.collect()
    gc.freeze()
