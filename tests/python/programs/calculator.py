import sys

import prong as multiprocessing


def calculate(connection):
    while True:
        try:
            a, operator, b = connection.recv()
        except EOFError:
            print("calculator: no more questions", flush=True)
            return
        connection.send({"+": a + b, "*": a * b}[operator])


if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.Process(target=calculate, args=(theirs,))
    child.start()
    for question in [(1, "+", 2), (6, "*", 7)]:
        ours.send(question)
        print(question, ours.recv(), flush=True)
    ours.close()  # and the child, which has not closed its copy, sees the end
    child.join(10)
    print(child.exitcode)
