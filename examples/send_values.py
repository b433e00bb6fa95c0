"""Sends to receive_values.c, with the standard library alone: send_values.py ADDRESS"""
import sys
from multiprocessing.connection import Client

with Client(("127.0.0.1", int(sys.argv[1].rsplit(":", 1)[1])), authkey=b"values") as connection:
    for value in [{"name": "box", "size": (2, 3.5)}, ["text", b"bytes", 2**70, None], {1, 2, 3}, KeyError("lost")]:
        connection.send(value)
        print("its size:", connection.recv())
