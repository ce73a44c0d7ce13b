"""
Certificates for tests, made when they are needed: an authority, and what it signs.

Written out here (X.509 in DER, ECDSA over P-256) because the standard library makes none, a program for
it is not on every machine, and a certificate that is kept in a repository expires one day.
"""

import base64
import hashlib
import ipaddress
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

# Curve P-256 (FIPS 186-4, D.1.2.3).
_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_A = _P - 3
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
Point = tuple[int, int] | None

_SEQUENCE, _SET, _INTEGER, _BITS, _OCTETS, _UTF8, _TIME = 0x30, 0x31, 0x02, 0x03, 0x04, 0x0C, 0x18
_EXPLICIT = 0xA0
_EC_KEY, _P256, _ECDSA_SHA256 = "1.2.840.10045.2.1", "1.2.840.10045.3.1.7", "1.2.840.10045.4.3.2"
_COMMON_NAME, _USAGE, _ALT_NAMES, _CONSTRAINTS = "2.5.4.3", "2.5.29.15", "2.5.29.17", "2.5.29.19"
_SUBJECT_ID, _AUTHORITY_ID = "2.5.29.14", "2.5.29.35"
_TRUE = b"\x01\x01\xff"
_DAY = timedelta(days=1)


class Files(NamedTuple):
    """Where a certificate and its private key are, in PEM; `both` holds the two of them."""

    certificate: Path
    key: Path
    both: Path


class Pair:
    """A new private key, with its public key as certificates hold it: the point, uncompressed."""

    def __init__(self) -> None:
        self.number = secrets.randbelow(_N - 1) + 1
        point = _times(self.number, _G)
        assert point is not None
        self.public = b"\x04" + point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")

    @property
    def name(self) -> bytes:
        """What certificates call the key by."""
        return hashlib.sha1(self.public, usedforsecurity=False).digest()

    def sign(self, data: bytes) -> bytes:
        """ECDSA with SHA-256."""
        digest = int.from_bytes(hashlib.sha256(data).digest(), "big")
        nonce = secrets.randbelow(_N - 1) + 1
        point = _times(nonce, _G)
        assert point is not None
        r = point[0] % _N
        s = pow(nonce, -1, _N) * (digest + r * self.number) % _N
        return _der(_SEQUENCE, _number(r) + _number(s))

    def pem(self) -> str:
        """The private key in PKCS#8."""
        inner = _number(1) + _der(_OCTETS, self.number.to_bytes(32, "big"))
        inner += _der(_EXPLICIT + 1, _bits(self.public))
        kind = _der(_SEQUENCE, _oid(_EC_KEY) + _oid(_P256))
        return _pem("PRIVATE KEY", _der(_SEQUENCE, _number(0) + kind + _der(_OCTETS, _der(_SEQUENCE, inner))))


