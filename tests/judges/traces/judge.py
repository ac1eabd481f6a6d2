"""A receiver of OTLP traces over HTTP that shares no code with oktabus: OpenTelemetry's own messages decode what arrives.

    python3 judge.py PORT          # prints each span of each request as one JSON line
    python3 judge.py PORT hang     # takes requests and never answers

A request that is not as OTLP over HTTP demands is answered with 400, and printed as {"refused": why}.
"""

import http.server
import json
import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / ".tools/judges-traces-python/python"))

from google.protobuf.unknown_fields import UnknownFieldSet  # noqa: E402
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service  # noqa: E402
from opentelemetry.proto.trace.v1 import trace_pb2 as trace  # noqa: E402


def main():
    port, *mode = sys.argv[1:]
    Receiver.hangs = mode == ["hang"]
    http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Receiver).serve_forever()


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hangs = False

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.hangs:
            say({"hangs": True})
            threading.Event().wait()
        try:
            lines = list(spans(self, body))
        except Exception as error:
            say({"refused": str(error)})
            self.send_response(400)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        for line in lines:
            say(line)
        answer = service.ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def spans(request, body):
    """The spans of a request, which must be as the specification has it."""
    demand(request.path == "/v1/traces", f"the path is {request.path}")
    demand(request.headers["Content-Type"] == "application/x-protobuf", "the media type is not that of protobuf")
    message = service.ExportTraceServiceRequest()
    message.ParseFromString(body)
    demand(len(message.resource_spans) == 1, "there is not one resource")
    for of_resource in message.resource_spans:
        resource = attributes(of_resource.resource.attributes)
        demand("service.name" in resource, "the resource has no service.name")
        for of_scope in of_resource.scope_spans:
            demand(of_scope.scope.name == "oktabus", "the scope is not named")
            for span in of_scope.spans:
                known(span)
                yield as_json(span, resource, request.headers.get("Authorization"))


def as_json(span, resource, authorization):
    demand(len(span.trace_id) == 16 and any(span.trace_id), "the id of the trace is none")
    demand(len(span.span_id) == 8 and any(span.span_id), "the id of the span is none")
    demand(len(span.parent_span_id) in (0, 8), "the id of the parent is none")
    demand(span.name != "" and span.kind != trace.Span.SPAN_KIND_UNSPECIFIED, "the span has no name or kind")
    demand(0 < span.start_time_unix_nano <= span.end_time_unix_nano, "the span ends before it begins")
    demand(span.flags == 1, "the span is not of a sampled trace")
    return {
        "trace": span.trace_id.hex(),
        "span": span.span_id.hex(),
        "parent": span.parent_span_id.hex(),
        "name": span.name,
        "kind": trace.Span.SpanKind.Name(span.kind),
        "start": span.start_time_unix_nano,
        "end": span.end_time_unix_nano,
        "attributes": attributes(span.attributes),
        "events": [event.name for event in span.events],
        "links": [link.trace_id.hex() for link in span.links],
        "error": span.status.message if span.status.code == trace.Status.STATUS_CODE_ERROR else None,
        "resource": resource,
        "authorization": authorization,
    }


def known(span):
    """Fields that the specification does not have."""
    for message in [span, span.status, *span.attributes, *span.events, *span.links]:
        demand(len(UnknownFieldSet(message)) == 0, f"{type(message).__name__} has unknown fields")


def attributes(pairs):
    values = {}
    for pair in pairs:
        demand(pair.key not in values, f"the attribute {pair.key} is there twice")
        values[pair.key] = getattr(pair.value, pair.value.WhichOneof("value"))
    return values


def demand(holds, why):
    if not holds:
        raise ValueError(why)


OUTPUT = threading.Lock()


def say(line):
    with OUTPUT:
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
