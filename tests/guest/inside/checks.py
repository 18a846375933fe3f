"""The checks, one after another, each told on the console as `check NAME ok` or `check NAME failed WHY`.

    kcat ─▶ outer ─TLS─▶ back ─TLS─▶ front ─▶ mock brokers     each pair with a listener a cipher suite
    kcat ─────────TLS─▶ back
    s_client ──────TLS─▶ watched ─(TLS)─▶ relay ─▶ front        the relay sees how kferry ends its connections

Words on the command line choose checks by a part of their names; "all": those of the longer tier, too.
"""

import functools
import os
import re
import signal
import subprocess
import sys
import threading
import time
import traceback

import frames
import lab
from lab import (CERTIFICATES, MIB, NO_RENEGOTIATION, TICKET, Counted, Kcat, Kferry, MockCluster, OpensslClient, Wrong,
                 close_in_order, expect, kernel_tls, random_files, run, send_forged_record, wait_for)
from own_records import HANDSHAKE, KEY_UPDATE, OwnRecords
from relay import Relay

# name, version, cipher suite in OpenSSL's words
SUITES = [
    ("aes128", "TLSv1.3", "TLS_AES_128_GCM_SHA256"),
    ("aes256", "TLSv1.3", "TLS_AES_256_GCM_SHA384"),
    ("chacha", "TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256"),
    ("aes128in12", "TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ("aes256in12", "TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ("chachain12", "TLSv1.2", "ECDHE-ECDSA-CHACHA20-POLY1305"),
]
RELEASE = tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])
FLOOR = RELEASE == (6, 1)
CHANGES_KEYS = RELEASE >= (6, 14)
BROKERS = 3
PEM = f"{CERTIFICATES}/server.pem"
# The first port of each group of listeners.
FRONT, FRONT_PLAIN, BACK, OUTER = 10000, 10900, 11000, 12000
WATCHED_TLS, WATCHED_PLAIN, BEHIND_TLS, BEHIND_PLAIN, SWITCHED = 13000, 13100, 13200, 13300, 14000
DRAINED = 14500
HTTP = 15000
KEYS_CHANGED, KEY_USED_UP = "cause=tls_key_update", "cause=tls_key_used_up"
LARGE = [MIB] * 2
# Records of every kind of size around a TLS record's, and what is spliced.
MIXED = [1, 1000, 16_383, 16_384, 16_385, 262_143, 262_145, 700_001]
SPLICED = 300_001


def ports(first, number=0):
    start = first + 10 * number
    return f"{start}-{start + BROKERS - 1}"


def listener(cluster, name, first, number=0, suite=None, advertised="localhost"):
    text = (f'[cluster.{cluster}.listener.{name}]\nports = "{ports(first, number)}"\nbind_address = "127.0.0.1"\n'
            f'advertised_host = "{advertised}"\nmin_broker_id = 1\n')
    if suite is None:
        return text + 'security_protocol = "PLAINTEXT"\n'
    _, version, cipher = suite
    return text + (f'security_protocol = "SSL"\ntls = {{ certificate = "{PEM}", key = "{PEM}", '
                   f'enabled_protocols = ["{version}"], cipher_suites = ["{cipher}"] }}\n')


def upstream(cluster, bootstrap, tls):
    text = f'[cluster.{cluster}.upstream]\nbootstrap_servers = ["{bootstrap}"]\n'
    return text + (f'security_protocol = "SSL"\nssl_truststore_location = "{CERTIFICATES}/ca.crt"\n' if tls
                   else 'security_protocol = "PLAINTEXT"\n')


def operations(number):
    return f'[operations]\nbind = "127.0.0.1:{HTTP + number}"\n'


@functools.cache
def mock():
    return MockCluster()


@functools.cache
def front():
    bootstrap = '", "'.join(mock().bootstrap.split(","))
    text = operations(0) + upstream("front", bootstrap, False) + listener("front", "plain", FRONT_PLAIN)
    for number, suite in enumerate(SUITES):
        text += listener("front", suite[0], FRONT, number, suite)
    text += listener("front", "behindtls", BEHIND_TLS, advertised="broker.test")
    text += listener("front", "behindplain", BEHIND_PLAIN, advertised="broker.test")
    return Kferry("front", text)


