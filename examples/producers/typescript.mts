// Sends the events on the standard input, one JSON object a line, to Acequia over HTTP, and says which are refused.
import { randomUUID } from "node:crypto";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";

type Result = { status: "accepted" | "duplicate" | "refused" | "not-taken"; reason?: string; detail?: string };
type Answer = { title?: string; detail?: string; results?: Result[] };

const { ACEQUIA_API, ACEQUIA_TENANT, ACEQUIA_KEY } = process.env;

/** Makes a request, again where that may help, always under the same name: nothing is taken twice. */
async function send(body: string): Promise<[number, Answer]> {
  const headers = {
    authorization: `Bearer ${ACEQUIA_KEY}`,
    "content-type": "application/x-ndjson",
    "idempotency-key": randomUUID(),
  };
  const url = `${ACEQUIA_API}/v1/tenants/${ACEQUIA_TENANT}/events`;
  for (let attempt = 1; ; attempt++) {
    const request = { method: "POST", headers, body, signal: AbortSignal.timeout(40_000) };
    const response = await fetch(url, request).catch((error: Error) => error);
    const [status, answer] =
      response instanceof Error
        ? [0, { detail: String(response.cause ?? response) }]
        : [response.status, (await response.json().catch(() => ({}))) as Answer];
    if (attempt === 6 || (status !== 0 && status !== 409 && status !== 429 && status < 500)) return [status, answer];
    const after = response instanceof Error ? NaN : Number(response.headers.get("retry-after") ?? NaN);
    await sleep(1000 * Math.min(after >= 0 ? after : attempt, 30));
  }
}

const [status, answer] = await send(await text(process.stdin));
for (const [index, result] of (answer.results ?? []).entries()) {
  if (result.status !== "accepted" && result.status !== "duplicate") console.error(`event ${index + 1}:`, result);
}
if (status !== 202) console.error([`the API answers ${status}`, answer.title, answer.detail].filter(Boolean).join(": "));
process.exitCode = status === 202 ? 0 : 1;
