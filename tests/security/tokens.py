"""Tokens that nobody has signed, as the test broker takes them."""

import base64
import json
import time


def token(seconds: float, user: str = "otto") -> str:
    """A token of *user* that ends in so many seconds."""
    now = time.time()
    parts = ({"alg": "none"}, {"sub": user, "iat": now - 60, "exp": now + seconds})
    return "".join(f"{_encoded(each)}." for each in parts)


def _encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
