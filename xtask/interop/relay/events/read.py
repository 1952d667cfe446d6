"""Has Relay normalise transactions and errors, a line of JSON each. Prints what it dropped or changed, as a list."""

import datetime
import json
import sys

from sentry_relay.processing import StoreNormalizer


def pairs(headers):
    """Headers in the form that Relay gives them, which is a list."""
    if isinstance(headers, dict):
        headers = headers.items()
    return sorted([name.title(), value] for name, value in headers)


def seconds(time):
    return datetime.datetime.fromisoformat(time).timestamp() if isinstance(time, str) else time


def differences(sent, kept, path=""):
    if path == "/request/headers":
        sent, kept = pairs(sent), pairs(kept or {})
    if path.endswith("timestamp") and kept is not None:
        # Relay keeps microseconds.
        sent, kept = (seconds(time) for time in (sent, kept))
        if abs(sent - kept) < 1e-5:
            return
    if isinstance(sent, dict) and isinstance(kept, dict):
        for name, value in sent.items():
            # An empty list or object is as good as none.
            if value not in (None, [], {}):
                yield from differences(value, kept.get(name), f"{path}/{name}")
    elif isinstance(sent, list) and isinstance(kept, list) and len(sent) == len(kept):
        for index, pair in enumerate(zip(sent, kept)):
            yield from differences(*pair, f"{path}/{index}")
    elif sent != kept:
        yield f"{path}: {json.dumps(kept)} instead of {json.dumps(sent)}"


def read(normalizer, sent):
    try:
        kept = normalizer.normalize_event(sent)
        if "message" in sent:
            # Relay moves the text of every SDK there.
            kept["message"] = kept.get("logentry", {}).get("formatted")
    except Exception as error:
        return [f"rejected: {error}"]
    return list(differences(sent, kept)) + [f"complaint: {json.dumps(it)}" for it in [kept.get("_meta")] if it]


def main():
    normalizer = StoreNormalizer(project_id=1)
    for line in sys.stdin:
        print(json.dumps(read(normalizer, json.loads(line))))


if __name__ == "__main__":
    main()
