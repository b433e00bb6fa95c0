import sys

import prong as multiprocessing

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    numbers = (n * n for n in range(5))
    process = multiprocessing.Process(target=lambda: print(list(numbers), flush=True))
    try:
        process.start()
        process.join()
        print(process.exitcode, next(numbers))
    except Exception as error:
        print(type(error).__name__, "pickle" in str(error).lower())
    queue = multiprocessing.Queue(strict=True)
    try:
        queue.put(numbers)
    except TypeError as error:
        print(error)
