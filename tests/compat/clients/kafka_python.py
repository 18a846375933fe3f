"""kafka-python: produce, consume in a group, administration."""

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
from steps import PARTITIONS, RECORDS, all_read, arguments, step, topic

COMMON = {"bootstrap_servers": arguments["bootstrap"], "security_protocol": arguments["protocol"]}
for name, key in (("sasl_mechanism", "mechanism"), ("sasl_plain_username", "user"), ("sasl_plain_password", "password"),
                  ("ssl_cafile", "ca"), ("ssl_certfile", "certificate"), ("ssl_keyfile", "key")):
    if arguments.get(key):
        COMMON[name] = arguments[key]


def produce(**more):
    producer = KafkaProducer(**COMMON, acks="all", **more)
    futures = [producer.send(topic, key=f"k{number}".encode(), value=f"v{number}".encode()) for number in range(RECORDS)]
    producer.flush(60)
    for future in futures:
        future.get(1)
    producer.close()


def consume(count):
    consumer = KafkaConsumer(topic, **COMMON, group_id=f"{topic}-group", auto_offset_reset="earliest",
                             enable_auto_commit=False, consumer_timeout_ms=60000)
    seen = set()
    for record in consumer:
        seen.add((record.partition, record.offset))
        if len(seen) == count:
            break
    consumer.commit()
    consumer.close()
    all_read(seen, count)


def configurations():
    admin().describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic),
                              *(ConfigResource(ConfigResourceType.BROKER, str(number)) for number in (1, 2, 3))])


def admin():
    return KafkaAdminClient(**COMMON)


step("metadata", lambda: admin().list_topics())
step("create a topic", lambda: admin().create_topics([NewTopic(topic, PARTITIONS, 3)]))
step("produce", produce)
step("produce, gzip", lambda: produce(compression_type="gzip"))
step("consume in a group", lambda: consume(2 * RECORDS))
step("describe configurations", configurations)
step("delete the topic", lambda: admin().delete_topics([topic]))
