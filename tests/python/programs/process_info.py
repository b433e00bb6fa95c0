import os
import sys

import prong as multiprocessing


def info(title):
    print(title, "parent is right:", os.getppid() == int(os.environ["PARENT"]), flush=True)


def work(name):
    info("child")
    print("hello", name, "from", multiprocessing.current_process().name, flush=True)
    sys.exit(7)


if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    os.environ["PARENT"] = str(os.getpid()) if sys.argv[1] != "forkserver" else "0"
    process = multiprocessing.Process(target=work, args=("bob",), name="worker-1")
    print(process.is_alive(), process.exitcode, process.daemon, process.name)
    process.start()
    process.join()
    print(process.is_alive(), process.exitcode, process.pid is not None)
    sleeper = multiprocessing.Process(target=__import__("time").sleep, args=(100,))
    sleeper.start()
    sleeper.terminate()
    sleeper.join()
    print(sleeper.exitcode)
    sleeper.close()
    try:
        sleeper.is_alive()
    except ValueError as error:
        print(error)
