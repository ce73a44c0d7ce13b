"""Ports of 127.0.0.1."""

import random
import socket

HOST = "127.0.0.1"
# Below the ports that systems give to outgoing connections: a client that keeps dialling a port from that
# range while its server is away can end up connected to itself, and then the server cannot come back.
FREE_FROM, FREE_TO = 20_000, 32_000


def port_is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Without it, connections of a server that has just ended would make its port look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            # The refusal is the answer.
            return False
        return True


def free_port() -> int:
    """
    A port that nobody listens on.

    Raises:
        OSError: none was found.
    """
    for _ in range(1000):
        port = random.randrange(FREE_FROM, FREE_TO)
        if port_is_free(port):
            return port
    raise OSError(f"no free port between {FREE_FROM} and {FREE_TO} on {HOST}")