def chained(name, number, before, first, tls, backend=None):
    """kferry before another's listeners for each suite, with listeners of the same kind or plain ones."""
    text = operations(number)
    for index, suite in enumerate(SUITES):
        text += upstream(suite[0], f"localhost:{before + 10 * index}", True)
        text += listener(suite[0], name, first, index, suite if tls else None)
    return Kferry(name, text, backend)


@functools.cache
def back():
    front()
    return chained("back", 1, FRONT, BACK, True)


@functools.cache
def outer():
    back()
    return chained("outer", 2, BACK, OUTER, False, "epoll")  # so that both backends are always met


@functools.cache
def relays():
    front()
    return (Relay(range(BEHIND_PLAIN, BEHIND_PLAIN + BROKERS)), Relay(range(BEHIND_TLS, BEHIND_TLS + BROKERS), PEM))


class Watched:
    """kferry with the relays behind it."""

    def __init__(self, number, backend=None):
        self.plain, self.tls = relays()
        self.to_plain, self.to_tls = WATCHED_PLAIN + 10 * number, WATCHED_TLS + 10 * number
        self.kferry = Kferry(f"watched-{number}", operations((3, 8)[number]) +
                             upstream("plain", f"broker.test:{BEHIND_PLAIN}", False) +
                             listener("plain", "tls", WATCHED_PLAIN, number, SUITES[0]) +
                             upstream("tls", f"broker.test:{BEHIND_TLS}", True) +
                             listener("tls", "tls", WATCHED_TLS, number, SUITES[0]), backend)


@functools.cache
def watched():
    return Watched(0)


@functools.cache
def on_epoll():
    return Watched(1, "epoll")


@functools.cache
def switched(receive, send):
    front()
    number = 2 * int(receive == "on") + int(send == "on")
    text = (operations(4 + number) + f'[tls]\nkernel_receive = "{receive}"\nkernel_send = "{send}"\n' +
            upstream("switched", f"localhost:{FRONT}", True) +
            listener("switched", "tls", SWITCHED, number, suite=SUITES[0]))
    return Kferry(f"switched-{number}", text), SWITCHED + 10 * number


@functools.cache
def large():
    return random_files("large", LARGE)


@functools.cache
def mixed():
    return random_files("mixed", MIXED)


def in_order(counted):
    """No record was ever taken for what it is not."""
    expect(counted["TlsDecryptError"] == 0, f"{counted['TlsDecryptError']} records could not be decrypted by the kernel")


def expect_quiet(proxy, mark):
    said = proxy.said(mark)
    expect("level=warning" not in said and "level=error" not in said, f"it told of something: {said}")


# --- on any kernel

def doctor():
    shown = run("kferry", "doctor").decode()
    for row in ("io_uring", "kernel TLS"):
        expect(re.search(rf"^ok +{row} ", shown, re.MULTILINE), f"no row ok for {row}: {shown}")
    row = "ok" if CHANGES_KEYS else "lack"
    expect(re.search(rf"^{row} +kernel TLS: new keys ", shown, re.MULTILINE), f"no row {row} for new keys: {shown}")
    expect("Path: io_uring" in shown, "the path is not io_uring")


def doctest(program, *words):
    """A test program of ours. What is left out moves so much that it is too slow for an emulated processor."""
    def check():
        done = subprocess.run([program, *words], capture_output=True, text=True, timeout=120, check=False,
                              env=os.environ | {"KFERRY_SOCKETS_REQUESTS": "20"})
        if done.returncode != 0:
            print(f"--- {program}\n{done.stdout}{done.stderr}", flush=True)
        lines = [line for line in done.stdout.splitlines() if "ERROR" in line]
        expect(done.returncode == 0, f"status {done.returncode}: {' | '.join(lines[-8:])}")
    return check


def plain_to_plain():
    front()
    Kcat(FRONT_PLAIN, tls=False).round_trip("plain", [*mixed(), *large()])
    expect(front().pipes() > 0, f"{len(LARGE)} MiB of records went by, and nothing was spliced")


