"""The first step of every process the launcher starts: prepare it, then become the command.

    python -I -S child.py JSON COMMAND …

The JSON object may hold
`parent`        pid of the launcher; the command is not started when it is gone already,
`death_signal`  sent to the command when the launcher dies, kill -9 included (Linux only),
`uid`, `gid`    whom to become (root only),
`capability`    one Linux capability number to keep while no longer being root.

A separate little program instead of `preexec_fn`, which may deadlock in a process with threads.
It stands alone: it is run isolated, before anything of the project can be imported.
"""

import ctypes
import json
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
SECBIT_NO_SETUID_FIXUP = 1 << 2
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAPABILITY_VERSION_3 = 0x20080522


class _CapHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapData(ctypes.Structure):
    _fields_ = [
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    ]


def _checked(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def _become(libc: ctypes.CDLL, uid: int, gid: int, capability: int | None) -> None:
    if capability is not None:
        # Capabilities then outlive the change of user, and access(2), with which PostgreSQL looks
        # for its own programs, heeds them as open(2) does.
        _checked(
            libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0), "keeping capabilities"
        )
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if capability is not None:
        header = _CapHeader(CAPABILITY_VERSION_3, 0)
        data = (_CapData * 2)()
        bit = 1 << (capability % 32)
        data[capability // 32] = _CapData(bit, bit, bit)
        _checked(libc.capset(ctypes.byref(header), data), "setting capabilities")
        _checked(
            libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0),
            "raising the ambient capability",
        )


def main() -> None:
    options = json.loads(sys.argv[1])
    command = sys.argv[2:]
    libc = ctypes.CDLL(None, use_errno=True)
    # What is ignored stays ignored in the command: Python ignores broken pipes, a shell lets its
    # background jobs ignore Ctrl-C. The command shall not inherit either.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    try:
        if "uid" in options:
            _become(libc, options["uid"], options["gid"], options.get("capability"))
        # After the change of user, which clears the setting.
        if sys.platform == "linux" and options.get("death_signal"):
            _checked(
                libc.prctl(PR_SET_PDEATHSIG, options["death_signal"], 0, 0, 0), "PR_SET_PDEATHSIG"
            )
        if options.get("parent") and os.getppid() != options["parent"]:
            sys.exit("the launcher has gone")
        os.execv(command[0], command)  # noqa: S606 - becoming the command is the purpose
    except OSError as error:
        print(f"{command[0]} could not be started: {error}", file=sys.stderr)
        sys.exit(127)


if __name__ == "__main__":
    main()
