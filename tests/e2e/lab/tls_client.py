"""Raw Kafka clients over TLS, by Python's ssl module."""

import socket
import ssl
import struct

from . import wire

_DATA_SEGMENTS_IN = 152  # tcpi_data_segs_in in linux/tcp.h


def settings(authority):
    """Trusts that authority alone."""
    return ssl.create_default_context(cafile=authority.certificate)


def connect(network, where, context, source=None, name=None):
    """A connection that has shaken hands; `name` is asked for and verified, the address unless given."""
    plain = network.clients.connect(where, 20, source)
    try:
        return context.wrap_socket(plain, server_hostname=name or where[0])
    except BaseException:
        plain.close()
        raise


def data_segments(connection):
    """How many segments with data have come, from the handshake on."""
    shown = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _DATA_SEGMENTS_IN + 4)
    return struct.unpack_from("=I", shown, _DATA_SEGMENTS_IN)[0]


def answers(connection, number=1):
    """Whether a question is answered."""
    answer = wire.ask(connection, wire.api_versions_request(number))
    return answer is not None and answer[0] == number
