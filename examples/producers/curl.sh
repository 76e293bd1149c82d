#!/bin/sh
# Sends the events on the standard input, one JSON object a line, to Acequia over HTTP, and says which are refused.
set -eu
url="$ACEQUIA_API/v1/tenants/$ACEQUIA_TENANT/events"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/events"
# A name of this request, the same over all attempts: nothing is taken twice.
name=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')

attempt=1
while :; do
    : >"$folder/headers" >"$folder/answer"
    # The key comes by a pipe: other users of the machine can read the arguments of a program.
    status=$(printf 'header = "Authorization: Bearer %s"\n' "$ACEQUIA_KEY" | curl --silent --show-error --max-time 40 \
        --config - --header 'Content-Type: application/x-ndjson' --header "Idempotency-Key: $name" \
        --data-binary "@$folder/events" --dump-header "$folder/headers" --output "$folder/answer" \
        --write-out '%{http_code}' "$url") || status=000
    case $status in 000 | 409 | 429 | 5??) ;; *) break ;; esac
    [ "$attempt" -lt 6 ] || break
    wait=$(sed -n 's/^[Rr]etry-[Aa]fter: *\([0-9]\{1,2\}\)[^0-9].*/\1/p' "$folder/headers")
    sleep "${wait:-$attempt}"
    attempt=$((attempt + 1))
done

[ "$status" != 202 ] || exit 0
echo "the API answers $status" >&2
# The results come in the order of the events. Without any, the answer is about the request.
awk '{
    count = split($0, result, /[{]"status":"/)
    for (i = 2; i <= count; i++) if (result[i] !~ /^(accepted|duplicate)"/) {
        sub(/[}],?([]][}])?$/, "", result[i])
        print "event " i - 1 ": \"" result[i]
    }
    if (count < 2) print
}' "$folder/answer" >&2
exit 1
