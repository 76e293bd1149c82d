"""Gives a stack that was deleted back what it left: tables, queues, log groups and the archive, with everything in them.

    .venv/sam/bin/python tools/template/adopt.py acequia-dev --parameters Stage=dev
    .venv/sam/bin/python tools/template/adopt.py acequia-dev-acme --tenant --parameters Stage=dev TenantId=acme Webhook=enabled

Looks which of the resources that the template retains exist, and imports exactly those into a new stack of that name. Nothing else is made or
changed; deploy as ever afterwards. `--dry-run` only says what it found. CloudFormation's own `--import-existing-resources` cannot do it: it takes
no names that a template builds, and no queues.
"""

import argparse
import json
import sys

import boto3
from botocore.exceptions import ClientError, WaiterError

from stack import PLATFORM, TENANT, Resolver, read, values

RETAINED = ("Retain", "RetainExceptOnCreate")


def table(client, name):
    """The identifier of a table that exists."""
    client("dynamodb").describe_table(TableName=name)
    return {"TableName": name}


def queue(client, name):
    """The identifier of a queue that exists."""
    return {"QueueUrl": client("sqs").get_queue_url(QueueName=name)["QueueUrl"]}


def log_group(client, name):
    """The identifier of a log group that exists."""
    groups = client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return {"LogGroupName": name} if any(group["logGroupName"] == name for group in groups) else None


def bucket(client, name):
    """The identifier of a bucket that exists."""
    client("s3").head_bucket(Bucket=name)
    return {"BucketName": name}


# By which property a resource has its name, and how CloudFormation is told which one is meant.
KINDS = {
    "AWS::DynamoDB::Table": ("TableName", table),
    "AWS::SQS::Queue": ("QueueName", queue),
    "AWS::Logs::LogGroup": ("LogGroupName", log_group),
    "AWS::S3::Bucket": ("BucketName", bucket),
}
MISSING = ("ResourceNotFoundException", "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "404", "NoSuchBucket")


def left(template, parameters, client):
    """The retained resources of these parameters that exist, by logical id, with their identifiers."""
    found = {}
    for name, body in Resolver(template, parameters).resources().items():
        if body["Type"] not in KINDS or body.get("DeletionPolicy") not in RETAINED:
            continue
        named_by, identify = KINDS[body["Type"]]
        try:
            identifier = identify(client, body["Properties"][named_by])
        except ClientError as error:
            if error.response["Error"]["Code"] not in MISSING:
                raise
            continue
        if identifier:
            found[name] = identifier
    return found


def refers_to(body):
    """The resources and parameters that a value refers to by `!GetAtt` and `!Ref`."""
    if isinstance(body, list):
        return set().union(*map(refers_to, body))
    if not isinstance(body, dict):
        return set()
    named = {body["Ref"]} if isinstance(body.get("Ref"), str) else set()
    attribute = body.get("Fn::GetAtt")
    if attribute:
        named |= {attribute.split(".")[0] if isinstance(attribute, str) else attribute[0]}
    return named.union(*map(refers_to, body.values()))


def import_template(template, names):
    """A template that has what is to be imported, and nothing else."""
    missing = set(template["Resources"]) - set(names)
    resources = {}
    for name in names:
        body = template["Resources"][name]
        # What refers to a resource that is not there is set by the deployment that makes that.
        properties = {key: part for key, part in body["Properties"].items() if not refers_to(part) & missing}
        resources[name] = body | {"Properties": properties}
    kept = {key: template[key] for key in ("AWSTemplateFormatVersion", "Parameters", "Conditions")}
    return kept | {"Resources": resources}


def stands(cloudformation, stack):
    """Whether there is a stack of this name."""
    try:
        cloudformation.describe_stacks(StackName=stack)
    except ClientError as error:
        if "does not exist" in error.response["Error"]["Message"]:
            return False
        raise
    return True


def adopt(stack, path, parameters, client, dry_run=False, say=print):
    """Imports what the stack left. Returns what that was."""
    template = read(path)
    parameters = values(template, parameters)
    cloudformation = client("cloudformation")
    if stands(cloudformation, stack):
        raise ValueError(f"the stack {stack} stands: delete it first, what it retains stays; then take that back into a new one")
    # A bucket's name has account and region in it.
    here = {"AWS::AccountId": client("sts").get_caller_identity()["Account"], "AWS::Region": cloudformation.meta.region_name}
    found = left(template, parameters | here, client)
    for name, identifier in found.items():
        say(f"{name}: {', '.join(identifier.values())}")
    if not found or dry_run:
        say(f"{len(found)} to take back into {stack}")
        return found
    wanted = {"StackName": stack, "ChangeSetName": "adopt"}
    cloudformation.create_change_set(
        **wanted,
        ChangeSetType="IMPORT",
        TemplateBody=json.dumps(import_template(template, found), separators=(",", ":")),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        ResourcesToImport=[
            {"ResourceType": template["Resources"][name]["Type"], "LogicalResourceId": name, "ResourceIdentifier": identifier}
            for name, identifier in found.items()
        ],
    )
    try:
        cloudformation.get_waiter("change_set_create_complete").wait(**wanted, WaiterConfig={"Delay": 2})
        cloudformation.execute_change_set(**wanted)
        cloudformation.get_waiter("stack_import_complete").wait(StackName=stack, WaiterConfig={"Delay": 2})
    except WaiterError as error:
        said = error.last_response.get("StatusReason") or error
        raise ValueError(f"{stack} did not take them back: {said}; its events in CloudFormation say more") from error
    say(f"{stack} has them back: deploy it now")
    return found


def main():
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Gives a stack that was deleted back the tables, queues, log groups and the archive that it left.")
    parser.add_argument("stack", help="name of the stack, such as acequia-dev")
    parser.add_argument("--tenant", action="store_true", help="a tenant's stack (infra/tenant.yaml), not the platform's")
    parser.add_argument("--parameters", nargs="+", required=True, metavar="NAME=VALUE", help="as for its next deployment")
    parser.add_argument("--dry-run", action="store_true", help="only say what there is")
    arguments = parser.parse_args()
    pairs = [pair.partition("=") for pair in arguments.parameters]
    if wrong := [name for name, equals, _ in pairs if not equals]:
        parser.error(f"--parameters takes NAME=VALUE, not {wrong[0]}")
    path = TENANT if arguments.tenant else PLATFORM
    try:
        adopt(arguments.stack, path, {name: value for name, _, value in pairs}, boto3.client, arguments.dry_run)
    except (ClientError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
