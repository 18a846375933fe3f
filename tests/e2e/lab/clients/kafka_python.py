"""kafka-python: kafka_python.py BOOTSTRAP TOPIC COUNT [USER PASSWORD] [KEY=VALUE]...; SCRAM-SHA-256 with a user, and
further settings of the client's.

Prints "got COUNT" when every record came back.
"""

import sys

import kafka

bootstrap, topic, count, *login = [word for word in sys.argv[1:] if "=" not in word]
further = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
common = {"bootstrap_servers": bootstrap}
if login:
    common |= {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": login[0],
        "sasl_plain_password": login[1],
    }
common |= further
producer = kafka.KafkaProducer(**common, acks="all")
sent = [producer.send(topic, str(number).encode()) for number in range(int(count))]
producer.flush(30)
assert all(record.succeeded() for record in sent)
producer.close()
consumer = kafka.KafkaConsumer(
    topic, **common, group_id=topic, auto_offset_reset="earliest", consumer_timeout_ms=20_000
)
seen = set()
for record in consumer:
    seen.add(record.value)
    if len(seen) == int(count):
        break
consumer.close()
print("kafka-python", kafka.__version__, "got", len(seen))
