"""What every part of a bus stands on: its backend, and whether it is open."""

from partita.core.errors import Closed
from partita.core.ports import Backend


class Opened:
    """
    One backend, which is used while it is open.

    Args:
        backend: the code for the broker.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._open = False

    def _check_open(self) -> None:
        if not self._open:
            raise Closed("the bus is not open; use it inside 'async with open_bus(...)'")
