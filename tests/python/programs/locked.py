import sys

import prong as multiprocessing


def add(lock, value, times):
    for _ in range(times):
        with lock:
            value.value += 1


if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    lock, value = multiprocessing.Lock(), multiprocessing.Value("i", 0, lock=False)
    processes = [multiprocessing.Process(target=add, args=(lock, value, 1000)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    print(value.value)
