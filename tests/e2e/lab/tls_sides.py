"""Both sides of a kferry that speaks TLS: what its listeners and upstreams are told, and what Java clients need."""

from . import certificates
from .kafka import MUTUAL_PORT, PLAIN_PORT, SASL_MUTUAL_PORT, SASL_PORT, SASL_TLS_PORT, TLS_PORT, store_properties
from .kferry import Listener, Upstream
from .namespaces import MIDDLE_TO_CLIENTS

SIDES = ("plain", "tls", "mutual")
_PORTS = {
    False: {"plain": PLAIN_PORT, "tls": TLS_PORT, "mutual": MUTUAL_PORT},
    True: {"plain": SASL_PORT, "tls": SASL_TLS_PORT, "mutual": SASL_MUTUAL_PORT},
}


def protocol(side, sasl):
    """Kafka's name of what is spoken on a side."""
    return ("SASL_" if sasl else "") + ("PLAINTEXT" if side == "plain" else "SSL")


def server_certificate(authority, **more):
    """What kferry shows to its clients."""
    return authority.issue("kferry", f"IP:{MIDDLE_TO_CLIENTS},DNS:kferry.lab", **more)


def identity(authority):
    """kferry's own client certificate."""
    return authority.issue("kferry-client")


def listener(side, sasl, authority, name=None, **more):
    """One listener of three ports; with SASL its stores are JKS, without PEM and PKCS12."""
    settings, own = {}, server_certificate(authority)
    if side == "tls":
        in_jks = {"certificate": own.jks(), "password": certificates.PASSWORD}
        settings["tls"] = in_jks if sasl else {"certificate": own.certificate, "key": own.key}
    elif side == "mutual":
        cas = {"client_cas": authority.jks() if sasl else authority.certificate}
        cas |= {"client_cas_password": certificates.PASSWORD} if sasl else {}
        settings["tls"] = {"certificate": own.pkcs12(), "password": certificates.PASSWORD, **cas}
        settings["ssl_client_auth"] = "REQUIRE"
    return Listener(name or side, protocol=protocol(side, sasl), **settings, **more)


def upstream(name, side, sasl, cluster, authority, listeners):
    """A cluster of kferry's with that side towards the brokers."""
    more = {"security_protocol": protocol(side, sasl)}
    if side != "plain":
        more |= {"ssl_truststore_location": authority.pkcs12() if sasl else authority.certificate}
        more |= {"ssl_truststore_password": certificates.PASSWORD} if sasl else {}
    if side == "mutual":
        own = identity(authority)
        more |= {"ssl_keystore_location": own.jks() if sasl else own.pem(), "lend_identity": True}
        more |= {"ssl_keystore_password": certificates.PASSWORD} if sasl else {}
    return Upstream(name, cluster.bootstrap(_PORTS[sasl][side]), *listeners, **more)


def client_properties(side, sasl, authority, kind):
    """A Java client's settings towards a listener, SASL's apart; its stores are of that kind."""
    properties = {"security.protocol": protocol(side, sasl)}
    if side == "plain":
        return properties
    certificate = authority.issue("client") if side == "mutual" else None
    return properties | store_properties(certificate, authority, kind)
