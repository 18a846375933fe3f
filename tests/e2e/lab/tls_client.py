"""Raw Kafka clients over TLS, by Python's ssl module."""

import ssl

from . import wire


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


def answers(connection, number=1):
    """Whether a question is answered."""
    answer = wire.ask(connection, wire.api_versions_request(number))
    return answer is not None and answer[0] == number
