import sys

import prong as multiprocessing


class Producer(multiprocessing.Process):
    def __init__(self, queue, count):
        super().__init__()
        self.queue, self.count = queue, count

    def run(self):
        for n in range(self.count):
            self.queue.put(n)
        self.queue.join()


class Consumer(multiprocessing.Process):
    def __init__(self, queue, total):
        super().__init__(daemon=True)
        self.queue, self.total = queue, total

    def run(self):
        while True:
            n = self.queue.get()
            with self.total.get_lock():
                self.total.value += n
            self.queue.task_done()


if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    queue, total = multiprocessing.JoinableQueue(), multiprocessing.Value("i", 0)
    consumers = [Consumer(queue, total) for _ in range(2)]
    for consumer in consumers:
        consumer.start()
    producer = Producer(queue, 100)
    producer.start()
    producer.join()
    print(producer.exitcode, total.value, queue.qsize(), all(consumer.is_alive() for consumer in consumers))
