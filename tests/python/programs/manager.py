import sys

import prong as multiprocessing


def fill(shared_dict, shared_list, lock):
    with lock:
        shared_dict["one"] = 1
        shared_dict[2] = "two"
        shared_list.reverse()


if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    with multiprocessing.Manager() as manager:
        shared_dict, shared_list = manager.dict(), manager.list(range(5))
        process = multiprocessing.Process(target=fill, args=(shared_dict, shared_list, multiprocessing.Lock()))
        process.start()
        process.join()
        print(dict(shared_dict), list(shared_list), process.exitcode)
