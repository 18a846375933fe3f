"""A real Kafka cluster: three combined KRaft nodes in the brokers' namespace.

Every node listens on its own address (namespaces.broker_address) and advertises it:

    PLAIN 9092   PLAINTEXT
    SASL 9093    SASL_PLAINTEXT: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER (unsecured tokens)
    REAUTH 9094  the same, and sessions must authenticate again every few seconds
    INTERNAL 9095, CONTROLLER 9096: the cluster's own

and, when the cluster has an authority (certificates.py):

    TLS 9097, MUTUAL 9098             SSL; MUTUAL requires a client certificate
    SASL_TLS 9099, SASL_MUTUAL 9100   the same as SASL_SSL, with the mechanisms above

The nodes' stores are PEM, PKCS12 and JKS, in turn.
"""

import concurrent.futures
import os
import shutil
import signal

from . import certificates, kafka_jars, wire
from .namespaces import broker_address
from .processes import Process, run

CLUSTER_ID = "kferryEndToEndCluster0"
USER, PASSWORD = "alice", "alice-secret"
# Java clients authenticate again at 85-95 % of this.
REAUTHENTICATE_MS = 3000
PLAIN_PORT, SASL_PORT, REAUTH_PORT, INTERNAL_PORT, CONTROLLER_PORT = 9092, 9093, 9094, 9095, 9096
TLS_PORT, MUTUAL_PORT, SASL_TLS_PORT, SASL_MUTUAL_PORT = 9097, 9098, 9099, 9100
# Listeners with TLS: (name, port, protocol, whether they ask for a client certificate).
_TLS_LISTENERS = [
    ("TLS", TLS_PORT, "SSL", "none"),
    ("MUTUAL", MUTUAL_PORT, "SSL", "required"),
    ("SASLTLS", SASL_TLS_PORT, "SASL_SSL", "none"),
    ("SASLMUTUAL", SASL_MUTUAL_PORT, "SASL_SSL", "required"),
]
_READY = r"Kafka Server started"
_LOGIN = "org.apache.kafka.common.security"


def jaas(mechanism, user=USER, password=PASSWORD):
    """A client's sasl.jaas.config."""
    if mechanism == "PLAIN":
        return f'{_LOGIN}.plain.PlainLoginModule required username="{user}" password="{password}";'
    if mechanism.startswith("SCRAM"):
        return f'{_LOGIN}.scram.ScramLoginModule required username="{user}" password="{password}";'
    return f'{_LOGIN}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="{user}";'


def _sasl_lines(listener):
    prefix = f"listener.name.{listener}"
    plain = jaas("PLAIN").rstrip(";") + f' user_{USER}="{PASSWORD}";'
    scram = f"{_LOGIN}.scram.ScramLoginModule required;"
    token = f"{_LOGIN}.oauthbearer.OAuthBearerLoginModule required;"
    unsecured = f"{_LOGIN}.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler"
    return [
        f"{prefix}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
        f"{prefix}.plain.sasl.jaas.config={plain}",
        f"{prefix}.scram-sha-256.sasl.jaas.config={scram}",
        f"{prefix}.scram-sha-512.sasl.jaas.config={scram}",
        f"{prefix}.oauthbearer.sasl.jaas.config={token}",
        f"{prefix}.oauthbearer.sasl.server.callback.handler.class={unsecured}",
    ]


def store_properties(certificate, authority, kind):
    """A Java client's or broker's stores, as files of that kind: PEM, PKCS12 or JKS. `certificate` may be None."""
    trust, key = {
        "PEM": (authority.certificate, certificate and certificate.pem()),
        "PKCS12": (authority.pkcs12(), certificate and certificate.pkcs12()),
        "JKS": (authority.jks(), certificate and certificate.jks()),
    }[kind]
    properties = {"ssl.truststore.location": trust, "ssl.truststore.type": kind}
    if certificate:
        properties |= {"ssl.keystore.location": key, "ssl.keystore.type": kind}
    if kind != "PEM":
        properties["ssl.truststore.password"] = certificates.PASSWORD
        if certificate:
            properties |= {"ssl.keystore.password": certificates.PASSWORD, "ssl.key.password": certificates.PASSWORD}
    return properties


