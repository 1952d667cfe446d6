"""Has Relay decide by dynamic sampling contexts, a line of JSON each. Prints its decision; `null` where it reads none."""

import json
import sys

from sentry_relay.processing import run_dynamic_sampling


def rule(number, share, inner):
    condition = {"op": "and", "inner": inner}
    value = {"type": "sampleRate", "value": share}
    return {"type": "trace", "id": number, "active": True, "condition": condition, "samplingValue": value}


def is_like(name, pattern):
    return {"op": "glob", "name": name, "value": [pattern]}


def configuration(rules):
    return json.dumps({"version": 2, "rules": [], "rulesV2": rules, "mode": "received"})


# The shares depend on what only the dynamic sampling context says. The last rule takes all other traces.
OF_HEAD = configuration(
    [
        rule(1, 0.2, [is_like("trace.release", "*@1"), is_like("trace.transaction", "*relay*")]),
        rule(2, 0.3, [is_like("trace.environment", "demo")]),
        rule(3, 0.4, [is_like("trace.release", "*")]),
        rule(4, 0.5, []),
    ]
)
OF_SERVICE = configuration([])
# Relay needs an event, but no rule is about it.
EVENT = json.dumps({"type": "transaction"})


def main():
    for line in sys.stdin:
        result = run_dynamic_sampling(OF_SERVICE, OF_HEAD, line, EVENT)
        print(json.dumps(result["sampling_match"]))


if __name__ == "__main__":
    main()
