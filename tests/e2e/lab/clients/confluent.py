"""librdkafka by its Python binding: confluent.py BOOTSTRAP TOPIC COUNT [USER PASSWORD] [KEY=VALUE]...; SCRAM-SHA-512
with a user, and further settings of the client's.

Prints "got COUNT" when every record came back.
"""

import sys
import time

import confluent_kafka

bootstrap, topic, count, *login = [word for word in sys.argv[1:] if "=" not in word]
further = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
common = {"bootstrap.servers": bootstrap}
if login:
    common |= {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanisms": "SCRAM-SHA-512",
        "sasl.username": login[0],
        "sasl.password": login[1],
    }
common |= further
failed = []
producer = confluent_kafka.Producer({**common, "acks": "all", "enable.idempotence": True})
for number in range(int(count)):
    producer.produce(topic, str(number), on_delivery=lambda problem, _: failed.append(problem) if problem else None)
    producer.poll(0)
assert producer.flush(30) == 0 and not failed, failed[:3]
consumer = confluent_kafka.Consumer({**common, "group.id": topic, "auto.offset.reset": "earliest"})
consumer.subscribe([topic])
seen, deadline = set(), time.monotonic() + 40
while len(seen) < int(count) and time.monotonic() < deadline:
    message = consumer.poll(1)
    if message is not None and not message.error():
        seen.add(message.value())
consumer.close()
print("librdkafka", confluent_kafka.libversion()[0], "got", len(seen))