class Broker:
    """One node: broker and controller. Its address on the listeners for clients may change between starts."""

    def __init__(self, cluster, node_id, place):
        self.cluster, self.node_id, self.place = cluster, node_id, place
        self.home = broker_address(place)
        self.host, self.port = self.home, PLAIN_PORT
        self.directory = cluster.directory / f"node{node_id}"
        self.log_path = cluster.directory / f"broker{node_id}.log"
        self.process = None
        self._configure()

    def address(self, port=None):
        return f"{self.host}:{port or self.port}"

    def _configure(self):
        voters = ",".join(
            f"{node_id}@{broker_address(place)}:{CONTROLLER_PORT}" for node_id, place in self.cluster.places.items()
        )
        tls_listeners = _TLS_LISTENERS if self.cluster.authority else []
        lines = [
            "process.roles=broker,controller",
            f"node.id={self.node_id}",
            f"controller.quorum.voters={voters}",
            f"listeners=PLAIN://{self.host}:{self.port},SASL://{self.host}:{SASL_PORT}"
            + "".join(f",{name}://{self.host}:{port}" for name, port, _, _ in tls_listeners)
            + f",REAUTH://{self.host}:{REAUTH_PORT},INTERNAL://{self.home}:{INTERNAL_PORT}"
            f",CONTROLLER://{self.home}:{CONTROLLER_PORT}",
            "listener.security.protocol.map=PLAIN:PLAINTEXT,SASL:SASL_PLAINTEXT,REAUTH:SASL_PLAINTEXT"
            ",INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT"
            + "".join(f",{name}:{protocol}" for name, _, protocol, _ in tls_listeners),
            "inter.broker.listener.name=INTERNAL",
            "controller.listener.names=CONTROLLER",
            f"log.dirs={self.directory}",
            "num.partitions=3",
            "default.replication.factor=3",
            "min.insync.replicas=1",
            "group.initial.rebalance.delay.ms=0",
            "log.cleaner.dedupe.buffer.size=10485760",
            "broker.session.timeout.ms=6000",
            "broker.heartbeat.interval.ms=500",
            "controlled.shutdown.max.retries=3",
            "auto.create.topics.enable=false",
            "unclean.leader.election.enable=false",
            "share.coordinator.state.topic.num.partitions=3",
            "share.coordinator.state.topic.replication.factor=3",
            "share.coordinator.state.topic.min.isr=1",
            "group.share.record.lock.duration.ms=15000",
            "num.io.threads=4",
            "num.network.threads=2",
            "message.max.bytes=10485760",
            *_sasl_lines("sasl"),
            *_sasl_lines("reauth"),
            f"listener.name.reauth.connections.max.reauth.ms={REAUTHENTICATE_MS}",
        ]
        replicas = min(3, len(self.cluster.places))
        for topic in ("offsets.topic", "transaction.state.log"):
            lines += [f"{topic}.num.partitions=3", f"{topic}.replication.factor={replicas}"]
        lines.append("transaction.state.log.min.isr=1")
        if self.cluster.authority:
            lines += self._tls_lines()
        self.configuration = self.cluster.directory / f"node{self.node_id}.properties"
        self.configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _tls_lines(self):
        kind = ("PEM", "PKCS12", "JKS")[self.place % 3]
        authority = self.cluster.authority
        own = authority.issue(f"broker{self.place}", f"IP:{self.home},DNS:broker{self.node_id}.lab")
        lines = [f"{key}={value}" for key, value in store_properties(own, authority, kind).items()]
        for name, _, protocol, client_certificate in _TLS_LISTENERS:
            lines.append(f"listener.name.{name.lower()}.ssl.client.auth={client_certificate}")
            lines += _sasl_lines(name.lower()) if protocol == "SASL_SSL" else []
        return lines

    def format(self):
        scram = [f"{name}=[name={USER},password={PASSWORD}]" for name in ("SCRAM-SHA-512", "SCRAM-SHA-256")]
        words = ["kafka.tools.StorageTool", "format", "-t", self.cluster.cluster_id, "-c", self.configuration]
        for entry in scram:
            words += ["--add-scram", entry]
        done = run(kafka_jars.java("client", words), self.cluster.directory / f"format{self.node_id}.log")
        assert done.code == 0, done

    def begin_start(self, more=()):
        """Starts the process; `wait_ready` follows. On the main thread."""
        command = kafka_jars.java("broker", ["kafka.Kafka", self.configuration], "320m", more)
        self.process = Process(command, self.log_path, self.cluster.network.brokers)

    def wait_ready(self, timeout=60):
        self.process.wait_for_line(_READY, timeout)

    def start(self):
        self.begin_start()
        self.wait_ready()

    def move(self, host=None, port=None):
        """Another address for clients from the next start on."""
        self.host, self.port = host or self.host, port or self.port
        self._configure()

    def move_home(self):
        self.move(self.home, PLAIN_PORT)

    def kill(self):
        self.process.kill()

    def stop(self):
        return self.process.stop(30)

    def assert_answers(self, connection):
        """At the other end of a raw connection is this very broker: it shows its own directory and no other's."""
        answer = wire.ask(connection, wire.log_dirs_request(7))
        assert answer, f"broker {self.node_id} was expected; the connection was closed"
        shown = [b.node_id for b in self.cluster.brokers.values() if str(b.directory).encode() in answer[1]]
        assert shown == [self.node_id], answer[1][:200]

    def pause(self):
        """Stops it from running at all; its sockets stay open and silent."""
        self.process.signal(signal.SIGSTOP)

    def resume(self):
        self.process.signal(signal.SIGCONT)


