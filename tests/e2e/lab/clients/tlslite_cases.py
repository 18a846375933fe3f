"""tlslite-ng as a client that breaks rules: tlslite_cases.py HOST PORT MUTUAL_PORT CERTIFICATE KEY ADDRESS..., with one
address to come from a case; MUTUAL_PORT requires that certificate.

Prints "CASE OUTCOME" for each: "answered" (a question asked afterwards was), "alert NAME", "ended" (in order),
"closed" (without a word), "reset", or "stuck".
"""

import socket
import struct
import sys

from tlslite import constants, errors
from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.constants import AlertDescription, CertificateType, ContentType, KeyUpdateMessageType
from tlslite.messages import (
    Certificate,
    CertificateVerify,
    ClientHello,
    ClientKeyExchange,
    Finished,
    Message,
    ServerHelloDone,
)

host, port, mutual_port, certificate_path, key_path, *addresses = sys.argv[1:]
QUESTION = struct.pack("!ihhih", 13, 18, 0, 7, 3) + b"raw"
PATIENCE_S = 6
FULL_RECORD = 1 << 14


def dial(where=port):
    made = socket.socket()
    made.settimeout(PATIENCE_S)
    made.bind((addresses.pop(0), 0))
    made.connect((host, int(where)))
    return made


def settings(version, **more):
    chosen = HandshakeSettings()
    chosen.minVersion = chosen.maxVersion = version
    for key, value in more.items():
        setattr(chosen, key, value)
    return chosen


def opened(version, record_size=None, **more):
    connection = TLSConnection(dial())
    if record_size:
        connection.recordSize = record_size
    connection.handshakeClientCert(settings=settings(version, **more))
    return connection


def asked(connection, pieces=None):
    """Asks in pieces of that size."""
    for at in range(0, len(QUESTION), pieces or len(QUESTION)):
        connection.write(QUESTION[at : at + (pieces or len(QUESTION))])
    answer = connection.read(min=8, max=8)
    if not answer:
        return "ended"
    return "answered" if answer[4:8] == struct.pack("!i", 7) else f"garbage {bytes(answer).hex()}"


def sent(connection, message, **more):
    for _ in connection._sendMsg(message, **more):
        pass


def raw(data, rounds=1):
    """Bytes instead of a handshake: what comes back."""
    with dial() as plain:
        received = b""
        try:
            for _ in range(rounds):
                plain.sendall(data)
            while piece := plain.recv(1 << 16):
                received += piece
        except TimeoutError:
            return "stuck"
        except ConnectionError:
            if not received:
                return "reset"
    while len(received) >= 7:
        if received[0] == ContentType.alert:
            return "alert " + AlertDescription.toStr(received[6])
        received = received[5 + struct.unpack("!H", received[3:5])[0] :]
    return "closed"


def record(kind, payload, size=None):
    return struct.pack("!BHH", kind, 0x0303, len(payload) if size is None else size) + payload


def hello(**more):
    """A whole TLS 1.2 ClientHello in one record, its parts replaced."""
    parts = {"version": b"\3\3", "random": bytes(range(32)), "session": b"\0", "ciphers": b"\0\2\xc0\x2b",
             "compression": b"\1\0", "extensions": struct.pack("!H", 22) + bytes.fromhex(
                 "000a00040002001700" "0d00040002040300" "0b00020100"), "rest": b"", **more}  # fmt: skip
    body = b"".join(parts.values())
    return record(ContentType.handshake, b"\1" + struct.pack("!I", len(body))[1:] + body)


def renegotiate(version):
    connection = opened(version)
    again = ClientHello().create((3, 3), bytearray(32), bytearray(), [0xC02B, 0x1301])
    sent(connection, again)
    return asked(connection)


def unsolicited(version, message):
    connection = opened(version)
    sent(connection, message)
    return asked(connection)


def update_keys(kind, times):
    connection = opened((3, 4))
    for _ in range(times):
        for _ in connection.send_keyupdate_request(kind):
            pass
    return asked(connection)


def oversized(version):
    connection = opened(version)
    layer = connection._recordLayer
    connection.recordSize = layer.send_record_limit = FULL_RECORD + 2000
    connection.write(bytes(FULL_RECORD + 1500))
    return asked(connection)


def empty_records(version, times):
    connection = opened(version)
    for _ in range(times):
        sent(connection, Message(ContentType.application_data, bytearray()))
    return asked(connection)


def half_closed(version):
    connection = opened(version)
    connection.closeSocket = False
    connection.write(QUESTION)
    connection.close()
    return "answered" if connection.sock.recv(1) else "closed"


def damaged(version):
    connection = opened(version)
    connection.sock.sendall(record(ContentType.application_data, bytes(range(64))))
    return asked(connection)


def own_chain():
    chain = X509CertChain()
    with open(certificate_path, encoding="ascii") as file:
        chain.parsePemList(file.read())
    return chain


def unasked(version, chain):
    """With a certificate message where none was asked for."""
    connection = TLSConnection(dial())
    due = [Certificate(CertificateType.x509, version).create(chain, b"")]
    sends = connection._sendMsg

    def sends_more(message, *words, **more):
        if due and isinstance(message, ClientKeyExchange if version < (3, 4) else Finished):
            yield from sends(due.pop())
        yield from sends(message, *words, **more)

    connection._sendMsg = sends_more
    connection.handshakeClientCert(settings=settings(version))
    assert not due
    return asked(connection)


