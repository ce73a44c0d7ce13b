"""
A proxy that reads Kafka's frames: it picks requests by what they ask, and does to them what a test says.

What it does to one frame it does to a connection, as the network would: frames never overtake each other,
so what is held up holds up all behind it.
"""

import asyncio
import struct
import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import attrs
from tests.faults.kafka_frames import CODES, Request, parse, with_error
from tests.faults.listening import CHUNK, Listener, Streams, both, connect, reset

CATCH_SECONDS = 60.0


@attrs.define(eq=False)
class Rule:
    """
    What is done to which requests. Made by the verbs of `KafkaProxy`.

    Args:
        verb: what is done.
        api: the request's name, such as "OffsetCommit".
        topic: only requests that name this topic, and only what their answers say of it.
        group: only requests that name this group.
        client: only requests of this client id.
        after: this many of them pass first.
        times: this many of them are met; None: all.
        seconds: how long a delay is.
        code: the error code that is told.

    Attributes:
        hits: how many requests were met so far.
    """

    verb: str
    api: str
    topic: str | None = None
    group: str | None = None
    client: str | None = None
    after: int = 0
    times: int | None = None
    seconds: float = 0.0
    code: int = 0
    hits: int = attrs.field(default=0, init=False)
    _seen: int = attrs.field(default=0, init=False)
    _over: bool = attrs.field(default=False, init=False)
    _hit: threading.Condition = attrs.field(factory=threading.Condition, init=False)
    _released: threading.Event = attrs.field(factory=threading.Event, init=False)

    def meets(self, request: Request) -> bool:
        """Whether something is to be done to this request; counts it."""
        if self._over or self.api != request.api:
            return False
        if self.client not in {None, request.client}:
            return False
        if not all(request.names(each) for each in (self.topic, self.group) if each is not None):
            return False
        with self._hit:
            self._seen += 1
            met = self._seen > self.after and (self.times is None or self.hits < self.times)
            self.hits += met
            self._hit.notify_all()
        return met

    def caught(self, hits: int = 1, within: float = CATCH_SECONDS) -> None:
        """Wait, in a thread that may block, until that many requests were met; fails if they do not come."""
        with self._hit:
            there = self._hit.wait_for(lambda: self.hits >= hits, within)
        assert there, f"{self.hits} instead of {hits} times in {within:g} s: {self.verb} {self.api}"

    def release(self) -> None:
        """Let what is held go on, and meet no further request."""
        self._over = True
        self._released.set()

    async def wait(self) -> None:
        """Wait until released."""
        # Set by another thread, which no event of a loop is made for.
        while not self._released.is_set():
            await asyncio.sleep(0.005)


@attrs.frozen(eq=False)
class Asked:
    """A request that was sent on, and the rule that it met."""

    request: Request
    rule: Rule | None


