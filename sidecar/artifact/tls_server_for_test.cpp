#include "sidecar/artifact/tls_server_for_test.h"

#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <format>
#include <memory>
#include <stdexcept>

namespace pilotlight::artifact {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Key make_key() {
  return {EVP_EC_gen("P-256"), EVP_PKEY_free};
}

void extend(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// A certificate of `subject`; signed by `issuer`, or by itself if there is none.
Certificate make_certificate(const char* subject, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key) {
  Certificate certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), issuer == nullptr ? 1 : 2);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(subject), -1, -1, 0);
  X509* signer = issuer == nullptr ? certificate.get() : issuer;
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer));
  X509_set_pubkey(certificate.get(), key);
  if (issuer == nullptr) {
    extend(certificate.get(), signer, NID_basic_constraints, "critical,CA:TRUE");
  } else {
    extend(certificate.get(), signer, NID_subject_alt_name, "DNS:localhost");
  }
  X509_sign(certificate.get(), issuer == nullptr ? key : issuer_key, EVP_sha256());
  return certificate;
}

std::string pem(X509* certificate) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
  PEM_write_bio_X509(out.get(), certificate);
  char* data = nullptr;
  const auto size = BIO_get_mem_data(out.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

}  // namespace

TlsServerForTest::TlsServerForTest(std::string body, Version version, std::string redirect,
                                   std::size_t stall_after)
    : body_(std::move(body)), redirect_(std::move(redirect)), stall_after_(stall_after) {
  // A client that refuses the certificate is gone before the answer is written; as in main().
  std::signal(SIGPIPE, SIG_IGN);
  const auto ca_key = make_key();
  const auto key = make_key();
  const auto ca = make_certificate("test CA", ca_key.get(), nullptr, nullptr);
  const auto certificate = make_certificate("localhost", key.get(), ca.get(), ca_key.get());
  ca_ = pem(ca.get());
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_use_certificate(context, certificate.get());
  SSL_CTX_use_PrivateKey(context, key.get());
  if (version == Version::kOld) {
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION);
  }
  context_ = context;

  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 8) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("no port for the test's server");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

TlsServerForTest::~TlsServerForTest() {
  stopping_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
  SSL_CTX_free(static_cast<SSL_CTX*>(context_));
}

void TlsServerForTest::run() {
  while (!stopping_) {
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    answer(connection);
    ::close(connection);
  }
}

void TlsServerForTest::answer(int connection) {
  const std::unique_ptr<SSL, decltype(&SSL_free)> tls(SSL_new(static_cast<SSL_CTX*>(context_)), SSL_free);
  SSL_set_fd(tls.get(), connection);
  if (SSL_accept(tls.get()) != 1) return;
  char request[4096];
  if (SSL_read(tls.get(), request, sizeof request) <= 0) return;
  auto head = redirect_.empty()
                  ? std::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body_.size())
                  : std::format("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", redirect_);
  head += body_.substr(0, stall_after_);
  SSL_write(tls.get(), head.data(), static_cast<int>(head.size()));
  if (stall_after_ < body_.size()) {
    while (SSL_read(tls.get(), request, sizeof request) > 0) {
    }
  }
  SSL_shutdown(tls.get());
}

}  // namespace pilotlight::artifact
