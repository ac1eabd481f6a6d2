"""Reads what was published with clients that share no code with oktabus, and judges it by the specifications.

    python3 judge.py kafka BOOTSTRAP TOPIC...    # prints each record of the topics
    python3 judge.py nats URL STREAM             # prints each message of the stream
    python3 judge.py schema FILE < lines         # judges lines, one JSON object each, by the JSON Schema in FILE
    python3 judge.py refuses FILE < lines        # the same, but no line may be valid

A message is printed as one JSON object a line: `address`, `key` (Kafka), `headers` as they travelled, `value` as text, and
`event`, the CloudEvents attributes as PyPI's cloudevents made them of it. Ends with 1 and says why if anything is not what
the CloudEvents specification or its bindings demand.
"""

import asyncio
import datetime
import json
import pathlib
import re
import sys
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / ".tools/judges-messages-python/python"))

from cloudevents.core.bindings import kafka as kafka_binding  # noqa: E402
from cloudevents.core.formats.json import JSONFormat  # noqa: E402
from cloudevents.core.v1.event import CloudEvent  # noqa: E402

PATIENCE_S = 30
STRUCTURED = "application/cloudevents"
# CloudEvents 1.0.2, 3.1: letters and digits, no more than 20 characters.
NAME = re.compile(r"[a-z0-9]{1,20}")


def main():
    mode, *arguments = sys.argv[1:]
    modes = {"kafka": kafka, "nats": nats, "schema": schema, "refuses": refuses}
    modes[mode](*arguments)


def kafka(bootstrap, *topics):
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "judge", "enable.auto.commit": False})
    for topic in topics:
        partitions = consumer.list_topics(topic, timeout=PATIENCE_S).topics[topic].partitions
        for partition in partitions:
            place = TopicPartition(topic, partition, OFFSET_BEGINNING)
            _, end = consumer.get_watermark_offsets(place, timeout=PATIENCE_S)
            consumer.assign([place])
            position = 0
            while position < end:
                record = consumer.poll(PATIENCE_S)
                if record is None or record.error():
                    sys.exit(f"{topic}: {record and record.error()}")
                judge_record(record)
                position = record.offset() + 1
    consumer.close()


def judge_record(record):
    headers = dict(record.headers() or [])
    if len(headers) != len(record.headers() or []):
        sys.exit(f"a header stands twice: {record.headers()}")
    message = kafka_binding.KafkaMessage(headers=headers, key=record.key(), value=record.value())
    # The binding tells the modes apart by the content type, whatever its case.
    is_structured = headers["content-type"].lower().startswith(STRUCTURED.encode())
    read = kafka_binding.from_structured if is_structured else kafka_binding.from_binary
    event = read(message, JSONFormat())
    if not is_structured and "ce_datacontenttype" in headers:
        sys.exit("in binary mode datacontenttype travels as content-type alone")
    tell(record.topic(), record.key(), headers, record.value(), event)


def nats(url, stream):
    asyncio.run(read_stream(url, stream))


async def read_stream(url, stream):
    from nats import connect

    client = await connect(url)
    jetstream = client.jetstream()
    if (await jetstream.stream_info(stream)).state.messages:
        messages = await jetstream.subscribe(">", stream=stream, ordered_consumer=True)
        pending = 1
        while pending:
            message = await messages.next_msg(timeout=PATIENCE_S)
            judge_message(message)
            pending = message.metadata.num_pending
    await client.close()


def judge_message(message):
    headers = dict(message.headers or {})
    if headers.get("Content-Type", "").lower().startswith(STRUCTURED):
        event = JSONFormat().read(None, message.data)
    else:
        attributes = {}
        for name, value in headers.items():
            if not name.startswith("ce-"):
                continue
            # The NATS binding lets nothing but these travel as it is.
            if re.search(r'[^\x21-\x7e]|"', value) or re.search("%(?![0-9A-F]{2})", value):
                sys.exit(f"{name}: {value!r} is not percent-encoded as the binding demands")
            attributes[name.removeprefix("ce-")] = urllib.parse.unquote(value, errors="strict")
        if "time" in attributes:
            attributes["time"] = datetime.datetime.fromisoformat(attributes["time"])
        event = CloudEvent(attributes, JSONFormat().read_data(message.data, attributes.get("datacontenttype")))
    tell(message.subject, None, headers, message.data, event)


def tell(address, key, headers, value, event):
    attributes = dict(event.get_attributes())
    is_structured = "ce_id" not in headers and "ce-id" not in headers
    sent = json.loads(value) if is_structured else {name[3:] for name in headers}
    if "time" not in sent:
        # The library puts the present where there is no time.
        attributes.pop("time", None)
    for name, attribute in attributes.items():
        if not NAME.fullmatch(name):
            sys.exit(f"{name} cannot be the name of an attribute")
        # CloudEvents 1.0.2, 3.2: no control characters, no surrogates, no noncharacters.
        if re.search("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]", str(attribute)):
            sys.exit(f"{name}: {attribute!r} has what CloudEvents forbids")
    if "dataschema" in attributes and not urllib.parse.urlparse(attributes["dataschema"]).scheme:
        sys.exit("dataschema is no absolute URI")
    if isinstance(attributes.get("time"), datetime.datetime):
        attributes["time"] = attributes["time"].isoformat()
    text = lambda of: of.decode() if isinstance(of, bytes) else of  # noqa: E731
    told = {
        "address": address,
        "key": text(key),
        "headers": {name: text(header) for name, header in headers.items()},
        "value": text(value),
        "event": attributes,
        "data": event.get_data(),
    }
    print(json.dumps(told))


def validator_of(path):
    from jsonschema import Draft202012Validator, FormatChecker

    document = json.loads(pathlib.Path(path).read_text())
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document, format_checker=FormatChecker())


def refuses(path):
    validator = validator_of(path)
    lines = sys.stdin.readlines()
    for line in lines:
        if validator.is_valid(json.loads(line)):
            sys.exit(f"the schema takes {line[:300]}")
    print(json.dumps({"refused": len(lines)}))


def schema(path):
    validator = validator_of(path)
    count = 0
    for line in sys.stdin:
        count += 1
        for error in validator.iter_errors(json.loads(line)):
            causes = "; ".join(f"{cause.json_path}: {cause.message[:200]}" for cause in error.context or [])
            sys.exit(f"{error.json_path}: {error.message[:300]} ({causes})")
    print(json.dumps({"valid": count}))


main()
