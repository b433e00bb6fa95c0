"""A Python program whose workers are C: they run a library's functions, and have no Python.

    cc -shared -fPIC -I../include primes.c -o primes.so
    python3 c_pool.py [./primes.so]
"""

import sys
from array import array

import prong

if __name__ == "__main__":
    library = sys.argv[1] if len(sys.argv) > 1 else "./primes.so"
    with prong.NativePool(4) as pool:
        parts = [(first, first + 5000) for first in range(0, 20000, 5000)]
        print("primes:", pool.starmap(f"{library}:count", parts))
        numbers = array("d", [1, 2, 3, 4])
        squares = array("d", bytes(8 * len(numbers)))
        pool.map_into(f"{library}:square", numbers, squares)
        print("squares:", squares.tolist())
        try:
            pool.apply(f"{library}:count", ("one", 2))
        except prong.TaskFailed as error:
            print("failed:", error)
