"""A setting that is wrong is told apart from every other at the start, by one attempt."""

import asyncio
from collections.abc import Mapping

import pytest
from tests.security.broker import PASSWORD, USER, Secure

from partita import SettingsError, open_bus

WITHIN = 10.0
OTTO = {"sasl_plain_username": USER, "sasl_plain_password": PASSWORD}
MALLORY = {"sasl_plain_username": USER, "sasl_plain_password": "no-such-password"}
CLEAR = {"security_protocol": "PLAINTEXT", "ssl_cafile": ""}
WRONG: Mapping[str, tuple[str, Mapping[str, str], str]] = {
    "password, plain": ("sasl", {**MALLORY, "sasl_mechanism": "PLAIN"}, "refused the login by PLAIN"),
    "password, scram-256": ("sasl", {**MALLORY, "sasl_mechanism": "SCRAM-SHA-256"}, "by SCRAM-SHA-256: "),
    "password, scram-512": ("sasl", {**MALLORY, "sasl_mechanism": "SCRAM-SHA-512"}, "by SCRAM-SHA-512: "),
    "mechanism": ("open", {**OTTO, "sasl_mechanism": "SCRAM-SHA-256"},
                  "does not take sasl_mechanism=SCRAM-SHA-256 on this port; it takes PLAIN"),
    "authority": ("tls", {"ssl_cafile": "stranger.pem"}, "not signed by anybody trusted here"),
    "no authority": ("tls", {"ssl_cafile": ""}, "give the certificate of its authority in ssl_cafile"),
    "expired certificate": ("expired", {}, "has expired"),
    "host name": ("elsewhere", {}, "shows a certificate for another host"),
    "no certificate of ours": ("mutual", {}, "asks for our certificate"),
    "certificate of a stranger": ("mutual", {"ssl_certfile": "mallory.pem"}, "look who signed that"),
    "listener that moved": ("moved", {}, "mend advertised.listeners of the broker"),
    "tls to clear text": ("clear", {"security_protocol": "SSL"}, "speaks clear text on this port"),
    "clear text to tls": ("tls", CLEAR, "speaks TLS on this port"),
    "no login": ("open", {"security_protocol": "PLAINTEXT"}, "wants a login on this port"),
    "no login over tls": ("sasl", {"security_protocol": "SSL"}, "give security_protocol=SASL_SSL"),
    "a login where none is wanted": ("tls", {**OTTO, "security_protocol": "SASL_SSL"}, "wants no login"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named_at_the_start(what: str, secure: Secure) -> None:
    """Rows 26, 92 and 93: an error of the settings, within seconds, with the server and the reason."""
    listener, options, said = WRONG[what]
    folder = secure.papers.client.key.parent
    given = {
        name: str(folder / value) if name.startswith("ssl_") and value else value
        for name, value in options.items()
    }

    async def scenario() -> None:
        async with asyncio.timeout(WITHIN), open_bus(secure.url(listener, **given)):
            pass

    with pytest.raises(SettingsError) as refused:
        asyncio.run(scenario())

    assert said in str(refused.value)
    assert str(refused.value).startswith(secure.at(listener))
    assert "no-such-password" not in str(refused.value)
    assert refused.value.__cause__ is not None
