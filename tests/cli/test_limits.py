"""docs/limits.md and the sources have the same bounds, in both directions.

A bound is a numeric configuration key, or a constant whose name says so. The list names it in its third column, a constant
as `file: name`. Where the value is a plain number or time, the list has it as the default. What the search must find is
planted in the tests below.
"""
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIST = ROOT / "docs/limits.md"
KEYS = ROOT / "docs/configuration.md"
CONSTANT = re.compile(r"constexpr\s+([\w:]+(?:<\w+>)?)\s+(\w+(?:_max|_timeout|_budget|_lifetime)|lifetime)\s*(?:=\s*|\{)([^;}]+)[;}]")
UNITS = {"seconds": "s", "minutes": "min", "hours": "h", "milliseconds": "ms"}
# Constants that look like bounds and are none: parts of a format, of the key table's ranges, of messages, of arithmetic.
NOT_BOUNDS = {
    "base/compact_text.h: size_max": "the width of a field",
    "base/handed_sockets.cc: handed_max": "a plausible number",
    "base/limits.h: request_size_max": "the default of request_size_bytes",
    "base/limits.h: held_size_max": "the default of held_size_bytes",
    "base/limits.h: unanswered_requests_max": "the default of unanswered_requests",
    "certificates/stores": "",
    "cli/probe.cc: brokers_max": "what a person is shown",
    "cli/reloader.cc: told_max": "what a message lists",
    "cli/server_lists.cc: shown_max": "what a message lists",
    "cli/successor.cc: digits_max": "part of a format",
    "config/host_names.cc: host_size_max": "a rule of DNS",
    "config/key_table.cc: connections_max": "the range of a key",
    "config/host_names.cc: label_size_max": "a rule of DNS",
    "config/key_table.cc: keepalive_s_max": "the range of a key",
    "config/key_table.cc: keepalive_probes_max": "the range of a key",
    "config/port_advice.cc: sparse_max": "a choice between two kinds of advice",
    "config/port_lists.cc: id_max": "a type's range",
    "connection/leg.h: leased_max": "another name for send_pieces_max",
    "kafka/api_table.cc: client_id_max": "what an observer gets of a field",
    "kafka/api_table.cc: mechanism_max": "the same",
    "kafka/api_table.cc: sasl_bytes_max": "the same",
    "kafka/api_table.cc: software_max": "the same",
    "kafka/client_codec.h: metadata_asked_max": "a version",
    "kafka/failures.cc: printable_max": "what a message quotes",
    "kafka/request_walker.cc: kept_text_max": "what a message quotes",
    "kafka/request_walker.cc: version_max": "a version",
    "kafka/sasl_principal.h: name_max": "another name for audited_principal_max",
    "kafka/structure_walker.h: depth_max": "the depth of our own table",
    "kafka/wire.h: uvarint_size_max": "part of a format",
    "net/address_memory.h: delay_max": "a pause between attempts",
    "operations/audit_parts.cc: escapes_max": "part of a format",
    "operations/audit_parts.cc: rest_max": "part of a format",
    "proxy/claims.cc: client_id_shown_max": "what a message quotes",
    "proxy/claims.cc: server_shown_max": "what a message quotes",
    "proxy/sasl_client.cc: shown_max": "what a message quotes",
    "ring/epoll_ring.cc: wait_max": "a wait that a timer or a socket ends",
    "tls/digests.h: digest_size_max": "part of a format",
    "tls/engine.h: record_overhead_max": "part of a format",
    "tls/record/aead.cc: copied_max": "a choice between two ways",
    "tls/record/protection.cc: inner_extra_max": "part of a format",
    "tls/record/protection.h: record_plain_max": "part of a format",
    "tls/ticket_keys.h: ticket_keys_max": "follows from two periods",
    "x509/identity_reading.cc: named_max": "what a message lists",
    "x509/pbe.cc: derived_size_max": "part of a format",
    "x509/pkcs12.cc: depth_max": "part of a format",
    "x509/private_key.cc: rsa_bits_max": "another name for key_bits_max",
    "x509/subject_rule.cc: attributes_max": "what a message lists",
}
NOT_BOUNDS.pop("certificates/stores")
# Numeric keys that bound nothing.
OTHER_KEYS = {"workers", "splice_threshold_bytes", "receive_buffer_size_bytes", "standing_receive_bytes", "look_ahead_bytes",
              "keepalive_interval_s", "lame_duck_s", "discovery_interval_s", "update_interval_minutes", "min_broker_id"}


