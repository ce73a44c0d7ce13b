"""What is known of a bearer token: until when it is good, and when to get the next one."""

import base64
import binascii
import json

import attrs

from partita.core.secrets import Secret

# Of a token's life; the rest is for an issuer that is away for a while.
FRESH_SHARE = 0.8
SPREAD = 0.05


@attrs.frozen
class Token:
    """
    A token that was handed out.

    Args:
        value: the token.
        issued: when we got it, in seconds since 1970.
        expires: when it ends; None: nobody told, so it is asked for again at each connection.
    """

    value: Secret
    issued: float
    expires: float | None

    def is_fresh(self, now: float, spread: float) -> bool:
        """
        Whether it need not be replaced: less than 80 % of its life has passed.

        Args:
            now: seconds since 1970.
            spread: -1 to 1; moves the moment by up to 5 % of the life, so that many do not ask at once.
        """
        return self.expires is not None and now < self._after(FRESH_SHARE + SPREAD * spread)

    def is_good(self, now: float) -> bool:
        """Whether a server that reads the same clock would still take it."""
        return self.expires is not None and now < self.expires

    def _after(self, share: float) -> float:
        assert self.expires is not None
        return self.issued + share * (self.expires - self.issued)


def read_token(given: object, now: float) -> Token:
    """
    What a token provider returned: the token as a text, or `(text, seconds that it is good for)`.

    The end of a text that is a JSON web token is read from its claim `exp`; nothing of it is verified.

    Raises:
        TypeError: it is neither.
    """
    match given:
        case str(text) if text:
            return Token(Secret(text), now, _expiry(text))
        case (str(text), int() | float() as seconds) if text:
            return Token(Secret(text), now, now + seconds)
    raise TypeError(f"it returned {type(given).__name__}: return the token as str, or (str, seconds)")


def _expiry(text: str) -> float | None:
    parts = text.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims["exp"])
    except (binascii.Error, ValueError, TypeError, KeyError, RecursionError):
        # Only some tokens tell. It is the server that judges them.
        return None
