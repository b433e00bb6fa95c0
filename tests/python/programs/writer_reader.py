import sys

import prong as multiprocessing


def write(queue):
    for value in ["A", "B", "C"]:
        print("put", value, flush=True)
        queue.put(value)


def read(queue):
    for value in iter(queue.get, None):
        print("got", value, flush=True)


if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    queue = multiprocessing.Queue()
    writer = multiprocessing.Process(target=write, args=(queue,))
    writer.start()
    writer.join()
    reader = multiprocessing.Process(target=read, args=(queue,))
    reader.start()
    queue.put(None)
    reader.join()
    print(reader.exitcode, queue.empty())