def value_of(text):
    """A plain number or time as the list writes it; None for anything else."""
    text = text.strip().replace("'", "")
    if time := re.fullmatch(r"(?:std::chrono::)?(seconds|minutes|hours|milliseconds)[({](\d+)[)}]", text):
        return f"{time[2]} {UNITS[time[1]]}"
    if size := re.fullmatch(r"(\d+)(?:U?LL)? \* (KiB|MiB|1024)", text):
        return f"{size[1]} {'KiB' if size[2] == '1024' else size[2]}"
    if number := re.fullmatch(r"\d+|0x[0-9A-F]+", text):
        return str(int(number[0], 0))
    return None


def constants_of(name, text):
    """The bounds in a source: {"file: name": value or None}."""
    text = re.sub(r"//[^\n]*", "", text)
    return {f"{name}: {found[2]}": value_of(found[3]) for found in CONSTANT.finditer(text)}


def all_constants():
    found = {}
    for path in sorted((ROOT / "src").rglob("*")):
        if path.suffix in (".cc", ".h") and "_test" not in path.name and not path.name.startswith("conformance"):
            found.update(constants_of(str(path.relative_to(ROOT / "src")), path.read_text()))
    return found


def keys():
    """The numeric keys with their defaults, from the table that test_reference.py compares with the code."""
    return dict(re.findall(r"^\| `(\w+)` \|(?:[^|]*\|)? `?(\d+)`? \| \d+ to \d+ \|", KEYS.read_text(), re.MULTILINE))


def listed():
    """The rows that name a bound: [(name, default, what happens)]."""
    rows = []
    for line in LIST.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 4:
            rows += [(name, cells[1], cells[3]) for name in re.findall(r"`([^`]+)`", cells[2])]
    return rows


def test_the_list_has_every_constant():
    found = all_constants()
    assert len(found) > 80
    names = {name for name, _, _ in listed()}
    assert sorted(set(found) - names - set(NOT_BOUNDS)) == [], "in the code, not in docs/limits.md"
    assert sorted(set(NOT_BOUNDS) - set(found)) == [], "not in the code any more"
    assert sorted(set(NOT_BOUNDS) & names) == [], "listed, and said to bound nothing"


def test_the_list_has_every_key():
    found = set(keys())
    assert {"held_size_bytes", "dial_budget_ms", "brokers_per_cluster"} <= found
    names = {name for name, _, _ in listed()}
    assert sorted(found - names - OTHER_KEYS) == [], "in docs/configuration.md, not in docs/limits.md"


def test_what_the_list_names_exists_and_has_this_value():
    constants, defaults = all_constants(), keys()
    for name, default, _ in listed():
        if ": " not in name:
            assert default == defaults[name], name
            continue
        value = constants.get(name)
        if name not in constants:  # a field, or a name that does not say that it is a bound
            file, field = name.split(": ")
            declared = re.search(rf"\b{field}\s*(?:=\s*|\{{)([^;}}]+)[;}}]", (ROOT / "src" / file).read_text())
            assert declared, f"{name} is not in the code"
            value = value_of(declared[1])
        if value is not None and re.match(r"\d", default):
            assert default.replace(",", "") == value, name


def test_every_bound_says_what_happens():
    for name, _, happens in listed():
        assert len(happens) > 10 and happens.endswith("."), name


PLANTED = {
    "constexpr std::size_t planted_max = 4'096;": {"proxy/p.h: planted_max": "4096"},
    "static constexpr Duration planted_timeout = std::chrono::seconds(5);": {"proxy/p.h: planted_timeout": "5 s"},
    "constexpr Duration planted_budget = minutes(2);": {"proxy/p.h: planted_budget": "2 min"},
    "inline constexpr std::size_t planted_max = 64 * KiB;": {"proxy/p.h: planted_max": "64 KiB"},
    "static constexpr std::size_t planted_max = other_max;": {"proxy/p.h: planted_max": None},
    "// constexpr std::size_t planted_max = 1;": {},
    "constexpr std::size_t planted = 1;": {},
}


@pytest.mark.parametrize("text", PLANTED)
def test_a_planted_bound_is_found(text):
    assert constants_of("proxy/p.h", text) == PLANTED[text]
