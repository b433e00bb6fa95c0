"""The other side of task_queue.c, with Python's standard library alone: task_queue.py serve | work ADDRESS"""
import queue
import sys
import threading
from multiprocessing.managers import BaseManager


class Manager(BaseManager):
    pass


KEY = b"tasks"
TASKS = 3


def serve():
    tasks, results = queue.Queue(), queue.Queue()
    Manager.register("get_tasks", callable=lambda: tasks)
    Manager.register("get_results", callable=lambda: results)
    server = Manager(("127.0.0.1", 0), authkey=KEY).get_server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("%s:%d" % server.address, flush=True)
    for i in range(1, TASKS + 1):
        tasks.put({"number": i, "add": [i, i, i]})
    tasks.put(None)
    for i in range(1, TASKS + 1):
        who, total = results.get(timeout=30)
        print(f"task {i}: {total}, by {who}")


def work(address):
    host, port = address.rsplit(":", 1)
    Manager.register("get_tasks")
    Manager.register("get_results")
    manager = Manager((host, int(port)), authkey=KEY)
    manager.connect()
    tasks, results = manager.get_tasks(), manager.get_results()
    try:
        while (task := tasks.get(timeout=30)) is not None:
            results.put(("Python", sum(task["add"])))
    except (EOFError, ConnectionError):
        pass  # the server has all that it wanted


if __name__ == "__main__":
    serve() if sys.argv[1] == "serve" else work(sys.argv[2])
