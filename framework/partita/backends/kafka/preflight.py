"""
One look at the brokers before anything rests on them, so that a setting that is wrong is named.

The client (aiokafka 0.14) says "unable to bootstrap" to everything from a wrong password to a broker that is
away, and would try for ever. Here each server is asked once, with our own connection, which is closed again.
"""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from typing import Any

import attrs
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.admin import SaslHandShakeRequest
from aiokafka.protocol.metadata import MetadataRequest

from partita.backends.kafka.connection import connect
from partita.backends.kafka.refusal import is_refusal, tls_alert
from partita.backends.kafka.security import Security
from partita.core.errors import SettingsError
from partita.core.health import describe

# Codes of OpenSSL: `openssl verify` knows them by the same numbers.
_NOT_YET, _EXPIRED, _WRONG_HOST, _WRONG_ADDRESS = 9, 10, 62, 64
_PROBE_SECONDS = 3.0
_ADVERTISED_SECONDS, _MOST_ADVERTISED = 4.0, 3


@attrs.frozen
class Preflight:
    """
    Looks at servers.

    Args:
        security: what connections are made with.
        seconds: how long a server may take to answer.
        client_id: our name in the broker's log.
    """

    security: Security
    seconds: float
    client_id: str = "partita-preflight"

    async def look(self, servers: Sequence[str]) -> None:
        """
        Ask the servers in turn until one answers.

        Raises:
            SettingsError: one answers, and cannot be used with these settings; the text says which is wrong.
            KafkaConnectionError: none answers; the last reason is its cause.
        """
        failure: Exception | None = None
        for server in servers:
            try:
                brokers = await self._ask(server, self.seconds)
            except SettingsError:
                raise
            # Every other way in which a server may not answer; the next may.
            except Exception as error:  # noqa: BLE001
                failure = error
                continue
            await self._check_advertised(server, brokers)
            return
        reason = describe(failure) if failure is not None else "there is no server"
        raise KafkaConnectionError(f"Unable to bootstrap from {', '.join(servers)}: {reason}") from failure

    async def _ask(self, server: str, seconds: float) -> Sequence[str]:
        """HOST:PORT of each broker of the cluster. Raises SettingsError, or why there is no answer."""
        connection: Any = None
        try:
            connection = await self._connect(server, self.security, seconds)
            answer = await connection.send(MetadataRequest([]))
        except Exception as error:
            text = await self._diagnosis(server, error, greeted=connection is not None)
            if text is not None:
                raise SettingsError(f"{server} {text}") from error
            raise
        finally:
            if connection is not None:
                await connection.abort()
        return [f"{host}:{port}" for _, host, port, *_ in answer.brokers]

    async def _connect(self, server: str, security: Security, seconds: float) -> Any:
        host, _, port = server.rpartition(":")
        return await connect(
            security, host.strip("[]"), int(port), client_id=self.client_id,
            request_timeout_ms=int(seconds * 1000),
        )  # fmt: skip

    async def _check_advertised(self, server: str, brokers: Sequence[str]) -> None:
        """Whether clients reach a broker where the cluster says it is; it need not be where we asked."""
        if server in brokers or not brokers:
            return
        failure: Exception | None = None
        for advertised in brokers[:_MOST_ADVERTISED]:
            try:
                await self._ask(advertised, _ADVERTISED_SECONDS)
            except Exception as error:  # noqa: BLE001 - the outcome of the last is told below
                failure = error
                continue
            return
        reason = describe(failure) if failure is not None else ""
        raise SettingsError(
            f"{server} tells its clients to go on at {', '.join(brokers[:_MOST_ADVERTISED])}, where they "
            f"cannot ({reason}); mend advertised.listeners of the broker, or give the bus the "
            "address of another of its listeners"
        ) from failure

    async def _diagnosis(self, server: str, error: Exception, greeted: bool) -> str | None:
        """Which setting is wrong, in words that follow the server's name; None: it is not a setting."""
        if isinstance(error, UnsupportedSaslMechanismError):
            return await self._mechanisms(server)
        if (text := self._refusal(error)) is not None:
            return text
        # A TimeoutError is an OSError.
        listens = not isinstance(error, ConnectionRefusedError | socket.gaierror)
        if listens and isinstance(error, OSError | KafkaConnectionError):
            return await self._cut_off(server, greeted)
        return None

    def _refusal(self, error: Exception) -> str | None:
        """What was refused; None: nothing was."""
        text, alert = None, tls_alert(error)
        match error:
            case ssl.SSLCertVerificationError():
                text = _distrust(error)
            case SaslAuthenticationFailed():
                reason = error.args[0] if error.args else "it gives no reason"
                text = f"refused the login by {self.security.mechanism}: {reason}"
            case IllegalSaslStateError():
                text = "wants no login on this port; take security_protocol without SASL_, or another port"
            case _ if alert is not None:
                text = _alerted(alert)
            case _ if is_refusal(error):
                text = f"cannot be logged in to: {error}"
        return text

    async def _cut_off(self, server: str, greeted: bool) -> str | None:
        """Why a server that listens breaks off, found out by asking it without any credentials."""
        if greeted:
            return None if self.security.logs_in else (
                "wants a login on this port; give security_protocol="
                f"{'SASL_SSL' if self.security.is_encrypted else 'SASL_PLAINTEXT'} and sasl_mechanism"
            )  # fmt: skip
        if self.security.is_encrypted and await self._answers_in_clear(server):
            return "speaks clear text on this port and no TLS; give the port of its TLS listener"
        if not self.security.is_encrypted and await _speaks_tls(server):
            return "speaks TLS on this port; give security_protocol=SSL or SASL_SSL, or another port"
        return None

    async def _answers_in_clear(self, server: str) -> bool:
        try:
            connection = await self._connect(server, Security(), _PROBE_SECONDS)
        # Whatever it is: it does not.
        except Exception:  # noqa: BLE001
            return False
        await connection.abort()
        return True

    async def _mechanisms(self, server: str) -> str:
        """Ask what is on offer, as someone who has not logged in."""
        protocol = "SSL" if self.security.is_encrypted else "PLAINTEXT"
        bare = attrs.evolve(self.security, protocol=protocol, refusals={})
        text = f"does not take sasl_mechanism={self.security.mechanism} on this port"
        try:
            connection = await self._connect(server, bare, _PROBE_SECONDS)
            try:
                answer = await connection.send(SaslHandShakeRequest(self.security.mechanism))
            finally:
                await connection.abort()
        # Whatever it is: what would do instead is not known then.
        except Exception:  # noqa: BLE001
            return text
        return f"{text}; it takes {', '.join(sorted(answer.enabled_mechanisms))}"