class Cluster:
    """Nodes with the given ids, at the broker addresses from `first_place` on. `start` returns when all are ready.

    With an `authority` they have listeners with TLS, too.
    """

    def __init__(
        self, network, directory, node_ids=(1, 2, 3), cluster_id=CLUSTER_ID, first_place=0, authority=None
    ):
        self.network, self.directory, self.cluster_id, self.authority = network, directory, cluster_id, authority
        self.places = {node_id: first_place + number for number, node_id in enumerate(node_ids)}
        directory.mkdir(parents=True, exist_ok=True)
        self.brokers = {node_id: Broker(self, node_id, place) for node_id, place in self.places.items()}

    def bootstrap(self, port=None):
        return ",".join(broker.address(port) for broker in self.brokers.values())

    def start(self):
        with concurrent.futures.ThreadPoolExecutor(len(self.brokers)) as pool:
            for done in [pool.submit(broker.format) for broker in self.brokers.values()]:
                done.result()
        for broker in self.brokers.values():
            broker.begin_start()
        for broker in self.brokers.values():
            broker.wait_ready()

    def kill(self):
        for broker in self.brokers.values():
            if broker.process:
                broker.process.kill()


def prepare_archive(network, directory):
    """Makes the brokers' class data archive if there is none: a node that runs once writes it as it stops."""
    archive = kafka_jars.archive_path("broker")
    if archive.exists():
        return
    broker = Cluster(network, directory, node_ids=(1,)).brokers[1]
    broker.format()
    fresh = directory / "broker.jsa"
    broker.begin_start([f"-XX:ArchiveClassesAtExit={fresh}"])
    broker.wait_ready()
    broker.stop()
    # Whole or not at all, whatever else runs.
    near = archive.with_suffix(f".{os.getpid()}")
    shutil.move(fresh, near)
    near.rename(archive)
