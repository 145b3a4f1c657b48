#pragma once

#include <boost/asio/ssl/context.hpp>
#include <functional>
#include <memory>

#include "sidecar/front/split/fingerprint.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY
struct x509_st;      // and X509
struct ssl_st;       // and SSL

namespace pilotlight::front {

// Who this front is on the hop: a key (ECDSA on P-256) and a certificate of its own making, new at each start
// and never written anywhere. TLS 1.3 alone, without resumption, so that each connection proves again who is
// at its other end; of a certificate only the fingerprint counts. Runs on the loop's thread.
class HopIdentity {
 public:
  // Throws std::runtime_error if OpenSSL makes no key.
  HopIdentity();

  const Fingerprint& fingerprint() const { return fingerprint_; }

  using Accepts = std::function<bool(const Fingerprint&)>;
  // A context for the hop's port: whoever connects must have a certificate that `accepts` knows. Must be kept
  // for as long as its connections.
  class Server {
   public:
    boost::asio::ssl::context& context() { return context_; }

   private:
    friend class HopIdentity;
    explicit Server(Accepts accepts)
        : accepts_(std::move(accepts)), context_(boost::asio::ssl::context::tlsv13_server) {}
    Accepts accepts_;
    boost::asio::ssl::context context_;
  };
  std::unique_ptr<Server> server(Accepts accepts) const;

  // A context to connect with. A connection is refused unless expect() has said whose it must be.
  std::unique_ptr<boost::asio::ssl::context> client() const;
  // The certificate must outlive the connection.
  static void expect(ssl_st* connection, const Fingerprint& certificate);

 private:
  void present(boost::asio::ssl::context& context) const;

  std::shared_ptr<evp_pkey_st> key_;
  std::shared_ptr<x509_st> certificate_;
  Fingerprint fingerprint_{};
};

}  // namespace pilotlight::front