def _distrust(error: ssl.SSLCertVerificationError) -> str:
    """Why we do not believe that the server is who it should be."""
    if error.verify_code == _EXPIRED:
        return "shows a certificate that has expired; it is the broker's that must be renewed"
    if error.verify_code == _NOT_YET:
        return "shows a certificate that is not valid yet; look at the clocks of both machines"
    if error.verify_code in (_WRONG_HOST, _WRONG_ADDRESS):
        return f"shows a certificate for another host: {error.verify_message}"
    return (
        f"shows a certificate that is not signed by anybody trusted here ({error.verify_message}); give the "
        "certificate of its authority in ssl_cafile"
    )


def _alerted(alert: str) -> str:
    """What a server that broke off TLS has against us."""
    if "CERTIFICATE_REQUIRED" in alert or "HANDSHAKE_FAILURE" in alert:
        return f"asks for our certificate ({alert}); give ssl_certfile and ssl_keyfile"
    return f"does not take our certificate ({alert}); look who signed that of ssl_certfile, and until when"


async def _speaks_tls(server: str) -> bool:
    """Whether a server shakes hands by TLS, whoever it is: nothing is sent to it."""
    host, _, port = server.rpartition(":")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            transport, _ = await loop.create_connection(
                asyncio.Protocol, host.strip("[]"), int(port), ssl=context
            )
    except OSError as error:
        # Who asks for a certificate of ours speaks TLS, too.
        return tls_alert(error) is not None
    transport.abort()
    await asyncio.sleep(0)  # in which the socket is closed
    return True
