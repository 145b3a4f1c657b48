#include "sidecar/front/split/identity.h"

#include <openssl/ec.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <optional>
#include <stdexcept>

namespace pilotlight::front {
namespace {

namespace ssl = boost::asio::ssl;

constexpr long kTenYears = 10L * 365 * 24 * 3600;

std::optional<Fingerprint> fingerprint_of(const X509* certificate) {
  Fingerprint result{};
  if (certificate == nullptr ||
      X509_digest(certificate, EVP_sha256(), reinterpret_cast<unsigned char*>(result.data()), nullptr) != 1) {
    return std::nullopt;
  }
  return result;
}

// Instead of OpenSSL's own looking at names, issuers and dates, of which there are none that mean anything.
// That the other side has the certificate's key, TLS has it prove.
std::optional<Fingerprint> shown(X509_STORE_CTX* store) {
  return fingerprint_of(X509_STORE_CTX_get0_cert(store));
}

int judge_caller(X509_STORE_CTX* store, void* accepts) {
  const auto caller = shown(store);
  const bool good = caller && (*static_cast<const HopIdentity::Accepts*>(accepts))(*caller);
  if (!good) X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
  return good ? 1 : 0;
}

// Where a connection keeps what its peer's certificate must be.
int expected_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

int judge_peer(X509_STORE_CTX* store, void* /*unused*/) {
  const auto* connection =
      static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const auto* expected = static_cast<const Fingerprint*>(SSL_get_ex_data(connection, expected_index()));
  const auto peer = shown(store);
  const bool good = expected != nullptr && peer && *peer == *expected;
  if (!good) X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
  return good ? 1 : 0;
}

std::shared_ptr<X509> make_certificate(EVP_PKEY* key) {
  std::shared_ptr<X509> certificate(X509_new(), X509_free);
  if (!certificate) return nullptr;
  auto* name = X509_get_subject_name(certificate.get());
  constexpr unsigned char kName[] = "pilotlight hop";
  const bool made =
      X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
      ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1) == 1 &&
      X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kTenYears) != nullptr &&
      X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kTenYears) != nullptr &&
      X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, kName, sizeof kName - 1, -1, 0) == 1 &&
      X509_set_issuer_name(certificate.get(), name) == 1 && X509_set_pubkey(certificate.get(), key) == 1 &&
      X509_sign(certificate.get(), key, EVP_sha256()) != 0;
  return made ? certificate : nullptr;
}

}  // namespace

HopIdentity::HopIdentity() : key_(EVP_EC_gen("P-256"), EVP_PKEY_free) {
  if (key_) certificate_ = make_certificate(key_.get());
  const auto fingerprint = fingerprint_of(certificate_.get());
  if (!fingerprint) throw std::runtime_error("OpenSSL makes no key for the hop between pods");
  fingerprint_ = *fingerprint;
}

void HopIdentity::present(ssl::context& context) const {
  auto* native = context.native_handle();
  SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(native, SSL_OP_NO_TICKET);
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
  if (SSL_CTX_set_min_proto_version(native, TLS1_3_VERSION) != 1 || SSL_CTX_set_num_tickets(native, 0) != 1 ||
      SSL_CTX_use_certificate(native, certificate_.get()) != 1 ||
      SSL_CTX_use_PrivateKey(native, key_.get()) != 1) {
    throw std::runtime_error("OpenSSL cannot be set up for the hop between pods");
  }
}

std::unique_ptr<HopIdentity::Server> HopIdentity::server(Accepts accepts) const {
  std::unique_ptr<Server> result(new Server(std::move(accepts)));
  present(result->context_);
  auto* native = result->context_.native_handle();
  SSL_CTX_set_verify(native, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(native, judge_caller, &result->accepts_);
  return result;
}

std::unique_ptr<ssl::context> HopIdentity::client() const {
  auto result = std::make_unique<ssl::context>(ssl::context::tlsv13_client);
  present(*result);
  SSL_CTX_set_verify(result->native_handle(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(result->native_handle(), judge_peer, nullptr);
  return result;
}

void HopIdentity::expect(SSL* connection, const Fingerprint& certificate) {
  // OpenSSL takes no const here, and changes nothing.
  SSL_set_ex_data(connection, expected_index(), const_cast<Fingerprint*>(&certificate));
}

}  // namespace pilotlight::front
