import functools
import operator
import sys

import prong as multiprocessing


def square(x):
    return x * x


def cube(x):
    return x * x * x


class Counter:
    def __init__(self, start):
        self.count = start

    def add(self, n):
        self.count += n
        return self.count


if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    with multiprocessing.Pool(4) as pool:
        print(pool.map(square, range(5)))
        seen = []
        results = [pool.apply_async(square, (n,), callback=seen.append) for n in range(3)]
        print([result.get(10) for result in results], sorted(seen))
        print(list(zip(pool.imap(square, range(4)), pool.imap(cube, range(4)))))
        counter = Counter(10)
        print(pool.map(counter.add, [1, 2, 3], chunksize=1), counter.count)
        print(pool.starmap(operator.sub, [(5, 3), (1, 1)]), pool.map(functools.partial(pow, 2), [3, 4]))
        try:
            pool.apply(print, (sys._getframe(),))
        except Exception as error:
            print("pickle" in str(error).lower())
