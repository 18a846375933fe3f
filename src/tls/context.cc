#include "tls/context.h"

#include <wolfssl/options.h>
// The options come first: they decide the layout of what the others declare.
#include <wolfssl/error-ssl.h>
#include <wolfssl/ssl.h>
#include <wolfssl/version.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <fstream>
#include <iterator>
#include <utility>

#include "base/assert.h"
#include "tls/cipher_names.h"
#include "tls/digests.h"
#include "x509/certificate.h"
#include "x509/key_match.h"
#include "x509/pem.h"
#include "x509/subject_rule.h"

#if !defined(ATOMIC_USER) || !defined(HAVE_SESSION_TICKET) || !defined(WOLFSSL_ALWAYS_VERIFY_CB) || \
    !defined(WOLFSSL_TLS13) || !defined(HAVE_SNI) || !defined(HAVE_EXT_CACHE) || !defined(KFERRY_WOLFSSL)
#error "this wolfSSL lacks features that src/tls needs: build it with scripts/wolfssl.py"
#endif

namespace kferry::tls {
namespace {

static_assert(MAX_CHAIN_DEPTH == x509::chain_size_max);
static_assert(WOLFSSL_TICKET_NAME_SZ == ticket_key_name_size && WOLFSSL_TICKET_IV_SZ >= ticket_nonce_size &&
              WOLFSSL_TICKET_MAC_SZ >= ticket_tag_size);

// Where distributions keep the host's trusted authorities. OpenSSL and Go look in the same places.
constexpr std::array system_authorities{
    "/etc/ssl/certs/ca-certificates.crt",                 // Debian, Ubuntu, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",                   // Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",                             // openSUSE
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  // RHEL 7 and newer
    "/etc/ssl/cert.pem",                                  // Alpine's OpenSSL
};

const unsigned char* in(std::span<const std::byte> bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

void start_library() {
  static const bool started = wolfSSL_Init() == WOLFSSL_SUCCESS;
  KFERRY_ASSERT(started);
}

std::unexpected<Failure> fail(std::string_view cause, std::string text) {
  return std::unexpected(Failure{cause, std::move(text)});
}

using Method = WOLFSSL_METHOD* (*)();

std::expected<ContextPtr, Failure> make_raw(const Offer& offer, Method only_1_2, Method only_1_3,
                                            Method both) {
  start_library();
  auto ciphers = read_ciphers(offer.ciphers);
  if (!ciphers) return std::unexpected(std::move(ciphers.error()));
  // A list without ciphers of a version excludes that version, as in Java, where one list serves both.
  const std::string list = ":" + *ciphers;
  const bool has_1_3 = list.find(":TLS13-") != std::string::npos;
  const bool has_1_2 = list.find(":ECDHE-") != std::string::npos;
  const Version lowest = has_1_2 ? offer.lowest : Version::tls_1_3;
  const Version highest = has_1_3 ? offer.highest : Version::tls_1_2;
  if (lowest > highest) {
    return fail(
        "versions_empty",
        "no TLS version is left: the lowest is above the highest, or no cipher given belongs to them");
  }
  const Method method = lowest == Version::tls_1_3 ? only_1_3 : highest == Version::tls_1_2 ? only_1_2 : both;
  ContextPtr context(wolfSSL_CTX_new(method()));
  KFERRY_ASSERT(context != nullptr);
  if (method == both)
    KFERRY_ASSERT(wolfSSL_CTX_SetMinVersion(context.get(), WOLFSSL_TLSV1_2) == WOLFSSL_SUCCESS);
  if (wolfSSL_CTX_set_cipher_list(context.get(), ciphers->c_str()) != WOLFSSL_SUCCESS) {
    return fail("cipher_unknown", "this wolfSSL supports none of the ciphers " + *ciphers);
  }
  auto curves = read_curves(offer.curves);
  if (!curves) return std::unexpected(std::move(curves.error()));
  if (method == only_1_2) {
    for (const int group : *curves) {
      KFERRY_ASSERT(wolfSSL_CTX_UseSupportedCurve(context.get(), static_cast<word16>(group)) ==
                    WOLFSSL_SUCCESS);
    }
  } else if (wolfSSL_CTX_set_groups(context.get(), curves->data(), static_cast<int>(curves->size())) !=
             WOLFSSL_SUCCESS) {
    return fail("curve_unknown", "this wolfSSL lacks one of the curves " + offer.curves);
  }
  // Sessions are kept in tickets and in Sessions, not in wolfSSL's table, which locks across threads.
  wolfSSL_CTX_set_session_cache_mode(context.get(), WOLFSSL_SESS_CACHE_OFF);
  wolfSSL_CTX_set_timeout(context.get(), ticket_lifetime_s);
  return context;
}

// Checks the leaf strictly, because clients depend on it. The rest of the chain is sent unchanged, because clients
// build their own paths and ignore what does not fit.
std::expected<void, Failure> use_identity(WOLFSSL_CTX* context, const Identity& identity, std::int64_t now_s,
                                          std::vector<ContextNote>& notes) {
  if (identity.chain.empty())
    return fail("certificate_missing", "the certificate is missing: give one with its key");
  if (identity.key.empty()) {
    return fail("key_missing", "the private key of the certificate is missing: give the key, too");
  }
  std::string pem;
  const auto leaf = x509::read_certificate(identity.chain.front());
  if (!leaf) return std::unexpected(leaf.error());
  if (std::string problem = x509::validity_problem(*leaf, now_s); !problem.empty())
    return fail("certificate_not_valid_now", problem);
  for (std::size_t i = 0; i < identity.chain.size(); ++i) {
    const auto certificate = x509::read_certificate(identity.chain[i]);
    if (!certificate) return std::unexpected(certificate.error());
    if (const std::string problem = x509::validity_problem(*certificate, now_s); !problem.empty()) {
      notes.push_back(
          {Part::identity,
           {"chain_certificate_not_valid_now",
            problem + " or remove it from the chain: it is sent all the same, and clients that know "
                      "another path ignore it",
            true}});
    }
    pem += x509::write_pem("CERTIFICATE", identity.chain[i]);
  }
  const auto unusable = [&](std::string_view what) {
    return fail("certificate_unusable",
                "the certificate of " + leaf->names.subject + " has a key of the kind " + leaf->key_type +
                    ", " + std::string(what) + ": use RSA, EC (P-256, P-384, P-521) or Ed25519");
  };
  if (leaf->key_bits > x509::key_bits_max) {
    return fail("certificate_unusable", "the certificate of " + leaf->names.subject + " has a key of " +
                                            std::to_string(leaf->key_bits) + " bits: at most " +
                                            std::to_string(x509::key_bits_max) + " are served");
  }
  const int chained = wolfSSL_CTX_use_certificate_chain_buffer(
      context, reinterpret_cast<const unsigned char*>(pem.data()), static_cast<long>(pem.size()));
  if (chained != WOLFSSL_SUCCESS) return unusable("which kferry cannot serve");
  const auto key = identity.key.bytes();
  if (wolfSSL_CTX_use_PrivateKey_buffer(context, in(key), static_cast<long>(key.size()),
                                        WOLFSSL_FILETYPE_ASN1) != WOLFSSL_SUCCESS) {
    return fail("key_malformed",
                "the private key cannot be used: give an RSA, EC (P-256, P-384, P-521) or Ed25519 key");
  }
  if (!x509::keys_match(leaf->public_key, key)) {
    return fail("key_mismatch", "the private key does not belong to the certificate of " +
                                    leaf->names.subject + ": give the two that were made together");
  }
  return {};
}

// Whether wolfSSL knows the name of the signature algorithm that such a key signs certificates with.
constexpr std::array<std::string_view, 3> known_signers{"RSA", "EC ", "Ed25519"};

std::expected<std::shared_ptr<const x509::TrustStore>, Failure> make_trust(
    const x509::TrustSettings& settings, std::int64_t now_s, std::vector<ContextNote>& notes) {
  std::vector<x509::Note> found;
  auto made = x509::TrustStore::make(settings, now_s, found);
  for (const Bytes& der : settings.certificates) {
    const auto certificate = x509::read_certificate(der);
    if (!certificate || std::ranges::any_of(known_signers, [&](std::string_view kind) {
          return certificate->key_type.starts_with(kind);
        }))
      continue;
    found.push_back({"authority_unusable",
                     "the certificate of " + certificate->names.subject + " has a key of the kind " +
                         certificate->key_type +
                         ", which the TLS library does not know: peers whose "
                         "certificates it signed are refused",
                     true});
  }
  for (x509::Note& note : found) {
    const Part part = note.cause.starts_with("revocations_") ? Part::revocations : Part::authorities;
    notes.push_back({part, std::move(note)});
  }
  return made;
}

std::vector<Bytes> authorities_of_system() {
  std::vector<Bytes> authorities;
  for (const char* path : system_authorities) {
    std::ifstream file(path, std::ios::binary);
    if (!file) continue;
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    for (x509::PemBlock& block : x509::read_pem(text)) {
      if (block.label == "CERTIFICATE" && block.well_formed) authorities.push_back(std::move(block.bytes));
    }
    if (!authorities.empty()) break;
  }
  return authorities;
}

// wolfSSL builds the structure of RFC 5077: name, iv and mac around the sealed state.
int on_ticket(WOLFSSL* ssl, unsigned char name[], unsigned char iv[], unsigned char mac[], int encrypt,
              unsigned char* ticket, int in_size, int* out_size, void* owner) {
  const auto& context = *static_cast<const ServerContext*>(owner);
  const std::span bytes(reinterpret_cast<std::byte*>(ticket), static_cast<std::size_t>(in_size));
  *out_size = in_size;
  if (encrypt != 0) {
    const TicketKeys::Sealed sealed = context.tickets()->seal(bytes, context.ticket_binding());
    std::fill_n(iv, WOLFSSL_TICKET_IV_SZ, '\0');
    std::fill_n(mac, WOLFSSL_TICKET_MAC_SZ, '\0');
    std::ranges::copy(sealed.name, reinterpret_cast<std::byte*>(name));
    std::ranges::copy(sealed.nonce, reinterpret_cast<std::byte*>(iv));
    std::ranges::copy(sealed.tag, reinterpret_cast<std::byte*>(mac));
    return WOLFSSL_TICKET_RET_OK;
  }
  TicketKeys::Sealed sealed;
  std::copy_n(reinterpret_cast<const std::byte*>(name), sealed.name.size(), sealed.name.begin());
  std::copy_n(reinterpret_cast<const std::byte*>(iv), sealed.nonce.size(), sealed.nonce.begin());
  std::copy_n(reinterpret_cast<const std::byte*>(mac), sealed.tag.size(), sealed.tag.begin());
  switch (context.tickets()->open(bytes, sealed, context.ticket_binding())) {
    case TicketKeys::Opened::yes:
      return WOLFSSL_TICKET_RET_OK;
    case TicketKeys::Opened::yes_renew:
      // In TLS 1.3 a new ticket is always sent, and wolfSSL 5.9 would take this answer for a refusal.
      return wolfSSL_version(ssl) == TLS1_3_VERSION ? WOLFSSL_TICKET_RET_OK : WOLFSSL_TICKET_RET_CREATE;
    case TicketKeys::Opened::no:
      break;
  }
  return WOLFSSL_TICKET_RET_REJECT;
}

}  // namespace

void FreeContext::operator()(WOLFSSL_CTX* context) const {
  wolfSSL_CTX_free(context);
}

std::string_view library_version() {
  return "wolfSSL " LIBWOLFSSL_VERSION_STRING;
}

std::expected<std::shared_ptr<const ServerContext>, Failure> ServerContext::make(
    const ServerSettings& settings, std::shared_ptr<TicketKeys> tickets) {
  auto raw = make_raw(settings.offer, wolfTLSv1_2_server_method, wolfTLSv1_3_server_method,
                      wolfSSLv23_server_method);
  if (!raw) return std::unexpected(std::move(raw.error()));
  const std::int64_t now_s = settings.wall_clock();
  std::vector<ContextNote> notes;
  if (auto used = use_identity(raw->get(), settings.identity, now_s, notes); !used)
    return std::unexpected(std::move(used.error()));
  std::shared_ptr<const x509::TrustStore> trust;
  if (settings.client_auth != ClientAuth::none) {
    if (settings.client_cas.empty()) {
      return fail("client_authorities_missing",
                  "client certificates are asked for, but no authority is given that may sign them: give a "
                  "trust store");
    }
    x509::TrustSettings trusted{
        .role = x509::Role::client, .certificates = settings.client_cas, .revocations = settings.crls};
    for (const std::string& text : settings.required_subjects) {
      auto rule = x509::SubjectRule::parse(text);
      if (!rule) return std::unexpected(std::move(rule.error()));
      trusted.subjects.push_back(std::move(*rule));
    }
    auto made = make_trust(trusted, now_s, notes);
    if (!made) return std::unexpected(std::move(made.error()));
    trust = std::move(*made);
  }
  std::shared_ptr<ServerContext> context(new ServerContext);
  context->raw_ = std::move(*raw);
  context->offer_ = settings.offer;
  context->client_auth_ = settings.client_auth;
  context->trust_ = std::move(trust);
  context->wall_clock_ = settings.wall_clock;
  context->records_per_key_ = settings.records_per_key;
  context->notes_ = std::move(notes);
  WOLFSSL_CTX* const ctx = context->raw_.get();
  if (tickets != nullptr && settings.session_tickets && settings.client_auth == ClientAuth::none) {
    context->tickets_ = std::move(tickets);
    const Digest binding = digest(Hash::sha256, settings.identity.chain.front());
    context->ticket_binding_.assign(binding.bytes().begin(), binding.bytes().end());
    KFERRY_ASSERT(wolfSSL_CTX_set_TicketEncCb(ctx, on_ticket) == WOLFSSL_SUCCESS);
    KFERRY_ASSERT(wolfSSL_CTX_set_TicketEncCtx(ctx, context.get()) == WOLFSSL_SUCCESS);
    KFERRY_ASSERT(wolfSSL_CTX_set_TicketHint(ctx, static_cast<int>(ticket_lifetime_s)) == WOLFSSL_SUCCESS);
  } else {
    wolfSSL_CTX_no_ticket_TLSv13(ctx);  // fails if only TLS 1.2 is offered
    KFERRY_ASSERT(wolfSSL_CTX_NoTicketTLSv12(ctx) == WOLFSSL_SUCCESS);
  }
  return context;
}

std::expected<std::shared_ptr<const ClientContext>, Failure> ClientContext::make(
    const ClientSettings& settings) {
  auto raw = make_raw(settings.offer, wolfTLSv1_2_client_method, wolfTLSv1_3_client_method,
                      wolfSSLv23_client_method);
  if (!raw) return std::unexpected(std::move(raw.error()));
  const std::int64_t now_s = settings.wall_clock();
  std::vector<ContextNote> notes;
  x509::TrustSettings trusted{
      .role = x509::Role::broker, .certificates = settings.cas, .revocations = settings.crls};
  const bool of_system = trusted.certificates.empty();
  if (of_system) trusted.certificates = authorities_of_system();
  if (trusted.certificates.empty()) {
    return fail("authorities_missing",
                "this host has no trusted authorities: install ca-certificates, or give a trust store");
  }
  auto trust = make_trust(trusted, now_s, notes);
  if (!trust) return std::unexpected(std::move(trust.error()));
  // The operator does not maintain the host's list.
  if (of_system) std::erase_if(notes, [](const ContextNote& note) { return note.part == Part::authorities; });
  if (settings.identity) {
    if (auto done = use_identity(raw->get(), *settings.identity, now_s, notes); !done)
      return std::unexpected(done.error());
  }
  std::shared_ptr<ClientContext> context(new ClientContext);
  context->raw_ = std::move(*raw);
  context->trust_ = std::move(*trust);
  context->wall_clock_ = settings.wall_clock;
  context->records_per_key_ = settings.records_per_key;
  context->notes_ = std::move(notes);
  context->verify_host_name_ = settings.verify_host_name;
  context->has_identity_ = settings.identity.has_value();
  if (settings.resume_sessions) context->sessions_ = std::make_unique<Sessions>();
  return context;
}

void Sessions::keep(const std::string& peer, Bytes session, std::int64_t good_until_s) {
  const std::lock_guard lock(mutex_);
  if (sessions_.size() >= kept_sessions_max && !sessions_.contains(peer)) sessions_.erase(sessions_.begin());
  sessions_.insert_or_assign(peer, Kept{Secret(std::move(session)), good_until_s});
}

Bytes Sessions::take(const std::string& peer, std::int64_t now_s, std::int64_t& good_until_s) {
  const std::lock_guard lock(mutex_);
  const auto node = sessions_.extract(peer);
  if (node.empty() || now_s > node.mapped().good_until_s) return {};
  good_until_s = node.mapped().good_until_s;
  const auto bytes = node.mapped().session.bytes();
  return Bytes(bytes.begin(), bytes.end());
}

std::size_t Sessions::size() const {
  const std::lock_guard lock(mutex_);
  return sessions_.size();
}

void Sessions::keep_from(WOLFSSL* ssl, const std::string& peer, std::int64_t good_until_s) {
  WOLFSSL_SESSION* const session = wolfSSL_get1_session(ssl);
  if (session == nullptr) return;
  const int size = wolfSSL_i2d_SSL_SESSION(session, nullptr);
  if (size > 0) {
    Bytes bytes(static_cast<std::size_t>(size));
    auto* at = reinterpret_cast<unsigned char*>(bytes.data());
    if (wolfSSL_i2d_SSL_SESSION(session, &at) == size) keep(peer, std::move(bytes), good_until_s);
  }
  wolfSSL_SESSION_free(session);
}

std::optional<std::int64_t> Sessions::resume(const std::string& peer, WOLFSSL* ssl, std::int64_t now_s) {
  std::int64_t good_until_s = 0;
  Bytes kept = take(peer, now_s, good_until_s);
  if (kept.empty()) return std::nullopt;
  const unsigned char* at = in(kept);
  WOLFSSL_SESSION* const session = wolfSSL_d2i_SSL_SESSION(nullptr, &at, static_cast<long>(kept.size()));
  // If wolfSSL refuses the session, the handshake is a full one.
  const bool offered = session != nullptr && wolfSSL_set_session(ssl, session) == WOLFSSL_SUCCESS;
  wolfSSL_SESSION_free(session);
  wipe(kept);
  return offered ? std::optional(good_until_s) : std::nullopt;
}

}  // namespace kferry::tls
