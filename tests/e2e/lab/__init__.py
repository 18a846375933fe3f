"""The laboratory of the end-to-end tests: three network namespaces, a real Kafka cluster, clients, kferry.

    clients  10.77.1.2 ── 10.77.1.1  middle  10.77.2.1 ── 10.77.2.2..  brokers

Nothing is forwarded between the two sides: a client reaches a broker through a proxy in the middle or not at
all, and whatever else it dials is seen (dials.py).
"""
