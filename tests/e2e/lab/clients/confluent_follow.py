"""librdkafka with running clients: confluent_follow.py BOOTSTRAP TOPIC [KEY=VALUE]..., until stdin ends.

One producer and one consumer that ask for metadata once an hour, and say what happens as lab/java/Driver.java does.
"""

import logging
import select
import sys
import threading
import time

import confluent_kafka

bootstrap, topic = sys.argv[1:3]
common = {
    "bootstrap.servers": bootstrap,
    "metadata.max.age.ms": 3_600_000,
    "topic.metadata.refresh.interval.ms": 3_600_000,
    **dict(word.split("=", 1) for word in sys.argv[3:]),
}
said = threading.Lock()


def say(*words):
    with said:
        print(*words, flush=True)


class Said(logging.Handler):
    """librdkafka's own lines, which would cut ours in two if it wrote them itself."""

    def emit(self, record):
        say("librdkafka", record.getMessage())


log = logging.getLogger("librdkafka")
log.addHandler(Said())


def consume():
    consumer = confluent_kafka.Consumer({**common, "group.id": topic, "auto.offset.reset": "earliest"}, logger=log)
    consumer.subscribe([topic])
    while True:
        message = consumer.poll(1)
        if message is not None and message.error():
            say("consumer error", message.error())
        elif message is not None:
            say("consumer got", message.value().decode(), message.partition(), message.offset())


def delivered(number):
    def tell(problem, message):
        if problem:
            say("producer lost", number, problem)
        else:
            say("producer acked", number, message.partition(), message.offset())

    return tell


threading.Thread(target=consume, daemon=True).start()
producer = confluent_kafka.Producer({**common, "acks": "all", "linger.ms": 0}, logger=log)
number = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    producer.produce(topic, f"producer-{number}", partition=number % 3, on_delivery=delivered(number))
    number += 1
    producer.poll(0)
    time.sleep(0.005)
assert producer.flush(30) == 0
say("producer ended")
time.sleep(60)  # the consumer goes on until this process is ended
