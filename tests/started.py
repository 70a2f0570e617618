"""The `livemood` command as a process of its own, which does not import livemood anew.

To start Python and import all of livemood takes about a second of processor time, and the tests
start the command some hundred times. So one process imports it, and forks for each run, as a fork
server does (`multiprocessing` has one, but for functions, not for commands). What runs is the same
program: `livemood.__main__.main()` with arguments, folder, environment, standard streams and
signals of its own, and its exit code.

`command()` begins an argument list for `subprocess`: a small client, which hands its streams to the
fork and then stands for it. Start `python -m livemood` itself where the start is what you test,
where the environment speaks to Python (locale, encoding, PYTHONPATH), where limits of the process
matter, and where a terminal sends the signals.
"""

import functools
import gc
import importlib.util
import marshal
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path


@functools.cache
def command():
    """What to put before the arguments of `livemood`. The first call starts the fork server.

    It ends by itself once this process has ended.
    """
    address = f"{tempfile.mkdtemp(prefix='livemood-started-')}/socket"
    arguments = [sys.executable, __file__, address]
    server = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdout.readline() == b"ready\n"
    _kept.append(server)
    return [sys.executable, "-S", "-E", str(Path(__file__).with_name("started_client.py")), address]


_kept = []
USED = (
    *("livemood.cli.main", "onnxruntime", "livemood.server.serve"),
    *("av", "webrtcvad", "numpy.fft", "rich.markdown"),
)
"""What commands import. livemood is first: it keeps ONNX Runtime from gathering telemetry."""


def livemood(*arguments, start=None, env=None, **options):
    """Run `livemood` to its end. `env` is what its environment has beside that of the tests."""
    return subprocess.run(
        [*(start or command()), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | (env or {}),
        **options,
    )


def serve(address):
    """Fork for each client. Returns in the fork of a fork that is to run the command."""
    for name in USED:
        if importlib.util.find_spec(name.partition(".")[0]):
            importlib.import_module(name)

    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait
    gc.freeze()
    os.write(1, b"ready\n")
    while select.select([listening, 0], [], [])[0] == [listening]:  # 0: closed by the parent's end
        client, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            run(client)
            return
        client.close()
    shutil.rmtree(Path(address).parent)
    os._exit(0)


def run(client):
    """Fork once more, and wait for that one. Returns in it."""
    head, streams, *_ = socket.recv_fds(client, 4, 3)
    size, about = int.from_bytes(head, "big"), b""
    while len(about) < size:
        about += client.recv(size - len(about))
    child = os.fork()
    if child == 0:
        client.close()
        become(streams, *marshal.loads(about))
        return
    for stream in streams:
        os.close(stream)
    client.sendall(child.to_bytes(4, "big"))
    ended = os.pidfd_open(child)
    ready, *_ = select.select([ended, client], [], [])
    if ended not in ready:  # whoever started it was killed
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if ended in ready:
        client.sendall(code.to_bytes(4, "big", signed=True))
    os._exit(0)


def become(streams, arguments, folder, environment):
    """Take over what a process gets when it is started."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["livemood", *arguments]
    now = bool(environment.get("PYTHONUNBUFFERED"))
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    sys.stdout.reconfigure(line_buffering=os.isatty(1), write_through=now)
    sys.stderr.reconfigure(line_buffering=True, errors="backslashreplace")
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    signal.signal(signal.SIGINT, signal.default_int_handler)
    random.seed()


if __name__ == "__main__":
    serve(sys.argv[1])
    from livemood.__main__ import main

    sys.exit(main())