class KafkaProxy:
    """
    Stands before one listener of a broker, which has to advertise the proxy's own port.

    Every verb takes `topic`, `group`, `client`, `after` (this many pass first) and `times` (this many are
    met), and returns its rule, which counts its hits and ends with `release()`. The first rule that meets a
    request is the one that counts.

    Args:
        server: HOST:PORT of the broker's listener.
        port: its own port; 0: a free one.
    """

    def __init__(self, server: str, port: int = 0) -> None:
        self._server = server
        self._rules: list[Rule] = []
        self.requests: Counter[str] = Counter()
        self._listener = Listener(self._serve, port)

    @property
    def address(self) -> str:
        """The proxy's own HOST:PORT."""
        return self._listener.address

    def watch(self, api: str, **match: str | int) -> Rule:
        """Change nothing, and count; fails when the answer is not of a layout that is known."""
        return self._add("watch", api, match)

    def hold(self, api: str, **match: str | int) -> Rule:
        """Keep a request, and all behind it on its connection, until the rule is released."""
        return self._add("hold", api, match)

    def hold_answer(self, api: str, **match: str | int) -> Rule:
        """The broker does what is asked; its answer, and all behind it, wait until the rule is released."""
        return self._add("hold_answer", api, match)

    def delay(self, api: str, seconds: float, **match: str | int) -> Rule:
        """A request arrives later."""
        return self._add("delay", api, match, seconds=seconds)

    def drop(self, api: str, **match: str | int) -> Rule:
        """A request and all behind it on its connection never arrive; the connection stays open."""
        return self._add("drop", api, match)

    def drop_answer(self, api: str, **match: str | int) -> Rule:
        """The broker does what is asked; the answer and all behind it never come, the connection stays."""
        return self._add("drop_answer", api, match)

    def cut(self, api: str, **match: str | int) -> Rule:
        """The connection breaks instead of passing a request."""
        return self._add("cut", api, match)

    def cut_answer(self, api: str, **match: str | int) -> Rule:
        """The broker does what is asked; then the connection breaks instead of passing the answer."""
        return self._add("cut_answer", api, match)

    def rewrite(self, api: str, error: str, **match: str | int) -> Rule:
        """The broker does what is asked; its answer tells this error (a name of `CODES`)."""
        return self._add("rewrite", api, match, code=CODES[error])

    def refuse(self, api: str, error: str, **match: str | int) -> Rule:
        """The broker does nothing of a commit, heartbeat or sync; its answer tells this error."""
        return self._add("refuse", api, match, code=CODES[error])

    def _add(self, verb: str, api: str, match: Mapping[str, str | int], **more: float) -> Rule:
        rule = Rule(verb, api, **match, **more)  # type: ignore[arg-type] # the verbs pass names of fields on
        self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Release every rule."""
        rules, self._rules = self._rules, []
        for rule in rules:
            rule.release()

    def close(self) -> None:
        """End everything."""
        self.clear()
        self._listener.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await connect(self._server)
        asked: deque[Asked] = deque()
        try:
            await both(self._ask((reader, forth), writer, asked), self._answer((back, writer), asked))
        finally:
            forth.transport.abort()

    async def _ask(self, ends: Streams, client: asyncio.StreamWriter, asked: deque[Asked]) -> None:
        reader, server = ends
        while True:
            request = parse(await read_frame(reader))
            self.requests[request.api] += 1
            rule = next((each for each in self._rules if each.meets(request)), None)
            if rule is not None and rule.verb == "cut":
                reset(client)
                return
            if rule is not None and rule.verb == "drop":
                await _swallow(reader)
                return
            frame = request.frame if rule is None else await _on_its_way(request, rule)
            if request.is_answered:
                asked.append(Asked(request, rule))
            write_frame(server, frame)
            await server.drain()

    async def _answer(self, ends: Streams, asked: deque[Asked]) -> None:
        reader, client = ends
        while True:
            frame = await read_frame(reader)
            question = asked.popleft()
            rule = question.rule
            if rule is not None and rule.verb == "cut_answer":
                reset(client)
                return
            if rule is not None and rule.verb == "drop_answer":
                await _swallow(reader)
                return
            if rule is not None and rule.verb == "hold_answer":
                await rule.wait()
            if rule is not None and rule.verb in {"rewrite", "refuse"}:
                frame = with_error(question.request, frame, rule.code, rule.topic)
            if rule is not None and rule.verb == "watch":
                with_error(question.request, frame, 0)
            write_frame(client, frame)
            await client.drain()


async def _on_its_way(request: Request, rule: Rule) -> bytes:
    """What is sent for a request, when its time has come."""
    if rule.verb == "delay":
        await asyncio.sleep(rule.seconds)
    if rule.verb == "hold":
        await rule.wait()
    return request.with_wrong_generation() if rule.verb == "refuse" else request.frame


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """One frame without its length. Raises IncompleteReadError at the end."""
    return await reader.readexactly(struct.unpack(">i", await reader.readexactly(4))[0])


def write_frame(writer: asyncio.StreamWriter, frame: bytes) -> None:
    """Write a frame behind its length."""
    writer.write(struct.pack(">i", len(frame)) + frame)


async def _swallow(reader: asyncio.StreamReader) -> None:
    """Read to the end and keep nothing; the end is no end for the other side either."""
    while await reader.read(CHUNK):
        pass


@contextmanager
def kafka_proxy(server: str, port: int = 0) -> Iterator[KafkaProxy]:
    """A proxy in front of a broker's listener for the time of a block."""
    proxy = KafkaProxy(server, port)
    try:
        yield proxy
    finally:
        proxy.close()
