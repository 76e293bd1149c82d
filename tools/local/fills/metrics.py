"""CloudWatch: the age of a queue's oldest message, which SQS measures on AWS and nothing does in the emulator."""

import time

from ministack.services import cloudwatch, sqs

MOST_RECEIVES = 2  # of a standard queue, a message that was received three times or more does not count
MINUTE = 60


def age(queue: dict, now: float) -> float | None:
    """Answers the age of the oldest message that counts, or None where there is none."""
    fifo = queue["name"].endswith(".fifo")
    counted = [message for message in queue["messages"] if fifo or message.get("receive_count", 0) <= MOST_RECEIVES]
    return max((now - message["sent_at"] for message in counted), default=None)


def measure() -> None:
    """Puts the ages of now into this minute's data, as SQS does once a minute."""
    now = time.time()
    for queue in list(sqs._queues.values()):
        measured = age(queue, now)
        if measured is not None:
            dimensions = {"QueueName": queue["name"]}
            bucket = cloudwatch._metric_bucket(("AWS/SQS", "ApproximateAgeOfOldestMessage", cloudwatch._dims_key(dimensions)))
            bucket.append({"Timestamp": now // MINUTE * MINUTE, "Value": measured, "Unit": "Seconds", "Dimensions": dimensions})


def apply() -> None:
    """Fills the holes of this module."""
    published = cloudwatch._get_metric_data

    def get_metric_data(*arguments, **named):
        measure()
        return published(*arguments, **named)

    cloudwatch._get_metric_data = get_metric_data
