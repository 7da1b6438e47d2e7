"""Which system calls a program in a sandbox may not make: a filter for the kernel (seccomp), as bubblewrap loads it.

A program may have threads, and no other processes: there is nothing to fork without end, and nothing is left behind.
Memory that its limit would not count (System V's, files in memory), new namespaces and other processes' insides are
refused, too. See the kernel's Documentation/userspace-api/seccomp_filter.rst.
"""

import platform
import struct

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # instructions of the classic BPF
ALLOW, REFUSE, NOT_THERE, KILL = 0x7FFF0000, 0x00050000 | 1, 0x00050000 | 38, 0x80000000  # EPERM is 1, ENOSYS 38
NUMBER_AT, MACHINE_AT, FIRST_ARGUMENT_AT = 0, 4, 16  # bytes in seccomp_data; the lower half of an argument comes first
CLONE_THREAD = 0x00010000
OTHER_CALLS = 0x40000000  # from here on numbers are those of x32

MACHINES = {
    "x86_64": (
        0xC000003E,
        {
            "clone": 56,
            "clone3": 435,
            "fork": 57,
            "vfork": 58,
            "ptrace": 101,
            "process_vm_readv": 310,
            "process_vm_writev": 311,
            "pidfd_getfd": 438,
            "unshare": 272,
            "setns": 308,
            "mount": 165,
            "shmget": 29,
            "msgget": 68,
            "semget": 64,
            "memfd_create": 319,
            "memfd_secret": 447,
            "io_uring_setup": 425,
            "bpf": 321,
            "perf_event_open": 298,
            "userfaultfd": 323,
            "add_key": 248,
            "keyctl": 250,
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            "clone": 220,
            "clone3": 435,
            "ptrace": 117,
            "process_vm_readv": 270,
            "process_vm_writev": 271,
            "pidfd_getfd": 438,
            "unshare": 97,
            "setns": 268,
            "mount": 40,
            "shmget": 194,
            "msgget": 186,
            "semget": 190,
            "memfd_create": 279,
            "memfd_secret": 447,
            "io_uring_setup": 425,
            "bpf": 280,
            "perf_event_open": 241,
            "userfaultfd": 282,
            "add_key": 217,
            "keyctl": 219,
        },
    ),
}
"""The number by which the kernel knows a machine, and those of its calls (include/uapi/linux/audit.h, unistd.h)."""


def call_filter(machine: str | None = None) -> bytes:
    """The filter as an array of `sock_filter`; empty where the calls of a machine (None: this one) are not known."""
    machine = platform.machine() if machine is None else machine
    if machine not in MACHINES:
        return b""
    known_as, calls = MACHINES[machine]
    program = [
        (LOAD, 0, 0, MACHINE_AT),
        (EQUAL, 1, 0, known_as),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER_AT),
        (AT_LEAST, 0, 1, OTHER_CALLS),
        (RETURN, 0, 0, REFUSE),
    ]
    for name, number in calls.items():
        if name not in ("clone", "clone3"):
            program += [(EQUAL, 0, 1, number), (RETURN, 0, 0, REFUSE)]
    # What clone3 is asked for stands in memory, where no filter can look; where it is not there, clone is asked.
    program += [(EQUAL, 0, 1, calls["clone3"]), (RETURN, 0, 0, NOT_THERE)]
    program += [
        (EQUAL, 0, 3, calls["clone"]),
        (LOAD, 0, 0, FIRST_ARGUMENT_AT),
        (ANY_BIT, 1, 0, CLONE_THREAD),
        (RETURN, 0, 0, REFUSE),
        (RETURN, 0, 0, ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)
