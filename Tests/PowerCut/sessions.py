"""The sessions into which the power cuts are put. Each begins with a station on an empty data directory that has been
started, and lasts a fraction of a second of real time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from csms import Manners
from world import World


@dataclass(frozen=True)
class Session:
    name: str
    act: Callable[[World], Awaitable[None]]
    settings: dict[str, str] = field(default_factory=dict)
    manners: Callable[[], Manners] = Manners

    @property
    def about(self) -> str:
        return (self.act.__doc__ or "").strip()


async def online(world: World) -> None:
    """Plug, swipe, charge, swipe, unplug, all online"""
    await world.booted()
    await world.plug_in()
    await world.swipe_to_start()
    await world.charging()
    await world.energy(3)
    await world.swipe_to_stop()
    await world.plug_out()
    await world.delivered()


async def offline_in_the_middle(world: World) -> None:
    """The uplink is cut while charging and comes back before the end"""
    await world.booted()
    await world.plug_in()
    await world.swipe_to_start()
    await world.charging()
    await world.energy()
    await world.network(False)
    await world.energy(2)
    await world.network(True)
    await world.delivered()
    await world.energy()
    await world.swipe_to_stop()
    await world.plug_out()
    await world.delivered()


async def offline(world: World) -> None:
    """Begun and ended offline, delivered later"""
    await world.booted()
    await world.network(False)
    await world.plug_in()
    await world.swipe_to_start()
    await world.charging()
    await world.energy(2)
    await world.swipe_to_stop()
    await world.plug_out()
    await world.network(True)
    await world.delivered()


async def never_online(world: World) -> None:
    """The CSMS is down from the station's first start on, and comes up when the session is over"""
    await world.meters()
    await world.plug_in()
    await world.swipe_to_start()
    await world.charging()
    await world.energy(2)
    await world.swipe_to_stop()
    await world.plug_out()
    world.csms.manners.is_down = False
    await world.delivered()


async def remote(world: World) -> None:
    """Started and stopped by the CSMS"""
    await world.booted()
    await world.plug_in()
    await world.start_remotely()
    await world.charging()
    await world.energy(2)
    await world.stop_remotely()
    await world.plug_out()
    await world.delivered()


async def slow(world: World) -> None:
    """Every TransactionEvent is answered 3 s late: events pile up; ended by unplugging"""
    await online_until_unplugged(world)


async def rude(world: World) -> None:
    """The CSMS refuses one TransactionEvent and closes the connection in place of answering two others"""
    await online_until_unplugged(world)


async def online_until_unplugged(world: World) -> None:
    await world.booted()
    await world.plug_in()
    await world.swipe_to_start()
    await world.charging()
    await world.energy(3)
    await world.plug_out()
    await world.ended()
    await world.delivered()


async def configured(world: World) -> None:
    """Variables and availability are changed before, during and after charging"""
    await world.booted()
    await world.change_availability(2, False)
    await world.set_variable("TxCtrlr", "EVConnectionTimeOut", "2900")
    await world.plug_in()
    await world.swipe_to_start()
    await world.charging()
    await world.set_variable("OCPPCommCtrlr", "OfflineThreshold", "500")
    await world.energy()
    await world.set_variable("TxCtrlr", "EVConnectionTimeOut", "2800")
    await world.change_availability(1, False)
    await world.energy()
    await world.swipe_to_stop()
    await world.plug_out()
    await world.change_availability(2, True)
    await world.delivered()


async def password(world: World) -> None:
    """The CSMS sets a password, and another one while charging; from each answer on it takes nothing else"""
    await world.booted()
    await world.set_password("another-horse-battery")
    await world.plug_in()
    await world.swipe_to_start()
    await world.charging()
    await world.set_password("a-third-horse-battery")
    await world.energy()
    await world.swipe_to_stop()
    await world.plug_out()
    await world.delivered()


async def moved(world: World) -> None:
    """A new network profile, put first, by which the station is there after the next start"""
    await world.booted()
    await world.move("/second")
    await world.station.stop()
    await world.start_again()
    await world.booted()
    assert world.csms.place == "/second", world.csms.place
    await world.plug_in()
    await world.swipe_to_start()
    await world.charging()
    await world.energy()
    await world.swipe_to_stop()
    await world.plug_out()
    await world.delivered()


async def stopped(world: World) -> None:
    """The station is stopped in an orderly way while the car pauses, and started again: the transaction goes on or is over"""
    await world.booted()
    await world.plug_in()
    await world.swipe_to_start()
    await world.charging()
    await world.energy()
    await world.car("suspended")
    await world.station.stop()
    await go_on(world)


async def interrupted(world: World) -> None:
    """The station is killed while the car pauses, and started again: cuts come while it recovers from one"""
    await world.booted()
    await world.plug_in()
    await world.swipe_to_start()
    await world.charging()
    await world.network(False)
    await world.energy()
    await world.car("suspended")
    await world.station.kill()
    await go_on(world)


async def go_on(world: World) -> None:
    await world.start_again()
    await world.booted()
    if await world.is_open():
        await world.car("charging")
        await world.energy()
        await world.swipe_to_stop()
    await world.plug_out()
    await world.delivered()


async def two(world: World) -> None:
    """Both EVSEs charge at once, one of them offline at the end"""
    await world.booted()
    await world.plug_in(1)
    await world.plug_in(2)
    await world.swipe_to_start(1)
    await world.start_remotely(2)
    await world.charging(1)
    await world.charging(2)
    await world.energy(1, evse=1)
    await world.energy(1, evse=2)
    await world.swipe_to_stop(1)
    await world.network(False)
    await world.energy(1, evse=2)
    await world.plug_out(2)
    await world.ended(2)
    await world.network(True)
    await world.delivered()
    await world.plug_out(1)


SESSIONS = {
    one.name: one
    for one in (
        Session("online", online),
        Session("offline-in-the-middle", offline_in_the_middle),
        Session("offline", offline),
        Session("never-online", never_online, manners=lambda: Manners(is_down=True)),
        Session("remote", remote),
        Session("slow", slow, manners=lambda: Manners(delay=0.03)),
        Session("rude", rude, manners=lambda: Manners(refuse={2}, hang_up={1, 5})),
        Session("configured", configured),
        Session("password", password),
        Session("moved", moved, settings={"OCPPCommCtrlr/NetworkConfigurationPriority": "1"}),
        Session("stopped", stopped),
        Session("interrupted", interrupted),
        Session("two", two),
    )
}
