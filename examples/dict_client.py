"""A Python client's dict on the server of dict_server.c, with the standard library alone: dict_client.py ADDRESS"""
import sys
from multiprocessing.connection import Client
from multiprocessing.managers import SyncManager, dispatch

address = ("127.0.0.1", int(sys.argv[1].rsplit(":", 1)[1]))
manager = SyncManager(address, authkey=b"dict")
manager.connect()
stock = manager.dict(apples=3)
stock["pears"] = [1, 2.5, None]
stock.update({("a", 1): {"deep": b"bytes"}})
print(stock)
print(stock["pears"], "plums" in stock, len(stock))
try:
    stock["plums"]
except KeyError as error:
    print("KeyError", error)
with Client(address, authkey=b"dict") as connection:
    dispatch(connection, None, "shutdown")
