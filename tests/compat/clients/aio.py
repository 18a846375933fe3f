"""aiokafka: produce, consume in a group, a transaction, administration."""

import asyncio
import ssl
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from steps import PARTITIONS, RECORDS, all_read, arguments, async_step, topic

COMMON = {"bootstrap_servers": arguments["bootstrap"], "security_protocol": arguments["protocol"]}
for name, key in (("sasl_mechanism", "mechanism"), ("sasl_plain_username", "user"), ("sasl_plain_password", "password")):
    if arguments.get(key):
        COMMON[name] = arguments[key]
if arguments.get("ca"):
    COMMON["ssl_context"] = ssl.create_default_context(cafile=arguments["ca"])
    if arguments.get("certificate"):
        COMMON["ssl_context"].load_cert_chain(arguments["certificate"], arguments["key"])


async def produce(**more):
    async with AIOKafkaProducer(**COMMON, acks="all", **more) as producer:
        sent = [await producer.send(topic, key=f"k{number}".encode(), value=f"v{number}".encode())
                for number in range(RECORDS)]
        await asyncio.gather(*sent)


async def consume(group, count, **more):
    seen, end = set(), time.monotonic() + 60
    async with AIOKafkaConsumer(topic, **COMMON, group_id=f"{topic}-{group}", auto_offset_reset="earliest",
                                enable_auto_commit=False, **more) as consumer:
        while len(seen) < count and time.monotonic() < end:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                seen |= {(record.partition, record.offset) for record in records}
        await consumer.commit()
    all_read(seen, count)


async def transaction():
    async with AIOKafkaProducer(**COMMON, transactional_id=f"{topic}-x") as producer:
        async with producer.transaction():
            for number in range(RECORDS):
                await producer.send(topic, key=f"k{number}".encode(), value=f"x{number}".encode())
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"aborted")
        await producer.abort_transaction()
    await consume("committed", 3 * RECORDS, isolation_level="read_committed")


async def main():
    admin = AIOKafkaAdminClient(**COMMON)
    await async_step("metadata", admin.start)
    await async_step("create a topic", lambda: admin.create_topics([NewTopic(topic, PARTITIONS, 3)]))
    await async_step("produce", produce)
    await async_step("produce, idempotent, gzip", lambda: produce(enable_idempotence=True, compression_type="gzip"))
    await async_step("consume in a group", lambda: consume("group", 2 * RECORDS))
    await async_step("transaction", transaction)
    await async_step("delete the topic", lambda: admin.delete_topics([topic]))
    await admin.close()


asyncio.run(main())
