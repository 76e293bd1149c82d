"""Prints the status of a stack, or nothing where there is none: NAME [REGION]. Credentials are the SDK's own business."""

import sys

import boto3
import botocore.exceptions


def main(name: str, region: str | None) -> str:
    try:
        stacks = boto3.client("cloudformation", region_name=region).describe_stacks(StackName=name)["Stacks"]
    except botocore.exceptions.ClientError as error:
        if "does not exist" in str(error):
            return ""
        raise
    return stacks[0]["StackStatus"] if stacks else ""


if __name__ == "__main__":
    try:
        print(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        sys.exit(f"{error}")
