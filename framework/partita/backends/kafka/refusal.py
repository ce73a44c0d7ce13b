"""Which failures to connect are a "no" to who we are or to who the server is; no waiting mends them."""

import ssl
from typing import TypeGuard

from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from partita.core.errors import SettingsError

_LOGIN_REFUSALS = (
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
    IllegalSaslStateError,
    AuthenticationFailedError,
)
_REFUSALS = (
    *_LOGIN_REFUSALS,
    ssl.SSLCertVerificationError,
    SettingsError,
)
_ALERTS = ("ALERT", "CERTIFICATE")


def is_login_refusal(error: BaseException) -> bool:
    """Whether it was the login that the server refused."""
    return isinstance(error, _LOGIN_REFUSALS)


def is_refusal(error: BaseException) -> TypeGuard[Exception]:
    """Whether the server refused us, or we refused the server."""
    return isinstance(error, _REFUSALS) or tls_alert(error) is not None


def tls_alert(error: BaseException) -> str | None:
    """The alert with which the other side ended TLS, such as `TLSV13_ALERT_CERTIFICATE_REQUIRED`."""
    seen: BaseException | None = error
    while seen is not None:
        reason = getattr(seen, "reason", None)
        if isinstance(seen, ssl.SSLError) and reason and any(word in reason for word in _ALERTS):
            return str(reason)
        seen = seen.__cause__
    return None