class Authority:
    """
    Signs certificates.

    Args:
        folder: where its own certificate and those that it signs are written.
        name: its name, also that of its file.
    """

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder, self._name, self._pair = folder, name, Pair()
        own = self._certificate(name, self._pair, (-_DAY, 30 * _DAY), self._as_authority())
        self.file = folder / f"{name}.pem"
        self.file.write_text(own)

    def issue(self, name: str, *hosts: str, valid: tuple[timedelta, timedelta] = (-_DAY, 30 * _DAY)) -> Files:
        """
        Write a certificate and its key.

        Args:
            name: its common name, and that of its files.
            *hosts: the names and addresses that it is for.
            valid: from when to when, counted from now.
        """
        pair = Pair()
        text = self._certificate(name, pair, valid, self._as_end(hosts))
        files = Files(*(self._folder / f"{name}{end}.pem" for end in (".crt", ".key", "")))
        files.certificate.write_text(text)
        files.key.write_text(pair.pem())
        files.both.write_text(pair.pem() + text)
        return files

    def _certificate(
        self, name: str, pair: Pair, valid: tuple[timedelta, timedelta], extensions: bytes
    ) -> str:
        extensions += _extension(_SUBJECT_ID, _der(_OCTETS, pair.name))
        extensions += _extension(_AUTHORITY_ID, _der(_SEQUENCE, _der(0x80, self._pair.name)))
        algorithm = _der(_SEQUENCE, _oid(_ECDSA_SHA256))
        body = _der(
            _SEQUENCE,
            _der(_EXPLICIT, _number(2)) + _number(secrets.randbits(64)) + algorithm + _called(self._name)
            + _der(_SEQUENCE, b"".join(_time(each) for each in valid)) + _called(name)
            + _der(_SEQUENCE, _der(_SEQUENCE, _oid(_EC_KEY) + _oid(_P256)) + _bits(pair.public))
            + _der(_EXPLICIT + 3, _der(_SEQUENCE, extensions)),
        )  # fmt: skip
        return _pem("CERTIFICATE", _der(_SEQUENCE, body + algorithm + _bits(self._pair.sign(body))))

    @staticmethod
    def _as_authority() -> bytes:
        signs = b"\x03\x02\x01\x06"  # keyCertSign and cRLSign
        return _extension(_CONSTRAINTS, _der(_SEQUENCE, _TRUE), critical=True) + _extension(
            _USAGE, signs, critical=True
        )

    @staticmethod
    def _as_end(hosts: tuple[str, ...]) -> bytes:
        usage = _extension(_USAGE, b"\x03\x02\x07\x80", critical=True)  # digitalSignature
        names = b"".join(_alt_name(host) for host in hosts)
        return usage + (_extension(_ALT_NAMES, _der(_SEQUENCE, names)) if names else b"")


def _times(number: int, point: Point) -> Point:
    found: Point = None
    while number:
        if number & 1:
            found = _plus(found, point)
        point, number = _plus(point, point), number >> 1
    return found


def _plus(one: Point, other: Point) -> Point:
    if one is None or other is None:
        return one or other
    if one[0] == other[0] and (one[1] + other[1]) % _P == 0:
        return None
    if one == other:
        slope = (3 * one[0] ** 2 + _A) * pow(2 * one[1], -1, _P) % _P
    else:
        slope = (other[1] - one[1]) * pow(other[0] - one[0], -1, _P) % _P
    x = (slope**2 - one[0] - other[0]) % _P
    return x, (slope * (one[0] - x) - one[1]) % _P


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _number(value: int) -> bytes:
    return _der(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _bits(content: bytes) -> bytes:
    return _der(_BITS, b"\0" + content)


def _oid(text: str) -> bytes:
    first, second, *rest = map(int, text.split("."))
    content = bytes((40 * first + second,))
    for each in rest:
        digits = [each & 0x7F]
        while each := each >> 7:
            digits.append(each & 0x7F | 0x80)
        content += bytes(reversed(digits))
    return _der(0x06, content)


def _called(name: str) -> bytes:
    pair = _der(_SEQUENCE, _oid(_COMMON_NAME) + _der(_UTF8, name.encode()))
    return _der(_SEQUENCE, _der(_SET, pair))


def _time(away: timedelta) -> bytes:
    return _der(_TIME, (datetime.now(UTC) + away).strftime("%Y%m%d%H%M%SZ").encode())


def _extension(name: str, value: bytes, critical: bool = False) -> bytes:
    return _der(_SEQUENCE, _oid(name) + (_TRUE if critical else b"") + _der(_OCTETS, value))


def _alt_name(host: str) -> bytes:
    try:
        return _der(0x87, ipaddress.ip_address(host).packed)
    except ValueError:
        return _der(0x82, host.encode())


def _pem(kind: str, content: bytes) -> str:
    lines = base64.encodebytes(content).decode().replace("\n", "")
    text = "\n".join(lines[at : at + 64] for at in range(0, len(lines), 64))
    return f"-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n"
