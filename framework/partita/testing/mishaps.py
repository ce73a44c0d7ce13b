"""How each fault comes about: what is done to the world, and for how long."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING

from partita.testing.wire import SLOW_LATENCY

if TYPE_CHECKING:
    from partita.testing.member import Member
    from partita.testing.world import World

Mishap = Callable[["World", str], Coroutine[object, None, None]]
MOST_MEMBERS = 6


def _victim(world: "World") -> "Member | None":
    """A member that nothing else is being done to."""
    running = [each for each in world.members if each.runs and not each.wire.down]
    return world.chance.choice(running) if running else None


async def _crash(world: "World", fault: str) -> None:
    member = _victim(world)
    if member is not None:
        world.strike(fault, member.name)
        world.members.remove(member)
        world.fallen.append(member)
        await member.crash()
    await asyncio.sleep(world.chance.uniform(0.0, 3.0))
    world.start()


async def _freeze(world: "World", fault: str) -> None:
    if (member := _victim(world)) is not None:
        world.strike(fault, member.name)
        await member.freeze(world.chance.uniform(0.5, 12.0))


async def _join(world: "World", fault: str) -> None:
    if len(world.members) < MOST_MEMBERS:
        world.strike(fault, world.start().name)


async def _stop(world: "World", fault: str) -> None:
    if (member := _victim(world)) is not None:
        world.strike(fault, member.name)
        await world.stop(member)
        if len(world.members) < world.plan.members:
            world.start()


async def _rebalance(world: "World", fault: str) -> None:
    world.strike(fault)
    _deal_anew(world)


async def _lost_assignment(world: "World", fault: str) -> None:
    """It counts when an assignment comes."""
    if (member := _victim(world)) is not None:
        member.wire.armed[fault] += 1
        _deal_anew(world)


def _deal_anew(world: "World") -> None:
    for name in world.groups:
        for topic in world.broker.topics:
            world.broker.group(name).topics_changed(topic)


async def _expel(world: "World", fault: str) -> None:
    if (member := _victim(world)) is not None:
        world.strike(fault, member.name)
        member.wire.expel()


async def _silent_client(world: "World", fault: str) -> None:
    member = _victim(world)
    if member is not None and member.wire.members:
        world.strike(fault, member.name)
        member.wire.deceive()
        for each in member.wire.members:
            each.silent = True


async def _outage(world: "World", fault: str) -> None:
    if (member := _victim(world)) is not None:
        world.strike(fault, member.name)
        await member.lose_broker(world.chance.uniform(0.2, 9.0))


async def _slow_answers(world: "World", fault: str) -> None:
    if (member := _victim(world)) is not None:
        world.strike(fault, member.name)
        await member.slow_down(world.chance.uniform(1.0, 5.0), SLOW_LATENCY * world.chance.random())


async def _arm(world: "World", fault: str) -> None:
    """The next calls of that kind meet the fault; it counts when they do."""
    for member in world.members:
        member.wire.armed[fault] += world.chance.choice((0, 1, 1, 2, 5, 30))


async def _slow_handlers(world: "World", fault: str) -> None:
    world.beset.slow += 1
    await asyncio.sleep(world.chance.uniform(0.5, 2.0))
    world.beset.slow -= 1


async def _failing_handlers(world: "World", fault: str) -> None:
    world.beset.failing += 1
    await asyncio.sleep(world.chance.uniform(0.5, 2.0))
    world.beset.failing -= 1


MISHAPS: Mapping[str, Mishap] = {
    "crash": _crash,
    "freeze": _freeze,
    "join": _join,
    "stop": _stop,
    "rebalance": _rebalance,
    "expel": _expel,
    "silent client": _silent_client,
    "lost assignment": _lost_assignment,
    "outage": _outage,
    "slow answers": _slow_answers,
    "refused commit": _arm,
    "lost commit": _arm,
    "unanswered commit": _arm,
    "refused publish": _arm,
    "unanswered publish": _arm,
    "failing handler": _failing_handlers,
    "slow handler": _slow_handlers,
}
# They take effect whatever the router does.
SURE = ("crash", "freeze", "stop", "rebalance", "expel", "outage", "slow answers")
