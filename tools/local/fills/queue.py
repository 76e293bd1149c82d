"""SQS: redrive (message move tasks), the list of a dead-letter queue's sources, and the system attributes of a batch's
messages, which the emulator lacks."""

import base64
import json
import threading
import time

from ministack.core.responses import new_uuid
from ministack.services import sqs

DEFAULT_RATE = 500  # messages per second, the most AWS allows
tasks: list[dict] = []

send_message, send_message_batch = sqs._act_send_message, sqs._act_send_message_batch
batch = threading.local()


def sources_of(arn: str) -> list[dict]:
    """Finds the queues whose dead-letter queue this is."""
    found = []
    for queue in list(sqs._queues.values()):
        redrive = queue["attributes"].get("RedrivePolicy")
        if redrive and json.loads(redrive).get("deadLetterTargetArn") == arn:
            found.append(queue)
    return found


def list_dead_letter_source_queues(data: dict, queue_url: str) -> dict:
    """Answers the queues that have the named queue as their dead-letter queue."""
    queue = sqs._get_q(queue_url)
    return {"queueUrls": [source["url"] for source in sources_of(queue["attributes"]["QueueArn"])]}


def start_message_move_task(data: dict, _queue_url: str) -> dict:
    """Moves a dead-letter queue's messages to the named queue, or each back to where SQS took it from.

    As on AWS: only from a queue that is someone's dead-letter queue; one running task per queue; 1 to 500 messages a
    second; the moved messages are new ones (own id, receive count zero). A message that was *sent* to the dead-letter
    queue has no origin: without a destination the task fails with CouldNotDetermineMessageSource.
    """
    source_arn = data.get("SourceArn") or ""
    source = sqs._queue_by_arn(source_arn)
    if source is None:
        raise sqs._Err("ResourceNotFoundException", "The resource that you specified for the SourceArn parameter doesn't exist.", 404)
    if not sources_of(source_arn):
        raise sqs._Err("AWS.SimpleQueueService.UnsupportedOperation", "Source queue must be configured as a Dead Letter Queue.")
    destination_arn = data.get("DestinationArn")
    if destination_arn and sqs._queue_by_arn(destination_arn) is None:
        raise sqs._Err("ResourceNotFoundException", "The resource that you specified for the DestinationArn parameter doesn't exist.", 404)
    rate = data.get("MaxNumberOfMessagesPerSecond") or DEFAULT_RATE
    if not 1 <= int(rate) <= DEFAULT_RATE:
        raise sqs._Err("InvalidParameterValue", "MaxNumberOfMessagesPerSecond must be between 1 and 500.")
    if any(task["SourceArn"] == source_arn and task["Status"] == "RUNNING" for task in tasks):
        raise sqs._Err("AWS.SimpleQueueService.UnsupportedOperation", "There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
    task = {
        "TaskHandle": base64.b64encode(json.dumps({"taskId": new_uuid(), "sourceArn": source_arn}).encode()).decode(),
        "Status": "RUNNING",
        "SourceArn": source_arn,
        "MaxNumberOfMessagesPerSecond": int(rate),
        "ApproximateNumberOfMessagesMoved": 0,
        "ApproximateNumberOfMessagesToMove": len(source["messages"]),
        "StartedTimestamp": int(time.time() * 1000),
    }
    if destination_arn:
        task["DestinationArn"] = destination_arn
    tasks.insert(0, task)
    origins = {queue["attributes"]["QueueArn"]: queue for queue in sources_of(source_arn)}
    destination = sqs._queue_by_arn(destination_arn) if destination_arn else None
    threading.Thread(target=move, args=(task, source, destination, origins), daemon=True).start()
    return {"TaskHandle": task["TaskHandle"]}


def move(task: dict, source: dict, destination: dict | None, origins: dict) -> None:
    """Moves the messages that can be seen now, a tenth of a second's worth at a time."""
    rate = task["MaxNumberOfMessagesPerSecond"]
    left, share = task["ApproximateNumberOfMessagesToMove"], max(1, rate // 10)
    while task["Status"] == "RUNNING" and left > 0:
        with sqs._queues_lock:
            now = time.time()
            ready = [message for message in source["messages"] if message.get("visible_at", 0) <= now][: min(share, left)]
            for message in ready:
                target = destination or origins.get((message.get("sys") or {}).get("DeadLetterQueueSourceArn"))
                if target is None:
                    task.update(Status="FAILED", FailureReason="CouldNotDetermineMessageSource")
                    break
                source["messages"].remove(message)
                target["messages"].append(moved(message, now))
                task["ApproximateNumberOfMessagesMoved"] += 1
            left -= len(ready)
        sqs.esm_wake.set()
        if not ready:
            break
        time.sleep(share / rate)
    if task["Status"] == "RUNNING":
        task["Status"] = "COMPLETED"
    elif task["Status"] == "CANCELLING":
        task["Status"] = "CANCELLED"


def moved(message: dict, now: float) -> dict:
    """Makes the new message that a redrive sends."""
    system = {name: value for name, value in (message.get("sys") or {}).items() if name != "DeadLetterQueueSourceArn"}
    system["SentTimestamp"] = str(int(now * 1000))
    return {
        **message,
        "id": new_uuid(),
        "sys": system,
        "sent_at": now,
        "enqueued_at": now,
        "visible_at": now,
        "receive_count": 0,
        "first_receive_at": None,
        "receipt_handle": None,
    }


def list_message_move_tasks(data: dict, _queue_url: str) -> dict:
    """Answers the latest tasks of a dead-letter queue, newest first; only a running one shows its handle."""
    arn, most = data.get("SourceArn"), int(data.get("MaxResults") or 1)
    found = [task for task in tasks if task["SourceArn"] == arn][: min(most, 10)]
    return {
        "Results": [
            {name: value for name, value in task.items() if name != "TaskHandle" or task["Status"] == "RUNNING"}
            for task in found
        ]
    }


def cancel_message_move_task(data: dict, _queue_url: str) -> dict:
    """Stops a running task; what is moved already stays moved."""
    for task in tasks:
        if task["TaskHandle"] == data.get("TaskHandle") and task["Status"] == "RUNNING":
            task["Status"] = "CANCELLING"
            return {"ApproximateNumberOfMessagesMoved": task["ApproximateNumberOfMessagesMoved"]}
    raise sqs._Err("ResourceNotFoundException", "There is no active task with this handle.", 404)


def send_message_of_batch(data: dict, queue_url: str) -> dict:
    """Sends a message with the system attributes (X-Ray's trace header) that its entry of a batch has."""
    attributes = getattr(batch, "attributes", None)
    return send_message({**data, "MessageSystemAttributes": attributes.pop(0)} if attributes else data, queue_url)


def send_whole_batch(data: dict, queue_url: str) -> dict:
    """Sends a batch; the emulator sends its entries one by one and leaves their system attributes out."""
    batch.attributes = [entry.get("MessageSystemAttributes") or {} for entry in data.get("Entries") or []]
    try:
        return send_message_batch(data, queue_url)
    finally:
        batch.attributes = None


def apply() -> None:
    """Fills the holes of this module."""
    sqs._act_send_message = send_message_of_batch
    sqs._HANDLERS.update(
        SendMessageBatch=send_whole_batch,
        StartMessageMoveTask=start_message_move_task,
        ListMessageMoveTasks=list_message_move_tasks,
        CancelMessageMoveTask=cancel_message_move_task,
        ListDeadLetterSourceQueues=list_dead_letter_source_queues,
    )