# --- kernel TLS: records through each kind of path and each cipher

def records(number):
    """Plain to TLS, TLS to TLS, TLS to plain, there and back."""
    def check():
        proxies = [front(), back(), outer()]
        counted = Counted()
        Kcat(OUTER + 10 * number, tls=False).round_trip(SUITES[number][0], large() if number == 0 else large()[:1])
        for name in ("TlsTxSw", "TlsRxSw"):
            expect(counted[name] >= 4, f"{name} grew by {counted[name]}: not every side was the kernel's")
        in_order(counted)
        for proxy in proxies:
            expect(proxy.pipes() > 0, f"a MiB of records went by, and nothing was spliced: {proxy.log}")
    return check


def librdkafka(number):
    """Through librdkafka's own TLS."""
    def check():
        back()
        counted = Counted()
        Kcat(BACK + 10 * number, tls=True).round_trip(f"librdkafka-{SUITES[number][0]}", mixed())
        for name in ("TlsTxSw", "TlsRxSw"):
            expect(counted[name] >= 3, f"{name} grew by {counted[name]}: not every side was the kernel's")
        in_order(counted)
    return check


# --- kernel TLS: what is no data

def open_client(port, *words, kernel=True):
    """s_client after its first answers, so with the kernel at work on its connection."""
    counted = Counted()
    client = OpensslClient(port, *words)
    client.ask()
    client.ask()
    if kernel:
        expect(counted["TlsRxSw"] > 0 and counted["TlsTxSw"] > 0,
               f"the kernel did not take over: TlsRxSw +{counted['TlsRxSw']}, TlsTxSw +{counted['TlsTxSw']}")
    return client


def key_update_ends(client, proxy, cause, letter):
    """The kernel cannot follow: the client's connection ends in order, and the log says why."""
    mark = proxy.mark()
    client.update_key(letter)
    expect(client.end(), "it did not end with close_notify")
    wait_for("the line that says so", lambda: cause in proxy.said(mark))


def key_update_by_client(letter, where=watched):
    def check():
        proxy, relay = where().kferry, where().plain
        mark, ends = proxy.mark(), len(relay.ends)
        key_update_ends(open_client(where().to_plain), proxy, KEYS_CHANGED, letter)
        wait_for("the broker's side to end", lambda: len(relay.ends) > ends)
        expect("kernel_receive" in proxy.said(mark), "the line does not name the switch")
    return check


def key_updates_followed(client, receive, send, letters="KkK"):
    """Before, between and after them the same bytes come back; `receive`, `send`: what of it is the kernel's."""
    counted = Counted()
    client.round_trip(SPLICED)
    for letter in letters:
        client.update_key(letter)
        client.round_trip(SPLICED)
    client.close()
    for name, wanted in (("TlsRxRekeyOk", receive * len(letters)), ("TlsTxRekeyOk", send * letters.count("K"))):
        expect(counted[name] == wanted, f"{name} grew by {counted[name]}, not {wanted}")
    in_order(counted)


def key_update_followed_for_client():
    proxy = front()
    mark = proxy.mark()
    key_updates_followed(open_client(FRONT), True, True, "KkKKk")
    expect_quiet(proxy, mark)


def key_update_in_two_records():
    """Legal, though no implementation does it: RFC 8446 §5.1. The kernel takes the first part for the whole."""
    mark = front().mark()
    for cut in range(1, len(KEY_UPDATE)):
        counted = Counted()
        client = OwnRecords(FRONT)
        for correlation in (1, 2):
            client.ask(frames.api_versions(correlation))
        client.send(HANDSHAKE, KEY_UPDATE[:cut])
        client.send(HANDSHAKE, KEY_UPDATE[cut:])
        if CHANGES_KEYS:
            client.change_key()
            client.ask(frames.api_versions(3))
            expect(counted["TlsRxRekeyOk"] == 2, f"TlsRxRekeyOk grew by {counted['TlsRxRekeyOk']}, not by 2")
        else:
            end = client.end()
            expect(end == "close_notify", f"it ended by {end}")
        in_order(counted)
        client.close()
    if CHANGES_KEYS:
        expect_quiet(front(), mark)
    else:
        wait_for("the line that says so", lambda: KEYS_CHANGED in front().said(mark))


