"""python -m prong.worker: a process, or a pool's worker, that a C program started."""

from ._impl.worker import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
