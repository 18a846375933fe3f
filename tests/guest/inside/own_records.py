"""A TLS 1.3 client that protects its own records, of any type and content, cut as it likes: Python's OpenSSL shakes
hands and reads, the guest's kernel encrypts what is sent, with the keys that OpenSSL logs (TLS_AES_128_GCM_SHA256)."""

import hmac
import os
import socket
import ssl
import struct

from lab import AUTHORITY, PATIENCE_S, expect, wait_for

ALERT, HANDSHAKE = 21, 22
# RFC 8446 §4.6.3, no answer wanted.
KEY_UPDATE = b"\x18\0\0\1\0"
# linux/tcp.h, linux/tls.h
TCP_ULP, SOL_TLS, TLS_TX, TLS_SET_RECORD_TYPE = 31, 282, 1, 1
TLS_1_3, AES_GCM_128 = 0x0304, 51
KEY_SIZE, IV_SIZE = 16, 12


def expand_label(secret, label, size):
    """RFC 8446 §7.1, of one block, with no transcript."""
    name = b"tls13 " + label
    info = struct.pack(">HB", size, len(name)) + name + b"\0"
    return hmac.digest(secret, info + b"\1", "sha256")[:size]


class OwnRecords:
    number = 0

    def __init__(self, port):
        OwnRecords.number += 1
        keys = f"/tmp/keys-{OwnRecords.number}"
        settings = ssl.create_default_context(cafile=AUTHORITY)
        settings.keylog_filename = keys
        self.reading = settings.wrap_socket(socket.create_connection(("localhost", port), timeout=PATIENCE_S),
                                            server_hostname="localhost", suppress_ragged_eofs=False)
        # Beside OpenSSL, which does not know that its keys are used up.
        self.near = socket.socket(fileno=os.dup(self.reading.fileno()))
        self.secret = wait_for("OpenSSL to log its keys", lambda: self.logged(keys))
        self.near.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
        self.give_key()

    @staticmethod
    def logged(keys):
        with open(keys, encoding="utf-8") as lines:
            words = [line.split() for line in lines]
        return next((bytes.fromhex(line[2]) for line in words if line[0] == "CLIENT_TRAFFIC_SECRET_0"), None)

    def give_key(self):
        iv = expand_label(self.secret, b"iv", IV_SIZE)
        self.near.setsockopt(SOL_TLS, TLS_TX, struct.pack("=HH8s16s4s8s", TLS_1_3, AES_GCM_128, iv[4:],
                                                          expand_label(self.secret, b"key", KEY_SIZE), iv[:4], bytes(8)))

    def change_key(self):
        self.secret = expand_label(self.secret, b"traffic upd", len(self.secret))
        self.give_key()

    def send(self, kind, content):
        self.near.sendmsg([content], [(SOL_TLS, TLS_SET_RECORD_TYPE, bytes([kind]))])

    def ask(self, request):
        """The answer, with its length."""
        self.near.sendall(request)
        data = self.read(4)
        return data + self.read(struct.unpack(">i", data)[0])

    def read(self, size):
        data = b""
        while len(data) < size:
            piece = self.reading.recv(size - len(data))
            expect(piece, "the connection ended in order before the answer")
            data += piece
        return data

    def end(self):
        """How the other side ends it: "close_notify", or what OpenSSL calls it."""
        try:
            while self.reading.recv(65536):
                pass
            return "close_notify"
        except ssl.SSLError as error:
            return error.reason
        except OSError as error:
            return str(error)

    def close(self):
        self.near.close()
        self.reading.close()
