"""What a server tells the service manager (systemd): READY, STOPPING, and, for its watchdog, that it is alive."""

import threading

from .. import _core


class Service:
    """From its beginning to its end: `with Service("serves at …"):`. Without NOTIFY_SOCKET it does nothing."""

    def __init__(self, what):
        self._socket, self._period = _core._notify_begin()
        self._status, self._ended = what, threading.Event()
        self._watchdog = threading.Thread(target=self._tell_watchdog, daemon=True, name="watchdog")

    def __enter__(self):
        _core._notify_send(self._socket, f"READY=1\nSTATUS={self._status}")
        if self._period:
            self._watchdog.start()
        return self

    def _tell_watchdog(self):
        while not self._ended.wait(self._period):
            _core._notify_send(self._socket, "WATCHDOG=1")

    def __exit__(self, *unused):
        self._ended.set()
        if self._period:
            self._watchdog.join()
        _core._notify_send(self._socket, "STOPPING=1")
        _core._notify_end(self._socket)
