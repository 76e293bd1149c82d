"""Removes all that a stage of the tests has made: `python clean_up.py`, with the variables that account.py names, may be run again at any time.

The tables and the tenants' secrets outlive their stacks by design, and are removed by name. What stays is the bucket that SAM CLI keeps for
all its deployments (`aws-sam-cli-managed-default`), and lines of logs that came after their group was gone.
"""

import os
import re
import sys
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError

from account import STAGE

PREFIX = f"acequia-{STAGE}"


def stacks() -> list[str]:
    """The stage's stacks that stand, the platform's last: tenants take from it."""
    pages = boto3.client("cloudformation").get_paginator("describe_stacks").paginate()
    found = [stack for page in pages for stack in page["Stacks"] if stack["StackStatus"] != "DELETE_COMPLETE"]
    names = [stack["StackName"] for stack in found]
    return sorted((name for name in names if name == PREFIX or name.startswith(f"{PREFIX}-")), key=lambda name: name == PREFIX)


def main() -> int:
    host = urlsplit(os.environ.get("AWS_ENDPOINT_URL", "")).hostname
    # `t` and six hexadecimal digits; or any stage of an AWS on this machine.
    if not re.fullmatch("t[0-9a-f]{6}", STAGE) and host not in ("localhost", "127.0.0.1"):
        sys.exit(f"the stage {STAGE!r} is none of the tests': nothing was removed")
    cloudformation = boto3.client("cloudformation")
    bad = []
    for group in ([name for name in stacks() if name != PREFIX], [PREFIX]):
        standing = [name for name in group if name in stacks()]
        for name in standing:
            cloudformation.update_termination_protection(StackName=name, EnableTerminationProtection=False)
            cloudformation.delete_stack(StackName=name)
        for name in standing:
            try:
                cloudformation.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 3, "MaxAttempts": 200})
                print(f"removed the stack {name}")
            except Exception as error:  # noqa: BLE001 - the rest has to go in any case
                bad.append(f"{name}: {error}")
    dynamodb = boto3.client("dynamodb")
    for page in dynamodb.get_paginator("list_tables").paginate():
        for table in page["TableNames"]:
            if table.startswith(f"{PREFIX}-"):
                if dynamodb.describe_table(TableName=table)["Table"].get("DeletionProtectionEnabled"):
                    dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
                    dynamodb.get_waiter("table_exists").wait(TableName=table)
                dynamodb.delete_table(TableName=table)
                print(f"removed the table {table}")
    ssm = boto3.client("ssm")
    for page in ssm.get_paginator("get_parameters_by_path").paginate(Path=f"/acequia/{STAGE}/", Recursive=True):
        for parameter in page["Parameters"]:
            ssm.delete_parameter(Name=parameter["Name"])
            print(f"removed the parameter {parameter['Name']}")
    logs = boto3.client("logs")
    for page in logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=f"/aws/lambda/{PREFIX}-"):
        for group in page["logGroups"]:
            try:
                logs.delete_log_group(logGroupName=group["logGroupName"])
            except ClientError as error:
                bad.append(f"{group['logGroupName']}: {error}")
    for line in bad:
        print(f"NOT removed: {line}", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
