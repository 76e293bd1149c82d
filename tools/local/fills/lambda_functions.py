"""Lambda functions: processes that end with the emulator, and invocations without waits of the emulator's own."""

import contextlib
import os
import signal
import threading

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

OF_THE_SERVER = (
    "AUTH",
    "BIND_HOST",
    "DOCKER_HOST",
    "GATEWAY_PORT",
    "LOG_LEVEL",
    "MINISTACK_HOST",
    "MINISTACK_REGION",
    "S3_DATA_DIR",
    "S3_PERSIST",
    "SFTP_ENABLED",
)

processes: set = set()
changing = threading.Lock()


def remembering(spawn):
    """Notes each bootstrap's process, so that none outlives the emulator."""

    def spawned(self, *args, **named):
        spawn(self, *args, **named)
        # Many environments start at once, and one that ended meanwhile has no process any more.
        process = self._proc
        with changing:
            for known in [known for known in processes if known.poll() is not None]:
                processes.discard(known)
            if process is not None:
                processes.add(process)

    return spawned


def kill_environments() -> None:
    """Ends every bootstrap at once."""
    with changing:
        all_processes = list(processes)
    for process in all_processes:
        if process.poll() is None:
            with contextlib.suppress(OSError):
                os.kill(process.pid, signal.SIGKILL)


def like_lambda(build):
    """Gives a function Lambda's logging variables (AWS_LAMBDA_LOG_FORMAT, _LEVEL, _GROUP_NAME), which the emulator leaves
    out, and none of the server's own.
    """

    def built(config, *args):
        environment = build(config, *args)
        own = (config.get("Environment") or {}).get("Variables") or {}
        for name in OF_THE_SERVER:
            if name not in own:
                environment.pop(name, None)
        logging = config.get("LoggingConfig") or {}
        environment["AWS_LAMBDA_LOG_GROUP_NAME"] = logging.get("LogGroup") or f"/aws/lambda/{config.get('FunctionName')}"
        environment["AWS_LAMBDA_LOG_FORMAT"] = logging.get("LogFormat") or "Text"
        if logging.get("ApplicationLogLevel"):
            environment["AWS_LAMBDA_LOG_LEVEL"] = logging["ApplicationLogLevel"]
        return environment

    return built


def without_delay(build):
    """Sends a Runtime API answer in one packet; in two, the second waits for the peer's delayed acknowledgement."""

    def built(self, *args):
        handler = build(self, *args)
        handler.disable_nagle_algorithm = True
        handler.wbufsize = 64 * 1024
        return handler

    return built


def draining_at_once(drain):
    """Takes the log lines that are there. The emulator holds each silent invocation back for 50 ms to wait for some."""

    def drained(self, first_line_wait=0.003, idle_confirm=0.001, hard_cap=0.02):
        return drain(self, first_line_wait, idle_confirm, hard_cap)

    return drained


def apply() -> None:
    """Fills the holes of this module."""
    lambda_svc._provided_worker_env = like_lambda(lambda_svc._provided_worker_env)
    worker = lambda_runtime.ProvidedWorker
    worker._spawn = remembering(worker._spawn)
    worker._build_handler_class = without_delay(worker._build_handler_class)
    worker._drain_stderr_bounded = draining_at_once(worker._drain_stderr_bounded)
