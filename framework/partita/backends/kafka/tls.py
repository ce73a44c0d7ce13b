"""The TLS context of a bus, made from files, and made anew when one of them has changed."""

import logging
import ssl
from collections.abc import Mapping
from pathlib import Path

from aiokafka.helpers import create_ssl_context

from partita.core.errors import SettingsError
from partita.core.secrets import Secret

_log = logging.getLogger("partita.kafka")
Stamps = tuple[tuple[int, int, int], ...]


class TlsFiles:
    """
    Certificates in PEM files.

    Args:
        files: `ssl_cafile`, who is trusted to sign the broker's certificate (default: whom the system
            trusts); `ssl_certfile`, our own, with those between it and its authority; `ssl_keyfile`, its
            private key (default: it is in the same file).
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self._stamps: Stamps | None = None
        self._context: ssl.SSLContext | None = None

    def context(self, password: Secret | None = None) -> ssl.SSLContext:
        """
        The context for the next connection. Reads files that have changed since the last one.

        Files that cannot be used leave the last good context in force, with one line in the log: a
        certificate and its key are seldom replaced at once.

        Args:
            password: what the key is encrypted with.

        Raises:
            SettingsError: they cannot be used, and there is no last good context.
        """
        try:
            stamps = tuple(_stamp(path) for path in self._files.values())
            if self._context is None or stamps != self._stamps:
                self._context = self._load(password)
        except (OSError, ValueError) as error:
            problem = SettingsError(self._problem(error))
            if self._context is None:
                raise problem from error
            _log.warning("%s; the certificates of before stay in use", problem)
        else:
            self._stamps = stamps
        return self._context

    def _load(self, password: Secret | None) -> ssl.SSLContext:
        files = {name: str(path) for name, path in self._files.items()}
        context = create_ssl_context(
            cafile=files.get("ssl_cafile"),
            certfile=files.get("ssl_certfile"),
            keyfile=files.get("ssl_keyfile"),
            # Never left out: OpenSSL would ask for it on the terminal.
            password=password.reveal() if password is not None else _no_password,
        )
        context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
        return context

    def _problem(self, error: OSError | ValueError) -> str:
        for name, path in self._files.items():
            if not path.is_file():
                return f"{name} names no file: {path}"
        if isinstance(error, _PasswordMissing):
            return "the key of ssl_keyfile is encrypted; give its password in ssl_password"
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        if reason == "KEY_VALUES_MISMATCH":
            return "the key of ssl_keyfile does not belong to the certificate of ssl_certfile"
        if "DECRYPT" in reason.upper():
            return "ssl_password does not open the key of ssl_keyfile"
        names = " and ".join(self._files) or "the certificates of the system"
        return f"{names} cannot be used: {reason} (PEM files are expected)"


class _PasswordMissing(ValueError):
    """A key is encrypted, and there is no password."""


def _no_password() -> str:
    raise _PasswordMissing


def _stamp(path: Path) -> tuple[int, int, int]:
    """What changes when a file is replaced or written."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino
