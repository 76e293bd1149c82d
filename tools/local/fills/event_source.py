"""Event source mappings from SQS: large batches, cheap polling, and the exact reading of a partial batch response."""

import json
import time

from ministack.services import lambda_svc, sqs

PAYLOAD_BYTES = 6 * 1024 * 1024  # a synchronous invocation's limit closes the batch
RECORD_BYTES = 1024  # what a record has besides body and attributes, generously
BACKOFF_SECONDS = 1.0


def message_bytes(message: dict) -> int:
    """Estimates the bytes that a message takes in the invocation's payload."""
    return len(json.dumps(message.get("body") or "")) + len(json.dumps(message.get("message_attributes") or {})) + RECORD_BYTES


def receive(queue_url: str, max_number: int) -> list[dict]:
    """AWS fills a batch up to BatchSize (10,000 on standard queues) or 6 MB. The emulator stops at 10.

    A queue whose messages are all hidden is left alone: the emulator walks and rewrites its list at every poll.
    """
    with sqs._queues_lock:
        queue = sqs._get_q(queue_url)
        now = time.time()
        if not any(message.get("visible_at", 0) <= now for message in queue["messages"]):
            return []
        sqs._expire_retained(queue)
        sqs._dlq_sweep(queue)
        size = int(max_number or 1)
        if queue["is_fifo"]:
            size = min(size, 10)
        room, fitting = PAYLOAD_BYTES, 0
        for message in queue["messages"]:
            if fitting == size:
                break
            if message.get("visible_at", 0) > now:
                continue
            room -= message_bytes(message)
            if room < 0 and fitting:
                break
            fitting += 1
        visibility = int(queue["attributes"].get("VisibilityTimeout", "30"))
        return sqs._collect_msgs(queue, fitting, visibility) if fitting else []


def collect(fifo_collect):
    """Receives from a standard queue by looking at the messages it takes, not at the whole backlog."""

    def collected(queue: dict, max_number: int, visibility: int) -> list[dict]:
        if queue["is_fifo"]:
            return fifo_collect(queue, max_number, visibility)
        now, taken = time.time(), []
        for message in queue["messages"]:
            if len(taken) == max_number:
                break
            if message.get("visible_at", 0) > now:
                continue
            sqs._ensure_msg_fields(message)
            message["receipt_handle"] = sqs.new_uuid()
            message["visible_at"] = now + visibility
            message["receive_count"] += 1
            if message.get("first_receive_at") is None:
                message["first_receive_at"] = now
            taken.append(message)
        return taken

    return collected


def failed_items(body, ids: set[str]) -> set[str] | None:
    """Reads a partial batch response: the failed ids, or None when AWS would take the whole batch as failed.

    AWS: null, {} and an empty or null list mean that all succeeded. No valid JSON object, and an empty, null, misnamed
    or unknown itemIdentifier mean that all failed. The emulator ignores the latter and deletes the messages.
    """
    if body is None or body == "":
        return set()
    if not isinstance(body, dict):
        return None
    failures = body.get("batchItemFailures")
    if failures is None:
        return set()
    if not isinstance(failures, list):
        return None
    failed = set()
    for failure in failures:
        identifier = failure.get("itemIdentifier") if isinstance(failure, dict) else None
        if identifier not in ids:
            return None
        failed.add(identifier)
    return failed


def run_batch(mapping, function, event, batch, queue_url, queue_name) -> None:
    """Invokes the function with one batch and deletes what it handled."""
    result = lambda_svc._execute_function(function, event)
    ids = {message["id"] for message in batch}
    reports = "ReportBatchItemFailures" in (mapping.get("FunctionResponseTypes") or [])
    failed = set()
    if result.get("error"):
        failed = None
    elif reports:
        failed = failed_items(result.get("body"), ids)
    if failed is None:
        mapping["LastProcessingResult"] = "PROBLEM: Function call failed"
        lambda_svc._esm_backoff_until[mapping["UUID"]] = time.time() + BACKOFF_SECONDS
        lambda_svc.logger.warning(
            "%s failed a batch of %d from %s: %s", mapping["FunctionName"], len(batch), queue_name, result.get("body")
        )
        return
    lambda_svc._esm_backoff_until.pop(mapping["UUID"], None)
    mapping["LastProcessingResult"] = f"OK - {len(batch)} records, {len(failed)} failed"
    handles = {message["receipt_handle"] for message in batch if message["id"] not in failed}
    sqs._delete_messages_for_esm(queue_url, handles)


def apply() -> None:
    """Fills the holes of this module."""
    sqs._receive_messages_for_esm = receive
    sqs._collect_msgs = collect(sqs._collect_msgs)
    lambda_svc._run_sqs_batch = run_batch
