"""Puts the events on the standard input, one JSON object a line, into a tenant's intake queue, by AWS credentials.

SQS takes any text: what is no event comes to light later, in the dead-letter queue (acequia dlq list TENANT).
"""

import os
import sys
import time

import boto3


def batches(events):
    """Up to ten events, and a megabyte, each: what SQS takes in one call."""
    batch, size = {}, 0
    for number, event in enumerate(events, 1):
        if batch and (len(batch) == 10 or size + len(event.encode()) > 1024 * 1024):
            yield batch
            batch, size = {}, 0
        batch[str(number)] = event
        size += len(event.encode())
    if batch:
        yield batch


sqs, refused = boto3.client("sqs"), {}
queue = f"acequia_{os.environ['ACEQUIA_STAGE']}_{os.environ['ACEQUIA_TENANT']}_intake"
url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
for batch in batches(line.strip() for line in sys.stdin if line.strip()):
    for attempt in range(1, 7):
        entries = [{"Id": number, "MessageBody": event} for number, event in batch.items()]
        failed = {one["Id"]: one for one in sqs.send_message_batch(QueueUrl=url, Entries=entries).get("Failed", [])}
        refused |= {number: one for number, one in failed.items() if one["SenderFault"] or attempt == 6}
        batch = {number: batch[number] for number in failed if number not in refused}
        if not batch:
            break
        time.sleep(attempt)
sys.exit("\n".join(f"event {number}: {one['Code']} {one.get('Message', '')}" for number, one in refused.items()) or 0)
