// A throw-away certificate authority for tests: the openssl command line in a temporary folder, which is deleted when
// the tests end. Keys are generated for every run and never committed.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "x509/identity.h"
#include "x509/pem.h"

namespace kferry::x509 {

class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "kferry-tls-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = pattern;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

  // Runs a shell command in the folder. Its output goes to `log`.
  void run(const std::string& command) const {
    if (!runs(command)) throw std::runtime_error("failed: " + command + "\n" + text("log"));
  }
  bool runs(const std::string& command) const {
    return std::system(("cd " + path_.string() + " && ( " + command + " ) >log 2>&1 </dev/null").c_str()) ==
           0;
  }

  std::string text(const std::string& name) const {
    std::ifstream file(path_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  Bytes bytes(const std::string& name) const {
    const std::string all = text(name);
    const auto bytes = std::as_bytes(std::span(all));
    return {bytes.begin(), bytes.end()};
  }
  void write(const std::string& name, std::string_view text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
  }

 private:
  std::filesystem::path path_;
};

struct Wish {
  std::string subject = "/O=Example/CN=localhost";
  std::string names = "DNS:localhost,IP:127.0.0.1,IP:::1";
  std::string key = "ec -pkeyopt ec_paramgen_curve:P-256";
  std::string dates = "-days 30";
  std::string usage = "serverAuth,clientAuth";
};

class Authority {
 public:
  explicit Authority(const std::string& name = "Kferry Test CA") {
    folder_.write("ca.cnf", R"([ca]
default_ca = this
[this]
dir = .
database = ./index.txt
new_certs_dir = .
rand_serial = yes
certificate = ./ca.crt
private_key = ./ca.key
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
default_crl_days = 30
[any]
countryName = optional
organizationName = optional
organizationalUnitName = optional
commonName = optional
)");
    folder_.write("index.txt", "");
    folder_.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt "
        "-days 30 "
        "-subj '/CN=" +
        name + "'");
  }

  const Folder& folder() const { return folder_; }

  // Creates NAME.crt and NAME.key (PKCS#8) in the folder.
  Identity issue(const std::string& name, const Wish& wish) const {
    folder_.run("openssl req -new -newkey " + wish.key + " -nodes -keyout " + name + ".key -out " + name +
                ".csr -subj '" + wish.subject + "' -addext 'subjectAltName=" + wish.names +
                "' -addext 'extendedKeyUsage=" + wish.usage +
                "' -addext 'basicConstraints=CA:FALSE' && openssl ca -batch -config ca.cnf -notext -in " +
                name + ".csr -out " + name + ".crt " + wish.dates);
    Identity identity;
    identity.chain.push_back(der(name + ".crt"));
    identity.key = Secret(der(name + ".key"));
    return identity;
  }

  Bytes certificate() const { return der("ca.crt"); }

  Bytes revocations() const {
    folder_.run("openssl ca -config ca.cnf -gencrl -out crl.pem");
    return der("crl.pem");
  }
  void revoke(const std::string& name) const {
    folder_.run("openssl ca -config ca.cnf -revoke " + name + ".crt");
  }

  Bytes der(const std::string& file) const {
    const std::string text = folder_.text(file);
    auto blocks = read_pem(text);
    if (blocks.empty()) throw std::runtime_error("no PEM in " + file);
    return blocks.front().bytes;
  }

 private:
  Folder folder_;
};

// The certificates that most tests share, made once.
struct Certificates {
  Authority authority;
  Authority stranger{"Another CA"};
  Identity ec = authority.issue("ec", {});
  Identity rsa = authority.issue("rsa", {.key = "rsa:2048"});
  Identity client = authority.issue("client", {.subject = "/O=Example/OU=Apps/CN=app-1"});
};

inline const Certificates& certificates() {
  static const Certificates all;
  return all;
}

}  // namespace kferry::x509
