"""Texts without the addresses in them: what is read over HTTP tells nobody where the brokers are."""

import re

HIDDEN = "(address)"
_ADDRESS = re.compile(
    r"""
      [a-z][a-z0-9+.-]*://[^\s'",;)\]]+                    # a URL
    | '[^'\s]+',\s?[0-9]{1,5}\b                             # host and port as Python prints them
    | \[[0-9a-f]*:[0-9a-f:.]*(?:%\w+)?\](?::[0-9]{1,5})?    # IPv6
    | \b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b(?::[0-9]{1,5})?      # IPv4
    | (?<![\w:])(?:[0-9a-f]{1,4}:+){2,7}[0-9a-f]{0,4}        # IPv6 without brackets
    | (?<![\w.-])[a-z0-9](?:[\w-]*\.)*[\w-]*:[0-9]{2,5}\b    # HOST:PORT
    | \bhost='?[^\s,'>]+'?(?:[,\s]+port=[0-9]+)?           # as clients print their connections
    """,
    re.VERBOSE | re.IGNORECASE,
)


def without_addresses(text: str) -> str:
    """*text* with what looks like an address of a machine replaced. Rather one too many than one too few."""
    return _ADDRESS.sub(HIDDEN, text)
