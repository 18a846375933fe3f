"""confluent-kafka (librdkafka): produce, consume in a group, a transaction, administration."""

import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic
from steps import PARTITIONS, RECORDS, all_read, arguments, step, topic

COMMON = {"bootstrap.servers": arguments["bootstrap"], "security.protocol": arguments["protocol"]}
for name, key in (("sasl.mechanism", "mechanism"), ("sasl.username", "user"), ("sasl.password", "password"),
                  ("ssl.ca.location", "ca"), ("ssl.certificate.location", "certificate"), ("ssl.key.location", "key")):
    if arguments.get(key):
        COMMON[name] = arguments[key]
if arguments.get("mechanism") == "OAUTHBEARER":
    del COMMON["sasl.username"], COMMON["sasl.password"]
    COMMON |= {"enable.sasl.oauthbearer.unsecure.jwt": "true", "sasl.oauthbearer.config": f"principal={arguments['user']}"}
admin = AdminClient(COMMON)


def done(futures):
    for future in futures.values():
        future.result(30)


def create():
    done(admin.create_topics([NewTopic(topic, PARTITIONS, 3)]))


def produce(**more):
    failed = []
    producer = Producer({**COMMON, "acks": "all", **more})
    for number in range(RECORDS):
        producer.produce(topic, f"v{number}", f"k{number}", on_delivery=lambda error, _: error and failed.append(error))
        producer.poll(0)
    assert not producer.flush(60) and not failed, failed[:2]


def consume(group, count, **more):
    consumer = Consumer({**COMMON, "group.id": f"{topic}-{group}", "auto.offset.reset": "earliest",
                         "enable.auto.commit": False, **more})
    consumer.subscribe([topic])
    seen, end = set(), time.monotonic() + 60
    while len(seen) < count and time.monotonic() < end:
        record = consumer.poll(0.5)
        if record is not None and not record.error():
            seen.add((record.partition(), record.offset()))
    consumer.commit(asynchronous=False)
    consumer.close()
    all_read(seen, count)


def transaction():
    producer = Producer({**COMMON, "transactional.id": f"{topic}-x"})
    producer.init_transactions(30)
    producer.begin_transaction()
    for number in range(RECORDS):
        producer.produce(topic, f"x{number}", f"k{number}")
    producer.commit_transaction(30)
    producer.begin_transaction()
    producer.produce(topic, "aborted")
    producer.flush(30)
    producer.abort_transaction(30)
    consume("committed", 3 * RECORDS, **{"isolation.level": "read_committed"})


def configurations():
    kinds = [ConfigResource(ConfigResource.Type.TOPIC, topic),
             *(ConfigResource(ConfigResource.Type.BROKER, str(number)) for number in (1, 2, 3))]
    for resource in kinds:
        done(admin.describe_configs([resource]))


step("metadata", lambda: admin.list_topics(timeout=30))
step("create a topic", create)
step("produce", produce)
step("produce, idempotent, zstd", lambda: produce(**{"enable.idempotence": True, "compression.type": "zstd"}))
step("consume in a group", lambda: consume("group", 2 * RECORDS))
step("transaction", transaction)
step("describe configurations", configurations)
step("add a partition", lambda: done(admin.create_partitions([NewPartitions(topic, PARTITIONS + 1)])))
if hasattr(admin, "delete_records"):
    step("delete records", lambda: done(admin.delete_records([TopicPartition(topic, 0, 1)])))
step("delete the topic", lambda: done(admin.delete_topics([topic])))
