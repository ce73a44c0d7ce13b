"""A real Kafka with a listener for each way of being secure, and for each way of getting it wrong."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import attrs
from tests.brokers import Server
from tests.faults.clusters import ACCESS_LISTS, QUICK, different_ports
from tests.security.certificates import Authority, Files

from partita_worker.devbroker.kafka import Kafka, java_command, new_cluster_id, properties
from partita_worker.devbroker.ports import HOST

USER, PASSWORD, OTHER = "otto", "planted-password", "lena"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
TLS = ("tls", "mutual", "sasl", "expired", "elsewhere")
_HOUR = timedelta(hours=1)
# To the clear listener a client is User:ANONYMOUS, which may do all: tests set the stage through it.
SETTINGS = """\
super.users=User:ANONYMOUS
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,{protocols}
inter.broker.listener.name=PLAINTEXT
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller},{listeners}
advertised.listeners=PLAINTEXT://{host}:{port},{advertised}
connection.failed.authentication.delay.ms=50
"""
PROTOCOLS = {
    "tls": "SSL", "mutual": "SSL", "sasl": "SASL_SSL", "expired": "SSL", "elsewhere": "SSL",
    "open": "SASL_PLAINTEXT", "moved": "PLAINTEXT",
}  # fmt: skip
STORE = """\
listener.name.{name}.ssl.keystore.type=PEM
listener.name.{name}.ssl.keystore.location={pem}
listener.name.{name}.ssl.truststore.type=PEM
listener.name.{name}.ssl.truststore.location={authority}
"""
LOGIN = "org.apache.kafka.common.security.{kind}LoginModule required"


@attrs.frozen
class Papers:
    """
    Certificates and keys.

    Args:
        authority: signs them all, but for those of the stranger.
        stranger: an authority that nobody trusts.
        server: of the broker, for 127.0.0.1 and localhost.
        expired: the same, of yesterday.
        elsewhere: for another host.
        client: of the user "otto".
        mallory: of a user whom the stranger vouches for.
    """

    authority: Authority
    stranger: Authority
    server: Files
    expired: Files
    elsewhere: Files
    client: Files
    mallory: Files


def make_papers(folder: Path) -> Papers:
    """Write them all into *folder*."""
    authority, stranger = Authority(folder), Authority(folder, "stranger")
    return Papers(
        authority,
        stranger,
        authority.issue("server", HOST, "localhost"),
        authority.issue("expired", HOST, valid=(-48 * _HOUR, -24 * _HOUR)),
        authority.issue("elsewhere", "kafka.example.com"),
        authority.issue(USER),
        stranger.issue("mallory"),
    )


class SecureKafka(Kafka):
    """
    The kind of broker that has all these listeners.

    Args:
        papers: what it shows and trusts.
        ports: where each listener is, by its name.
        controller: where the controller is.
        nowhere: the closed port that the listener "moved" advertises.
    """

    def __init__(self, papers: Papers, ports: Mapping[str, int], controller: int, nowhere: int) -> None:
        self._papers, self._ports = papers, ports
        self._controller, self._nowhere = controller, nowhere

    def command(self, folder: Path, port: int, say: Callable[[str], None]) -> Sequence[str]:
        """Write the settings, make the SCRAM users, and return what starts the broker."""
        program, *arguments = java_command(say)
        java = [program, *QUICK, *arguments]
        text = properties(port, self._controller) + self._settings(port) + ACCESS_LISTS
        (folder / "server.properties").write_text(text, encoding="ascii")
        users = [
            option
            for size in ("256", "512")
            for option in ("--add-scram", f"SCRAM-SHA-{size}=[name={USER},password={PASSWORD}]")
        ]
        storage = ["kafka.tools.StorageTool", "format", "-t", new_cluster_id(), "-c", "server.properties"]
        subprocess.run([*java, *storage, *users], cwd=folder, capture_output=True, check=True)
        return [*java, "kafka.Kafka", "server.properties"]

    def _settings(self, port: int) -> str:
        at = {**self._ports, "moved": self._nowhere}
        text = SETTINGS.format(
            host=HOST, port=port, controller=self._controller,
            protocols=",".join(f"{name.upper()}:{each}" for name, each in PROTOCOLS.items()),
            listeners=",".join(f"{name.upper()}://{HOST}:{self._ports[name]}" for name in PROTOCOLS),
            advertised=",".join(f"{name.upper()}://{HOST}:{at[name]}" for name in PROTOCOLS),
        )  # fmt: skip
        shown = {"expired": self._papers.expired, "elsewhere": self._papers.elsewhere}
        for name in TLS:
            pem = shown.get(name, self._papers.server).both
            text += STORE.format(name=name, pem=pem, authority=self._papers.authority.file)
        return text + "listener.name.mutual.ssl.client.auth=required\n" + _logins()


def _logins() -> str:
    plain = LOGIN.format(kind="plain.Plain") + f' user_{USER}="{PASSWORD}" user_{OTHER}="{PASSWORD}";'
    scram = LOGIN.format(kind="scram.Scram") + ";"
    bearer = LOGIN.format(kind="oauthbearer.OAuthBearer") + ' unsecuredLoginStringClaim_sub="broker";'
    lines = [
        f"listener.name.sasl.sasl.enabled.mechanisms={','.join(MECHANISMS)}",
        "listener.name.open.sasl.enabled.mechanisms=PLAIN",
        f"listener.name.sasl.plain.sasl.jaas.config={plain}",
        f"listener.name.open.plain.sasl.jaas.config={plain}",
        f"listener.name.sasl.scram-sha-256.sasl.jaas.config={scram}",
        f"listener.name.sasl.scram-sha-512.sasl.jaas.config={scram}",
        f"listener.name.sasl.oauthbearer.sasl.jaas.config={bearer}",
        # A session lasts as long as its token, and an hour at most.
        "listener.name.sasl.oauthbearer.connections.max.reauth.ms=3600000",
        "",
    ]
    return "\n".join(lines)


class Secure:
    """
    The broker with all these listeners.

    Args:
        folder: an empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.papers = make_papers(folder)
        clear, controller, self.nowhere, *ports = different_ports(3 + len(PROTOCOLS))
        self._ports = dict(zip(PROTOCOLS, ports, strict=True))
        self.server = Server(SecureKafka(self.papers, self._ports, controller, self.nowhere), folder, clear)

    def at(self, listener: str) -> str:
        """HOST:PORT of a listener; "clear" is the one for setting the stage."""
        return self.server.address if listener == "clear" else f"{HOST}:{self._ports[listener]}"

    def url(self, listener: str, **options: object) -> str:
        """A bus's address on a listener, with its protocol, the authority to trust, and more options."""
        protocol = PROTOCOLS.get(listener, "PLAINTEXT")
        said = {"security_protocol": protocol}
        if protocol.endswith("SSL"):
            said["ssl_cafile"] = str(self.papers.authority.file)
        query = "&".join(f"{name}={value}" for name, value in {**said, **options}.items() if value)
        return f"kafka://{self.at(listener)}?{query}"
