"""Stands on the way from kferry to the brokers and sees how a connection ends. With TLS it is OpenSSL's server side,
which sends what `openssl s_server` cannot be told to in mid-stream: a NewSessionTicket, a KeyUpdate, an end without
close_notify. By ctypes, for Python's own ssl has none of these."""

import contextlib
import ctypes
import errno
import select
import socket
import threading

ADDRESS = "127.0.0.2"  # broker.test, which the listener behind tells kferry; that one listens on 127.0.0.1
SSL_FILETYPE_PEM = 1
SSL_CTRL_CLEAR_MODE = 78
SSL_MODE_AUTO_RETRY = 4
SSL_ERROR_WANT_READ, SSL_ERROR_SYSCALL, SSL_ERROR_ZERO_RETURN = 2, 5, 6
KEY_UPDATE_REQUESTED = 1
SIZE = 65536


def library():
    lib = ctypes.CDLL("libssl.so.3", use_errno=True)
    for name in ("TLS_server_method", "SSL_CTX_new", "SSL_new"):
        getattr(lib, name).restype = ctypes.c_void_p
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, arguments in (
            ("SSL_CTX_new", [pointer]), ("SSL_CTX_use_certificate_chain_file", [pointer, text]),
            ("SSL_CTX_use_PrivateKey_file", [pointer, text, number]), ("SSL_new", [pointer]),
            ("SSL_CTX_ctrl", [pointer, number, ctypes.c_long, pointer]), ("SSL_set_fd", [pointer, number]),
            ("SSL_accept", [pointer]), ("SSL_read", [pointer, pointer, number]),
            ("SSL_write", [pointer, text, number]), ("SSL_pending", [pointer]), ("SSL_get_error", [pointer, number]),
            ("SSL_shutdown", [pointer]), ("SSL_free", [pointer]), ("SSL_new_session_ticket", [pointer]),
            ("SSL_key_update", [pointer, number]), ("SSL_do_handshake", [pointer])):
        getattr(lib, name).argtypes = arguments
    return lib


class Relay:
    """Listens at ADDRESS on each of `ports` and goes on to 127.0.0.1 at the same. `pem`: speaks TLS."""

    def __init__(self, ports, pem=None):
        self.ends = []  # how kferry ended its connections: "close_notify", "eof", "truncated" or "reset"
        self.tickets_at = 0  # a ticket before each so many bytes of responses; 0: none
        self.tickets = 0
        self.key_update = threading.Event()  # one before the next response
        self.key_updates_at = 0  # and one after each so many bytes, either way; 0: none
        self.key_updates = 0
        self.terse = False  # kferry's close_notify is answered by FIN alone
        self.cut = threading.Event()  # every connection ends without close_notify
        self.lib = library() if pem else None
        if pem:
            self.settings = self.lib.SSL_CTX_new(self.lib.TLS_server_method())
            self.lib.SSL_CTX_ctrl(self.settings, SSL_CTRL_CLEAR_MODE, SSL_MODE_AUTO_RETRY, None)
            if (self.lib.SSL_CTX_use_certificate_chain_file(self.settings, pem.encode()) != 1 or
                    self.lib.SSL_CTX_use_PrivateKey_file(self.settings, pem.encode(), SSL_FILETYPE_PEM) != 1):
                raise OSError(f"{pem} is of no use to OpenSSL")
        for port in ports:
            listener = socket.create_server((ADDRESS, port))
            threading.Thread(target=self.accept, args=(listener, port), daemon=True).start()

    def accept(self, listener, port):
        while True:
            near, _ = listener.accept()
            threading.Thread(target=self.serve, args=(near, port), daemon=True).start()

    def serve(self, near, port):
        with near, socket.create_connection(("127.0.0.1", port)) as far, contextlib.suppress(OSError):
            stream = TlsSide(self, near) if self.lib else PlainSide(near)
            self.pass_on(stream, near, far)
            stream.free()

    def pass_on(self, stream, near, far):
        returned = came = 0
        while not self.cut.is_set():
            ready = [near] if stream.pending() else select.select([near, far], [], [], 0.05)[0]
            if near in ready:
                data, end = stream.read()
                if end:
                    self.ends.append(end)
                    if not self.terse:
                        stream.close()
                    return
                came += self.update_key(stream, came, len(data))
                far.sendall(data)
            if far in ready:
                data = far.recv(SIZE)
                if not data:
                    stream.close()
                    return
                if self.tickets_at and returned // self.tickets_at != (returned + len(data)) // self.tickets_at:
                    self.tickets += stream.ticket()
                returned += self.update_key(stream, returned, len(data))
                if self.key_update.is_set():
                    self.key_update.clear()
                    stream.update_key()
                stream.write(data)

    def update_key(self, stream, passed, size):
        """Returns `size`."""
        if self.key_updates_at and passed // self.key_updates_at != (passed + size) // self.key_updates_at:
            stream.update_key()
            self.key_updates += 1
        return size


class PlainSide:
    def __init__(self, near):
        self.near = near

    def pending(self):
        return False

    def read(self):
        try:
            data = self.near.recv(SIZE)
        except ConnectionResetError:
            return b"", "reset"
        return data, "" if data else "eof"

    def write(self, data):
        self.near.sendall(data)

    def close(self):
        pass

    def free(self):
        pass


class TlsSide:
    def __init__(self, relay, near):
        self.lib = relay.lib
        self.room = ctypes.create_string_buffer(SIZE)
        self.ssl = self.lib.SSL_new(relay.settings)
        self.lib.SSL_set_fd(self.ssl, near.fileno())
        if self.lib.SSL_accept(self.ssl) != 1:
            raise OSError("no handshake")

    def pending(self):
        return self.lib.SSL_pending(self.ssl) > 0

    def read(self):
        result = self.lib.SSL_read(self.ssl, self.room, SIZE)
        if result > 0:
            return self.room.raw[:result], ""
        number = ctypes.get_errno()
        error = self.lib.SSL_get_error(self.ssl, result)
        if error == SSL_ERROR_WANT_READ:
            return b"", ""
        if error == SSL_ERROR_ZERO_RETURN:
            return b"", "close_notify"
        return b"", "reset" if error == SSL_ERROR_SYSCALL and number == errno.ECONNRESET else "truncated"

    def write(self, data):
        if self.lib.SSL_write(self.ssl, data, len(data)) != len(data):
            raise OSError("kferry takes no more")

    def ticket(self):
        return self.lib.SSL_new_session_ticket(self.ssl)

    def update_key(self):
        self.lib.SSL_key_update(self.ssl, KEY_UPDATE_REQUESTED)
        self.lib.SSL_do_handshake(self.ssl)

    def close(self):
        self.lib.SSL_shutdown(self.ssl)

    def free(self):
        self.lib.SSL_free(self.ssl)
