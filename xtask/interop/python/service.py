"""A WSGI service with Sentry's SDK for Python, which instruments `http.client` by itself."""

import argparse
import json
import urllib.parse
import urllib.request
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import sentry_sdk
from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware

PARENT = "_parent_span_id" if sentry_sdk.consts.VERSION.startswith("3.") else "parent_span_id"
HEADERS = ["sentry-trace", "baggage", "traceparent", "tracestate"]
# A proxy from the environment would not reach this machine's loopback addresses.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def init(options):
    sampler = None
    if "sampler_answers" in options:
        sampler = lambda context: options["sampler_answers"]
    elif "sampler_inherits_or" in options:
        sampler = lambda context: inherit(context, options["sampler_inherits_or"])
    sentry_sdk.init(
        dsn=options.get("dsn"),
        release=options.get("release"),
        environment=options.get("environment"),
        org_id=str(options["org_id"]) if "org_id" in options else None,
        traces_sample_rate=options.get("traces_sample_rate"),
        traces_sampler=sampler,
        strict_trace_continuation=options.get("strict_trace_continuation", False),
    )


def inherit(context, fallback):
    """What the SDK's documentation recommends for a sampler that follows the parent."""
    parent = context["parent_sampled"]
    return fallback if parent is None else float(parent)


# Pages on other origins may call, with their trace.
CORS = [("Access-Control-Allow-Origin", "*"), ("Access-Control-Allow-Headers", "sentry-trace, baggage")]


def application(environ, start_response):
    if environ["REQUEST_METHOD"] == "OPTIONS":
        start_response("204 No Content", list(CORS))
        return []
    span = sentry_sdk.get_current_span()
    query = urllib.parse.parse_qs(environ["QUERY_STRING"])
    received = {}
    for name in HEADERS:
        value = environ.get("HTTP_" + name.upper().replace("-", "_"))
        if value is not None:
            received[name] = value
    reply = {
        "service": "sentry-python",
        "received": received,
        "trace_id": span and span.trace_id,
        "span_id": span and span.span_id,
        # Version 3 has it in a private attribute.
        "parent_span_id": span and getattr(span, PARENT, None),
        "sampled": span and span.sampled,
        "next": None,
    }
    if "next" in query:
        with OPENER.open(query["next"][0], timeout=30) as response:
            reply["next"] = json.load(response)
    start_response("200 OK", [("Content-Type", "application/json"), *CORS])
    return [json.dumps(reply).encode()]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Handler(WSGIRequestHandler):
    def log_message(self, *arguments):
        pass


def main():
    parser = argparse.ArgumentParser(description="A service with sentry-sdk")
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--options", default="{}")
    arguments = parser.parse_args()
    init(json.loads(arguments.options))
    host, port = arguments.listen.rsplit(":", 1)
    with make_server(host, int(port), SentryWsgiMiddleware(application), Server, Handler) as server:
        print(f"sentry-python listening on http://{host}:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