def identified(version, proven=True):
    """With the client certificate that is due; unless `proven`, without the signature that shows whose it is."""
    connection = TLSConnection(dial(mutual_port))
    chain = own_chain()
    with open(key_path, encoding="ascii") as file:
        key = parsePEMKey(file.read(), private=True)
    if not proven:
        for name in ("_sendMsg", "_queue_message"):
            sends = getattr(connection, name)

            def skips(message, *words, sends=sends, **more):
                return iter(()) if isinstance(message, CertificateVerify) else sends(message, *words, **more)

            setattr(connection, name, skips)
    # It would compress the certificate unasked.
    connection.handshakeClientCert(chain, key, settings=settings(version, certificate_compression_send=[]))
    return asked(connection)


def signature(version):
    return CertificateVerify(version).create(bytearray(64), constants.SignatureScheme.ecdsa_secp256r1_sha256)


CASES = {
    "plain-1.2": lambda: asked(opened((3, 3))),
    "plain-1.3": lambda: asked(opened((3, 4))),
    "bytes-1.2": lambda: asked(opened((3, 3)), 1),
    "bytes-1.3": lambda: asked(opened((3, 4)), 1),
    # wolfSSL 5.5 cannot read a Finished of 1.2 that is split: 16 bytes are left whole.
    "split-handshake-1.2": lambda: asked(opened((3, 3), record_size=40)),
    "split-handshake-1.3": lambda: asked(opened((3, 4), record_size=7)),
    "retried-hello-1.3": lambda: asked(opened((3, 4), keyShares=["x448"])),
    "empty-records-1.2": lambda: empty_records((3, 3), 3),
    "empty-records-1.3": lambda: empty_records((3, 4), 3),
    "key-update-1.3": lambda: update_keys(KeyUpdateMessageType.update_not_requested, 1),
    "key-update-asked-1.3": lambda: update_keys(KeyUpdateMessageType.update_requested, 1),
    "key-update-of-no-kind-1.3": lambda: update_keys(9, 1),
    "renegotiation-1.2": lambda: renegotiate((3, 3)),
    "renegotiation-1.3": lambda: renegotiate((3, 4)),
    "finished-again-1.2": lambda: unsolicited((3, 3), Finished((3, 3)).create(bytearray(12))),
    "finished-again-1.3": lambda: unsolicited((3, 4), Finished((3, 4), 32).create(bytearray(32))),
    "hello-done-1.2": lambda: unsolicited((3, 3), ServerHelloDone().create()),
    "signature-1.3": lambda: unsolicited((3, 4), signature((3, 4))),
    "unknown-record-1.2": lambda: unsolicited((3, 3), Message(99, bytearray(b"what"))),
    "unknown-record-1.3": lambda: unsolicited((3, 4), Message(99, bytearray(b"what"))),
    "oversized-1.2": lambda: oversized((3, 3)),
    "oversized-1.3": lambda: oversized((3, 4)),
    "damaged-1.2": lambda: damaged((3, 3)),
    "damaged-1.3": lambda: damaged((3, 4)),
    "certificate-1.2": lambda: identified((3, 3)),
    "certificate-1.3": lambda: identified((3, 4)),
    "certificate-unproven-1.2": lambda: identified((3, 3), proven=False),
    "certificate-unproven-1.3": lambda: identified((3, 4), proven=False),
    "certificate-unasked-1.2": lambda: unasked((3, 3), own_chain()),
    "certificate-unasked-1.3": lambda: unasked((3, 4), own_chain()),
    "certificate-unasked-empty-1.3": lambda: unasked((3, 4), X509CertChain()),
    "oversized-hello": lambda: raw(record(ContentType.handshake, b"\1\0\x50\0" + bytes(20_000), 20_004)),
    "empty-hello-records": lambda: raw(record(ContentType.handshake, b"") * 64),
    "data-first": lambda: raw(record(ContentType.application_data, QUESTION)),
    "alert-first": lambda: raw(record(ContentType.alert, b"\2\x28")),
    "change-cipher-first": lambda: raw(record(ContentType.change_cipher_spec, b"\1") * 40),
    "two-hellos": lambda: raw(hello() * 2),
    "no-ciphers": lambda: raw(hello(ciphers=b"\0\0")),
    "odd-ciphers": lambda: raw(hello(ciphers=b"\0\3\xc0\x2b\xc0")),
    "no-compression": lambda: raw(hello(compression=b"\0")),
    "long-session": lambda: raw(hello(session=b"\x21" + bytes(33))),
    "extension-too-long": lambda: raw(hello(extensions=b"\0\6\0\x0a\0\x20\0\2")),
    "extension-twice": lambda: raw(hello(extensions=b"\0\x0a\0\x17\0\0\0\x17\0\0\xff\1")),
    "bytes-after-extensions": lambda: raw(hello(rest=b"what")),
    "version-of-ssl-3": lambda: raw(hello(version=b"\3\0")),
    "version-of-the-future": lambda: raw(hello(version=b"\7\7", ciphers=b"\0\2\x13\1")),
}


def outcome(case):
    try:
        return case()
    except errors.TLSRemoteAlert as alert:
        return "alert " + AlertDescription.toStr(alert.description)
    except errors.TLSAbruptCloseError:
        return "closed"
    except errors.TLSClosedConnectionError:
        return "ended"
    except TimeoutError:
        return "stuck"
    except ConnectionError:
        return "reset"


for name, case in CASES.items():
    print(name, outcome(case), flush=True)
