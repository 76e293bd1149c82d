"""Starts the local AWS: the ministack emulator on loopback, IAM enforced, with the holes that matter to Acequia filled.

    python tools/local/local_aws.py --port 4566 [--data DIR] [--log-level INFO] [--keep-running]

- Binds 127.0.0.1 only. Prints one line, `ready http://127.0.0.1:<port>`, on stdout when it answers.
- The server's own environment is built here and nothing is inherited but PATH, HOME and the locale: functions get a
  copy of it, and a developer's AWS_PROFILE or proxy must not reach them.
- The administrator's credentials are AWS_ACCESS_KEY_ID=test, AWS_SECRET_ACCESS_KEY=test. Every function runs with
  session credentials of its own role, and what the role does not allow is refused.
- Ends on SIGTERM or SIGINT, and when the process that started it is gone (unless --keep-running); the functions'
  processes end with it. State lives in memory; --data only says where files (code, uploads) are kept meanwhile.

What differs from the emulator as it is published is in fills/, one module per service.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

HOST = "127.0.0.1"
REGION = "us-east-1"
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")
LAST_SECONDS = 3.0  # from the signal to the end, whatever hangs


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="The local AWS of Acequia.")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--data", type=Path, help="folder for its files (default: a temporary one, removed at the end)")
    parser.add_argument("--log-level", default="WARNING", help="of the emulator, on stderr (default WARNING)")
    parser.add_argument("--keep-running", action="store_true", help="outlive the process that started it")
    return parser.parse_args()


def set_environment(port: int, data: Path, log_level: str) -> None:
    """Replaces this process's environment by the one the emulator and its functions are to see."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    temporary = data / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    os.environ.clear()
    os.environ.update(
        kept,
        TMPDIR=str(temporary),
        AUTH="true",
        BIND_HOST=HOST,
        MINISTACK_HOST=HOST,
        GATEWAY_PORT=str(port),
        AWS_ENDPOINT_URL=f"http://{HOST}:{port}",
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION=REGION,
        MINISTACK_REGION=REGION,
        S3_DATA_DIR=str(data / "s3"),
        S3_PERSIST="0",
        SFTP_ENABLED="0",
        DOCKER_HOST=f"unix://{data}/no-docker.sock",
        LOG_LEVEL=log_level.upper(),
    )
    tempfile.tempdir = str(temporary)


def refuse_used_port(port: int) -> None:
    """Ends with one clear line if something listens on the port already."""
    with socket.socket() as probe:
        if probe.connect_ex((HOST, port)) == 0:
            sys.exit(f"local AWS: port {port} on {HOST} is in use; stop what listens there or pass another --port")


def announce(port: int) -> None:
    """Prints the ready line as soon as the server accepts connections."""
    while True:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                break
        time.sleep(0.02)
    print(f"ready http://{HOST}:{port}", flush=True)


def end_with_parent(parent: int) -> None:
    """Ends this process when the one that started it is gone, however that ended."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)


async def serve(port: int) -> None:
    """Runs the emulator until a signal comes."""
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config
    from ministack.app import app

    from fills import lambda_functions

    config = Config()
    config.bind = [f"{HOST}:{port}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 0.2
    config.shutdown_timeout = 1
    config.errorlog = None  # the emulator's own logger says what went wrong

    stop = asyncio.Event()

    def on_signal() -> None:
        # The functions go first: one that waits for a slow endpoint must not hold the server up.
        lambda_functions.kill_environments()
        threading.Timer(LAST_SECONDS, lambda: os._exit(0)).start()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    threading.Thread(target=announce, args=(port,), daemon=True).start()
    with contextlib.suppress(asyncio.CancelledError):
        await hypercorn_serve(app, config, shutdown_trigger=stop.wait)
    lambda_functions.kill_environments()


def raise_file_limit() -> None:
    """Lifts the soft limit of open files to the hard one: many functions mean many connections."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    """Starts the emulator and stays until it is to end."""
    options = arguments()
    refuse_used_port(options.port)
    parent = os.getppid()
    data = options.data.resolve() if options.data else Path(tempfile.mkdtemp(prefix="acequia-local-aws-"))
    set_environment(options.port, data, options.log_level)
    raise_file_limit()

    import fills

    fills.apply()
    logging.getLogger().setLevel(options.log_level.upper())
    if not options.keep_running:
        threading.Thread(target=end_with_parent, args=(parent,), daemon=True).start()
    try:
        asyncio.run(serve(options.port))
    finally:
        if options.data is None:
            shutil.rmtree(data, ignore_errors=True)
        # Threads of the emulator that poll for ever must not keep the process.
        sys.stdout.flush()
        os._exit(0)


if __name__ == "__main__":
    main()