def key_update_switched(receive, send):
    """With a direction that is not the kernel's; the broker's side stays as it is."""
    def check():
        proxy, port = switched(receive, send)
        if CHANGES_KEYS or (receive, send) == ("off", "off"):
            key_updates_followed(open_client(port, kernel=False), receive == "on", send == "on")
            return
        if receive == "on":
            key_update_ends(open_client(port, kernel=False), proxy, KEYS_CHANGED, "k")
            key_update_ends(open_client(port, kernel=False), proxy, KEYS_CHANGED, "K")
            return
        key_updates_followed(open_client(port, kernel=False), False, False, "kk")
        key_update_ends(open_client(port, kernel=False), proxy, KEY_USED_UP, "K")
    return check


def key_update_by_broker():
    relay, proxy = watched().tls, watched().kferry
    client = open_client(watched().to_tls)
    mark, ends = proxy.mark(), len(relay.ends)
    relay.key_update.set()
    try:
        client.ask()
    except Wrong:
        pass  # the answer was to come under the new keys
    client.end()
    wait_for("the line that says so", lambda: KEYS_CHANGED in proxy.said(mark))
    wait_for("the broker's side to end", lambda: len(relay.ends) > ends)


def key_update_followed_for_broker():
    """The broker changes its keys, and asks for others, in the midst of what it sends and of what it is sent."""
    relay, proxy = watched().tls, watched().kferry
    open_client(watched().to_tls).close()  # kferry tries once whether keys can be changed, which is counted, too
    mark, counted, before = proxy.mark(), Counted(), relay.key_updates
    relay.key_updates_at = 100_000
    try:
        Kcat(watched().to_tls, True).round_trip("keys", large())
    finally:
        relay.key_updates_at = 0
    updates = relay.key_updates - before
    expect(updates >= 2 * len(LARGE) * MIB // 200_000, f"there were only {updates} changes of keys")
    expect(counted["TlsRxRekeyOk"] == updates, f"TlsRxRekeyOk grew by {counted['TlsRxRekeyOk']}, not {updates}")
    # One answer may be for several.
    expect(0 < counted["TlsTxRekeyOk"] <= updates, f"TlsTxRekeyOk grew by {counted['TlsTxRekeyOk']} at {updates}")
    in_order(counted)
    expect_quiet(proxy, mark)


def close_by_client(where=watched):
    # Everything was answered, so a broker without TLS is reset: no TIME_WAIT stays behind on kferry's host.
    for relay, port, allowed in (
        (where().plain, where().to_plain, ("reset",)),
        (where().tls, where().to_tls, ("close_notify", "reset")),
    ):
        mark, ends, counted = where().kferry.mark(), len(relay.ends), Counted()
        wrong = close_in_order(port)
        expect(not wrong, f"its close_notify was not answered: {wrong}")
        expect(counted["TlsRxSw"] > 0 and counted["TlsTxSw"] > 0, "the kernel did not take over")
        wait_for("the broker's side to end", lambda: len(relay.ends) > ends)
        expect(relay.ends[-1] in allowed, f"the broker's side ended by {relay.ends[-1]}, not {' or '.join(allowed)}")
        expect_quiet(where().kferry, mark)


def bare_end_by_broker():
    """A broker that answers our close_notify by its FIN alone has cut nothing."""
    relay, counted, mark = watched().tls, Counted(), watched().kferry.mark()
    relay.terse = True
    try:
        wrong = close_in_order(watched().to_tls)
    finally:
        relay.terse = False
    expect(not wrong, f"the client's close_notify was not answered: {wrong}")
    expect(counted["TlsRxSw"] == 2, f"the kernel received for {counted['TlsRxSw']} connections, not for two")
    expect_quiet(watched().kferry, mark)


def drain():
    """What the kernel encrypts ends in order, too: close_notify to the client, and the broker's side is not cut."""
    relay = relays()[1]
    proxy = Kferry("drained", operations(9) + upstream("drained", f"broker.test:{BEHIND_TLS}", True) +
                   listener("drained", "tls", DRAINED, suite=SUITES[0]))
    client = open_client(DRAINED)
    mark, ends = proxy.mark(), len(relay.ends)
    proxy.process.send_signal(signal.SIGINT)
    expect(client.end(), "it did not end with close_notify")
    wait_for("the broker's side to end", lambda: len(relay.ends) > ends)
    expect(relay.ends[-1] in ("close_notify", "reset"), f"the broker's side ended by {relay.ends[-1]}")
    expect(proxy.process.wait(lab.PATIENCE_S) == 0, f"kferry ended with {proxy.process.returncode}")
    expect("cause=drained" in proxy.said(mark), "the drain was cut short")
    expect_quiet(proxy, mark)


def truncation_by_client():
    """A client that dies is no client that closes: its broker is not told of an end in order."""
    for relay, port in ((watched().plain, watched().to_plain), (watched().tls, watched().to_tls)):
        client = open_client(port)
        ends = len(relay.ends)
        client.kill()
        wait_for("the broker's side to end", lambda: len(relay.ends) > ends)
        expect(relay.ends[-1] == "reset", f"the broker's side ended by {relay.ends[-1]}")


def truncation_by_broker():
    relay = watched().tls
    client = open_client(watched().to_tls)
    relay.cut.set()
    try:
        expect(not client.end(), "close_notify, though the broker said none")
    finally:
        relay.cut.clear()


def tickets_in_mid_stream(where=watched):
    relay, before = where().tls, where().tls.tickets
    relay.tickets_at = 100_000
    try:
        port = where().to_tls
        Kcat(port, True).round_trip(f"tickets-{port}", random_files("tickets", [SPLICED]))
    finally:
        relay.tickets_at = 0
    expect(relay.tickets > before, "not one ticket was sent")


def tickets_to_client():
    """kferry's own tickets come before its first data."""
    client = open_client(FRONT)
    client.close()
    expect(TICKET.search(client.said()), "no ticket")


def renegotiation_by_client():
    """Our alert goes out through the kernel."""
    client = open_client(FRONT + 10 * 3)
    client.renegotiate()
    client.end()
    expect(NO_RENEGOTIATION.search(client.said()), "no alert no_renegotiation")


def forged_record_by_client():
    mark, counted = front().mark(), Counted()
    said = send_forged_record(FRONT)
    expect(said == "SSLV3_ALERT_BAD_RECORD_MAC", f"it was answered by {said}")
    expect(counted["TlsDecryptError"] == 1, f"TlsDecryptError grew by {counted['TlsDecryptError']}")
    wait_for("the line that says so", lambda: "cause=record_forged" in front().said(mark))


def switches(receive, send):
    def check():
        _, port = switched(receive, send)
        counted = Counted()
        client = OpensslClient(port)
        client.ask()
        client.ask()
        # front's two are always there
        wait_for("front's part", lambda: counted["TlsTxSw"] >= 1 and counted["TlsRxSw"] >= 1)
        grown = {"receive": counted["TlsRxSw"], "send": counted["TlsTxSw"]}
        client.close()
        for name, switch in (("receive", receive), ("send", send)):
            wanted = 3 if switch == "on" else 1
            expect(grown[name] == wanted, f"{grown[name]} connections {name} by the kernel, not {wanted}")
        Kcat(port, True).round_trip(f"switched-{receive}-{send}", large()[:1])
    return check


def nothing_broken():
    for proxy in (front(), back(), outer(), watched().kferry):
        proxy.running()
    expect(kernel_tls().get("TlsDecryptError", 0) == 0, "records could not be decrypted by the kernel")


# Beside the others: nothing there counts kernel TLS. On the floor, for newer kernels are the host's.
BESIDE = {
    "ring_test": doctest("ring_test", "-tce=splice moves 10 MB*,everything is sent to another thread*"),
    "sockets_test": doctest("sockets_test", "-tce=eight stalled readers*"),
}
CHECKS = {"doctor": doctor, "plain": plain_to_plain}
CHECKS |= {f"records-{one[0]}": records(index) for index, one in enumerate(SUITES)}
CHECKS |= {
    "librdkafka-1.3": librdkafka(0),
    "librdkafka-1.2": librdkafka(3),
    "tickets-to-client": tickets_to_client,
    "tickets-in-mid-stream": tickets_in_mid_stream,
    "close-notify-by-client": close_by_client,
    "close-notify-by-a-drain": drain,
    "bare-end-by-broker": bare_end_by_broker,
    "truncation-by-client": truncation_by_client,
    "truncation-by-broker": truncation_by_broker,
    "close-notify-by-client-on-epoll": functools.partial(close_by_client, on_epoll),
    "tickets-in-mid-stream-on-epoll": functools.partial(tickets_in_mid_stream, on_epoll),
}
if CHANGES_KEYS:
    CHECKS |= {
        "key-update-by-client": key_update_followed_for_client,
        "key-update-by-broker": key_update_followed_for_broker,
    }
else:
    CHECKS |= {
        "key-update-requested-by-client": key_update_by_client("K"),
        "key-update-by-client": key_update_by_client("k"),
        "key-update-by-broker": key_update_by_broker,
        "key-update-by-client-on-epoll": key_update_by_client("k", on_epoll),
    }
CHECKS |= {
    "key-update-without-kernel-tls": key_update_switched("off", "off"),
    "key-update-kernel-receive-off": key_update_switched("off", "on"),
    "key-update-kernel-send-off": key_update_switched("on", "off"),
    "key-update-in-two-records": key_update_in_two_records,
    "kernel-tls-test": doctest("kernel_tls_test"),
    "renegotiation-by-client": renegotiation_by_client,
    "kernel-tls-off": switches("off", "off"),
    "kernel-receive-off": switches("off", "on"),
    "kernel-send-off": switches("on", "off"),
    "nothing-broken": nothing_broken,
    "forged-record-by-client": forged_record_by_client,  # the last, for the kernel counts it
}
# The quick tier has each cipher, each version and each kind of end once, and the core of it on epoll.
ONLY_IN_ALL = {"records-aes256", "records-aes128in12", "records-chachain12", "librdkafka-1.2",
               "key-update-in-two-records", "key-update-kernel-receive-off", "key-update-kernel-send-off",
               "kernel-tls-test", "kernel-tls-off", "kernel-receive-off", "kernel-send-off", "renegotiation-by-client"}
ON_THE_FLOOR = {"doctor", "plain", "records-aes128", "close-notify-by-client", "key-update-requested-by-client"}


def chosen(checks, words):
    if words == ["all"]:
        found = set(checks)
    elif words:
        found = {name for name in checks if any(word in name for word in words)}
    elif checks is BESIDE:
        found = set(checks) if FLOOR else set()
    else:
        found = ON_THE_FLOOR if FLOOR else set(checks) - ONLY_IN_ALL
    return {name: check for name, check in checks.items()
            if name in found and not (lab.BACKEND == "epoll" and name.endswith("-on-epoll"))}


def tell(name, check):
    """Runs one; whether it was well."""
    start = time.monotonic()
    try:
        check()
        print(f"check {name} ok ({time.monotonic() - start:.1f} s)", flush=True)
        return True
    except Exception as error:  # whatever it is, the others go on
        print(f"check {name} failed {' '.join(str(error).split())[:600]}", flush=True)
        if not isinstance(error, Wrong):
            traceback.print_exc(file=sys.stdout)
        return False


def tell_all(checks):
    return all([tell(name, check) for name, check in checks.items()])


def main(words):
    lab.BACKEND = "epoll" if "epoll" in words else "auto"
    words = [word for word in words if word != "epoll"]
    beside = []
    thread = threading.Thread(target=lambda: beside.append(tell_all(chosen(BESIDE, words))))
    thread.start()
    well = tell_all(chosen(CHECKS, words))
    thread.join()
    if not well or beside != [True]:
        for name in sorted(name for name in os.listdir("/tmp") if name.endswith(".log")):
            with open(f"/tmp/{name}", encoding="utf-8", errors="replace") as log:
                print(f"--- {name}\n{log.read()[-6000:]}", flush=True)
        print(f"--- /proc/net/tls_stat\n{kernel_tls()}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
