"""Sends the events on the standard input, one JSON object a line, to Acequia over HTTP, and says which are refused."""

import json
import os
import sys
import time
import uuid
from urllib.error import HTTPError
from urllib.request import Request, urlopen

URL = f"{os.environ['ACEQUIA_API']}/v1/tenants/{os.environ['ACEQUIA_TENANT']}/events"


def send(body: bytes) -> tuple[int, bytes]:
    """Makes a request, again where that may help, always under the same name: nothing is taken twice."""
    headers = {"Authorization": f"Bearer {os.environ['ACEQUIA_KEY']}", "Content-Type": "application/x-ndjson"}
    request = Request(URL, body, headers | {"Idempotency-Key": str(uuid.uuid4())})
    for attempt in range(1, 7):
        after = ""
        try:
            with urlopen(request, timeout=40) as answer:
                return answer.status, answer.read()
        except HTTPError as error:
            status, said, after = error.code, error.read(), error.headers.get("Retry-After", "")
        except OSError as error:
            status, said = 0, str(error).encode()
        if attempt == 6 or (0 < status < 500 and status not in (409, 429)):
            break
        time.sleep(min(int(after), 30) if after.isdigit() else attempt)
    return status, said


status, said = send(sys.stdin.buffer.read())
results = json.loads(said).get("results", []) if said.startswith(b"{") else []
for number, result in enumerate(results, 1):
    if result["status"] not in ("accepted", "duplicate"):
        print(f"event {number}: {json.dumps(result)}", file=sys.stderr)
if status != 202:
    sys.exit(f"the API answers {status}" + ("" if results else f": {said.decode()}"))
