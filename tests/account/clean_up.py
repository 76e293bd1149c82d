"""Removes all that a stage of the tests has made: `python clean_up.py`, with the variables that account.py names, may be run again at any time.

What holds data (tables, the archive, tenants' queues and secrets) outlives its stack by design, and is removed by name. In the end it looks whether anything of
the stage is left. What stays is the bucket that SAM CLI keeps for
all its deployments (`aws-sam-cli-managed-default`), and lines of logs that came after their group was gone.
"""

import os
import re
import sys
import time
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError, WaiterError

from account import STAGE

LISTED_WITHIN = 90
PREFIX = f"acequia-{STAGE}"


def stacks() -> list[str]:
    """The stage's stacks that stand, the platform's last: tenants take from it."""
    pages = boto3.client("cloudformation").get_paginator("describe_stacks").paginate()
    found = [stack for page in pages for stack in page["Stacks"] if stack["StackStatus"] != "DELETE_COMPLETE"]
    names = [stack["StackName"] for stack in found]
    return sorted((name for name in names if name == PREFIX or name.startswith(f"{PREFIX}-")), key=lambda name: name == PREFIX)


def tables() -> list[str]:
    pages = boto3.client("dynamodb").get_paginator("list_tables").paginate()
    return [table for page in pages for table in page["TableNames"] if table.startswith(f"{PREFIX}-")]


def queues() -> list[str]:
    pages = boto3.client("sqs").get_paginator("list_queues")
    prefixes = (f"acequia_{STAGE}_", f"{PREFIX}-")
    return [url for prefix in prefixes for page in pages.paginate(QueueNamePrefix=prefix) for url in page.get("QueueUrls", [])]


def buckets() -> list[str]:
    return [bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"] if bucket["Name"].startswith(f"{PREFIX}-archive-")]


def parameters() -> list[str]:
    pages = boto3.client("ssm").get_paginator("get_parameters_by_path").paginate(Path=f"/acequia/{STAGE}/", Recursive=True)
    return [parameter["Name"] for page in pages for parameter in page["Parameters"]]


def log_groups() -> list[str]:
    pages = boto3.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=f"/aws/lambda/{PREFIX}-")
    return [group["logGroupName"] for page in pages for group in page["logGroups"]]


def delete_stacks(names: list[str]) -> None:
    """Deletes stacks at once, and waits for their end."""
    cloudformation = boto3.client("cloudformation")
    for name in names:
        cloudformation.delete_stack(StackName=name)
    for name in names:
        try:
            cloudformation.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 3, "MaxAttempts": 200})
            print(f"removed the stack {name}")
        except WaiterError as error:
            print(f"the stack {name}: {error}", file=sys.stderr)


def delete_table(name: str) -> None:
    dynamodb = boto3.client("dynamodb")
    if dynamodb.describe_table(TableName=name)["Table"].get("DeletionProtectionEnabled"):
        dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
        dynamodb.get_waiter("table_exists").wait(TableName=name)
    dynamodb.delete_table(TableName=name)
    dynamodb.get_waiter("table_not_exists").wait(TableName=name, WaiterConfig={"Delay": 2, "MaxAttempts": 150})


def delete_bucket(name: str) -> None:
    bucket = boto3.resource("s3").Bucket(name)
    bucket.objects.all().delete()
    bucket.delete()


def main() -> int:
    host = urlsplit(os.environ.get("AWS_ENDPOINT_URL", "")).hostname
    # `t` and six hexadecimal digits; or any stage of an AWS on this machine.
    if not re.fullmatch("t[0-9a-f]{6}", STAGE) and host not in ("localhost", "127.0.0.1"):
        sys.exit(f"the stage {STAGE!r} is none of the tests': nothing was removed")
    delete_stacks([name for name in stacks() if name != PREFIX])
    delete_stacks([name for name in stacks() if name == PREFIX])
    clients = {name: boto3.client(name) for name in ("sqs", "ssm", "logs")}
    ways = {
        "table": (tables, delete_table),
        "bucket": (buckets, delete_bucket),
        "queue": (queues, lambda url: clients["sqs"].delete_queue(QueueUrl=url)),
        "parameter": (parameters, lambda name: clients["ssm"].delete_parameter(Name=name)),
        "group of logs": (log_groups, lambda name: clients["logs"].delete_log_group(logGroupName=name)),
    }
    for what, (find, delete) in ways.items():
        for name in find():
            try:
                delete(name)
                print(f"removed the {what} {name}")
            except (ClientError, WaiterError) as error:
                print(f"the {what} {name}: {error}", file=sys.stderr)
    # A queue is listed for up to a minute after it was deleted.
    end = time.monotonic() + LISTED_WITHIN
    while (left := [*stacks(), *tables(), *buckets(), *queues(), *parameters(), *log_groups()]) and time.monotonic() < end:
        time.sleep(2)
    print(f"left of the stage {STAGE}: {', '.join(left) or 'nothing'}")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
