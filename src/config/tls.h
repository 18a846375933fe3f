// The configuration of TLS as plain structs, complete and valid as far as the text alone shows: no file
// is opened here (certificates/tls_contexts.h reads them), and names of ciphers and curves are the library's to
// know.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kferry::config {

enum class TlsVersion : std::uint8_t { tls_1_2, tls_1_3 };
enum class ClientAuth : std::uint8_t { none, optional, require };

// A text with the place where it was written: "kferry.toml:12" or a variable's name.
struct Written {
  std::string text;
  std::string where;
};

// A secret, with the file that it came from, because it may change together with what it opens.
struct Password {
  std::string text;
  std::string path;  // empty: the configuration itself contains it

  friend bool operator==(const Password& given, std::string_view other) { return given.text == other; }
};

// A file of certificates or keys, or their PEM itself. The content decides between PEM, PKCS12 and JKS.
struct Store {
  std::string where;  // the place that names it, for messages
  std::string path;   // empty: `text` is the PEM
  std::string text;   // secret where it may hold a key
  std::optional<Password> password;
  std::string password_name;  // what to set if the password is wrong or missing
};

// A certificate with its chain and its key.
struct Identity {
  Store certificates;                    // contains the key too, unless `key` is given
  std::optional<Store> key;              // in a file or text of its own
  std::optional<Password> key_password;  // nullopt: the store's password also opens the key
  std::string key_password_name;
  // The key to use of a store with several. Empty: the one whose certificate names one of the hosts.
  std::string key_alias;
  std::string key_alias_name;  // what to set to choose a key; empty: no setting exists
  // The names that the certificate should have; `{{nodeId}}` matches any broker's id. Empty for a
  // client's.
  std::vector<std::string> hosts;
};

// The versions, ciphers and curves to offer; an empty list leaves the choice to the library.
struct TlsOffer {
  TlsVersion lowest = TlsVersion::tls_1_2;
  TlsVersion highest = TlsVersion::tls_1_3;
  Written ciphers;  // OpenSSL's or Java's names, separated by commas or colons
  Written curves;
};

struct ListenerTls {
  TlsOffer offer;
  Identity identity;
  ClientAuth client_auth = ClientAuth::none;
  std::optional<Store> client_authorities;  // set unless client_auth is none
  std::optional<Store> revocations;
  std::vector<std::string>
      required_subjects;  // globs over RFC 2253 subjects, one of which must match; empty: any
};

struct UpstreamTls {
  TlsOffer offer;
  std::optional<Store> authorities;  // nullopt: the system's
  std::optional<Store> revocations;
  std::optional<Identity> identity;
  bool verify_host_name = true;
};

}  // namespace kferry::config
