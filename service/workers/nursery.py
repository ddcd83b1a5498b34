"""A process that becomes as many as are asked for: what this one has imported and loaded is theirs.

Forked from a service that has imported torch and has no second thread yet, it costs neither the
second that an import takes nor the memory; and it is there when one must be started again. Weights
it loads when somebody is first asked for who computes with them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from model.errors import StandinError
from service.workers.bench import Experts
from service.workers.desk import Desk
from service.workers.process import ends_of, experts_of, multiply, settle
from service.workers.terms import Terms

_MOST = 64  # processes begun by one message, which holds two files each; the kernel takes 253
_PATIENCE = 5.0  # seconds for what is still being done when the service ends
_TERMS = 2**16  # bytes of the longest


class Nursery:
    """Build it with :meth:`begin`, and close it when nothing is to be done any more.

    Attributes:
        pid: whose children work.
    """

    def __init__(self, pid: int, control: socket.socket) -> None:
        self.pid = pid
        self._control = control

    @classmethod
    def begin(cls) -> Nursery | None:
        """None where a process cannot safely be forked from this one: it has threads already, or
        the system's own libraries would not have it (macOS)."""
        if sys.platform != "linux" or len(list(Path("/proc/self/task").iterdir())) > 1:
            return None
        here, there = socket.socketpair(type=socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid:
            there.close()
            return cls(pid, here)
        here.close()
        try:
            _nurse(there)
        except StandinError:  # weights that cannot be used: the service finds so, too, and says it
            os._exit(1)
        except BaseException:  # there is no way back into the service's own code
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)

    def start(self, ends: Sequence[tuple[socket.socket, Desk]], terms: Terms) -> None:
        """A process for each, which works there until the other end is closed. The same terms each
        time.

        Raises:
            OSError: this one has ended.
        """
        for first in range(0, len(ends), _MOST):
            numbers = [each.fileno() for pair in ends[first : first + _MOST] for each in pair]
            socket.send_fds(self._control, [terms.to_json().encode()], numbers)

    def close(self) -> None:
        """They finish what they are at, and are gone."""
        self._control.close()
        patience = time.monotonic() + _PATIENCE
        with contextlib.suppress(ChildProcessError):  # somebody else has waited for it
            while not os.waitpid(self.pid, os.WNOHANG)[0]:
                if time.monotonic() > patience:  # a picture of many megapixels: nobody waits for it
                    os.kill(self.pid, signal.SIGKILL)
                    os.waitpid(self.pid, 0)
                    return
                time.sleep(0.005)


def _nurse(control: socket.socket) -> None:
    """Fork whenever connections come, until the service is gone."""
    settle()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel takes leave of those that end
    experts: Experts | None = None
    while True:
        told, numbers, _, _ = socket.recv_fds(control, _TERMS, 2 * _MOST)
        if not told:
            break
        terms = Terms.from_json(told.decode())
        if terms.computes and experts is None:
            experts = experts_of(terms)
        multiply(ends_of(numbers), terms, experts, [control])
    with contextlib.suppress(ChildProcessError):  # returns, so to speak, when all have ended
        while True:
            os.wait()
