import struct

import pytest

from groupthink.reward.system_calls import ALLOW, CLONE_THREAD, KILL, MACHINES, NOT_THERE, REFUSE, call_filter


def decided(machine, call, argument=0, known_as=None):
    """What the kernel would do: the filter, worked through."""
    known = MACHINES[machine][0] if known_as is None else known_as
    data = struct.pack("iIQQ", call, known, 0, argument)
    program = list(struct.iter_unpack("HBBI", call_filter(machine)))
    place = held = 0
    while True:
        code, if_so, if_not, value = program[place]
        place += 1
        if code == 0x06:
            return value
        if code == 0x20:
            (held,) = struct.unpack_from("I", data, value)
        else:
            true = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[code]
            place += if_so if true else if_not


@pytest.mark.parametrize("machine", MACHINES)
def test_what_a_program_may_not_ask_the_kernel_for(machine):
    calls = MACHINES[machine][1]
    for name, number in calls.items():
        expected = NOT_THERE if name == "clone3" else REFUSE
        assert decided(machine, number, argument=0x11) == expected, name
    assert decided(machine, calls["clone"], CLONE_THREAD | 0x3D0F00) == ALLOW
    assert decided(machine, 0) == decided(machine, 444) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_of_another_kind_are_not_a_way_round(machine):
    assert decided(machine, 2, known_as=0x40000003) == KILL  # the calls of a 32-bit x86
    assert decided(machine, 0x40000000 + 57) == REFUSE  # those of x32


def test_of_a_machine_that_is_not_known_nothing_is_filtered():
    assert call_filter("riscv64") == b""
