"""Reads headers with the functions of Sentry's SDK for Python, and writes them again: a line of JSON each."""

import json
import sys

from sentry_sdk.tracing_utils import Baggage, extract_sentrytrace_data


def read_sentry_trace(value):
    read = extract_sentrytrace_data(value)
    if not read:
        return {"values": {}, "written": ""}
    trace_id, span_id, sampled = read["trace_id"], read["parent_span_id"], read["parent_sampled"]
    values = {}
    if trace_id:
        values["trace_id"] = trace_id
    if span_id:
        values["span_id"] = span_id
    if sampled is not None:
        values["sampled"] = "1" if sampled else "0"
    # As `Span.to_traceparent` does it.
    written = "-".join(values.values()) if trace_id and span_id else ""
    return {"values": values, "written": written}


def read_baggage(value):
    read = Baggage.from_incoming_header(value)
    return {"values": read.dynamic_sampling_context(), "written": read.serialize()}


def main():
    for line in sys.stdin:
        header = json.loads(line)
        read = read_baggage if header["name"] == "baggage" else read_sentry_trace
        print(json.dumps(read(header["value"])))


if __name__ == "__main__":
    main()
