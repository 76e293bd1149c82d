"""What the tests of the local AWS share: a really started launcher, clients, and waiting to a deadline."""

import json
import os
import socket
import subprocess
import sys
import time
import unittest
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

LAUNCHER = Path(__file__).with_name("local_aws.py")
ACCOUNT = "000000000000"
DEADLINE = 20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(*arguments, through=None):
    """Starts the launcher and waits for its ready line."""
    port = free_port()
    command = [sys.executable, str(LAUNCHER), "--port", str(port), *arguments]
    process = subprocess.Popen(
        through(command) if through else command, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "AWS_PROFILE": "not-for-functions", "SECRET_OF_THE_DEVELOPER": "1"},
    )
    line = process.stdout.readline()
    assert line == f"ready http://127.0.0.1:{port}\n", line
    return process, port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(check, what: str):
    """Polls until the check gives something true, and returns that."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if result := check():
            return result
        time.sleep(0.05)
    raise AssertionError(f"not within {DEADLINE} s: {what}")


class Client:
    """Makes boto3 clients of one launcher and one identity."""

    def __init__(self, port: int, key: str = "test", secret: str = "test"):
        self.options = {
            "endpoint_url": f"http://127.0.0.1:{port}",
            "region_name": "us-east-1",
            "aws_access_key_id": key,
            "aws_secret_access_key": secret,
            "config": Config(retries={"max_attempts": 1}),
        }
        self.made = {}

    def __getattr__(self, name: str):
        if name not in self.made:
            self.made[name] = boto3.client(name, **self.options)
        return self.made[name]


class Started(unittest.TestCase):
    """One launcher for the tests of a class."""

    @classmethod
    def setUpClass(cls):
        cls.process, cls.port = start()
        cls.aws = Client(cls.port)

    @classmethod
    def tearDownClass(cls):
        cls.process.terminate()
        cls.process.wait(10)
        cls.process.stdout.close()

    def user(self, *statements) -> Client:
        """Makes an identity that may do what the statements say and nothing else."""
        name = self._testMethodName[:60]
        self.aws.iam.create_user(UserName=name)
        allowed = [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in statements]
        policy = {"Version": "2012-10-17", "Statement": allowed}
        self.aws.iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
        key = self.aws.iam.create_access_key(UserName=name)["AccessKey"]
        return Client(self.port, key["AccessKeyId"], key["SecretAccessKey"])

    def refused(self, code: str, call, **arguments) -> str:
        with self.assertRaises(ClientError) as caught:
            call(**arguments)
        self.assertIn(code, caught.exception.response["Error"]["Code"])
        return caught.exception.response["Error"]["Message"]
