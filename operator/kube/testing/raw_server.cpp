#include "operator/kube/testing/raw_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <format>
#include <stdexcept>

// cpprestsdk ends its threads after OpenSSL is gone, which then frees nothing of what it kept for each:
// errors, and random numbers, which are asked for too deep down to see the thread. The fast unwinder sees no
// further than OpenSSL.
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" const char* __lsan_default_suppressions() {
  return "leak:boost_asio_detail_posix_thread_function\nleak:RAND_bytes_ex\nleak:RAND_priv_bytes_ex";
}
extern "C" const char* __asan_default_options() {
  return "fast_unwind_on_malloc=0";
}
// NOLINTEND(bugprone-reserved-identifier)

namespace pilotlight::kube {
namespace {

template <typename T, void (*Free)(T*)>
struct Deleter {
  void operator()(T* pointer) const { Free(pointer); }
};
using BioPtr = std::unique_ptr<BIO, Deleter<BIO, BIO_free_all>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY, EVP_PKEY_free>>;
using CertPtr = std::unique_ptr<X509, Deleter<X509, X509_free>>;
using SslPtr = std::unique_ptr<SSL, Deleter<SSL, SSL_free>>;
using ContextPtr = std::unique_ptr<SSL_CTX, Deleter<SSL_CTX, SSL_CTX_free>>;

std::string Text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

void AddExtension(X509* certificate, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (extension == nullptr) throw std::runtime_error("extension " + value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

BioPtr Reader(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

class SocketConnection final : public RawServer::Connection {
 public:
  SocketConnection(int fd, SslPtr ssl) : fd_(fd), ssl_(std::move(ssl)) {}

  std::string ReadRequest() override {
    std::string text;
    std::size_t wanted = std::string::npos;
    while (text.size() < wanted) {
      char byte = 0;
      if (!ReadByte(byte)) return {};
      text += byte;
      if (wanted == std::string::npos && text.ends_with("\r\n\r\n")) {
        const auto at = text.find("Content-Length:");
        wanted = text.size() + (at == std::string::npos ? 0 : std::stoul(text.substr(at + 15)));
      }
    }
    return text;
  }
  bool Write(const std::string& bytes) override {
    if (ssl_) return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) > 0;
    for (std::size_t done = 0; done < bytes.size();) {
      const auto size = ::send(fd_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
      if (size <= 0) return false;
      done += static_cast<std::size_t>(size);
    }
    return true;
  }
  void AwaitClose() override {
    char byte = 0;
    while (ReadByte(byte)) {
    }
  }
  std::string server_name() const override {
    const char* name = ssl_ ? SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name) : nullptr;
    return name == nullptr ? "" : name;
  }

 private:
  bool ReadByte(char& byte) {
    return ssl_ ? SSL_read(ssl_.get(), &byte, 1) == 1 : ::recv(fd_, &byte, 1, 0) == 1;
  }

  const int fd_;
  const SslPtr ssl_;
};

}  // namespace

TestCertificate MakeCertificate(const std::string& names) {
  const KeyPtr key(EVP_EC_gen("P-256"));
  const CertPtr certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* const name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1,
                             0);
  X509_set_issuer_name(certificate.get(), name);
  AddExtension(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(certificate.get(), NID_subject_alt_name, names);
  X509_sign(certificate.get(), key.get(), EVP_sha256());
  const BioPtr certificate_text(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(certificate_text.get(), certificate.get());
  const BioPtr key_text(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return {Text(certificate_text.get()), Text(key_text.get())};
}

struct RawServer::Tls {
  explicit Tls(const Options& options) : context(SSL_CTX_new(TLS_server_method())) {
    const CertPtr certificate(
        PEM_read_bio_X509(Reader(options.tls.certificate).get(), nullptr, nullptr, nullptr));
    const KeyPtr key(PEM_read_bio_PrivateKey(Reader(options.tls.key).get(), nullptr, nullptr, nullptr));
    SSL_CTX_use_certificate(context.get(), certificate.get());
    SSL_CTX_use_PrivateKey(context.get(), key.get());
    if (options.max_tls_version != 0) {
      SSL_CTX_set_security_level(context.get(), 0);
      SSL_CTX_set_min_proto_version(context.get(), 0);
      SSL_CTX_set_max_proto_version(context.get(), options.max_tls_version);
    }
    if (!options.client_ca.empty()) {
      const CertPtr authority(PEM_read_bio_X509(Reader(options.client_ca).get(), nullptr, nullptr, nullptr));
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), authority.get());
      SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
  }
  const ContextPtr context;
};

RawServer::RawServer(Handler handler, Options options)
    : handler_(std::move(handler)), options_(std::move(options)) {
  if (!options_.tls.key.empty()) tls_ = std::make_unique<Tls>(options_);
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener_, generic, size) != 0 || ::listen(listener_, 16) != 0) {
    throw std::runtime_error("cannot listen on loopback");
  }
  ::getsockname(listener_, generic, &size);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::jthread([this](const std::stop_token& stop) { Accept(stop); });
}

RawServer::~RawServer() {
  acceptor_.request_stop();
  acceptor_.join();
  {
    const std::scoped_lock lock(mutex_);
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
  }
  threads_.clear();
  for (const int fd : open_) ::close(fd);
  ::close(listener_);
}

std::string RawServer::url() const {
  return std::format("{}://127.0.0.1:{}", tls_ ? "https" : "http", port_);
}

void RawServer::Accept(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    pollfd waiting{listener_, POLLIN, 0};
    if (::poll(&waiting, 1, 20) <= 0) continue;
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    ++connections_;
    const std::scoped_lock lock(mutex_);
    open_.push_back(fd);
    threads_.emplace_back([this, fd] {
      SslPtr ssl;
      if (tls_) {
        ssl.reset(SSL_new(tls_->context.get()));
        SSL_set_fd(ssl.get(), fd);
        if (SSL_accept(ssl.get()) != 1) {
          ::shutdown(fd, SHUT_RDWR);
          return;
        }
      }
      SocketConnection connection(fd, std::move(ssl));
      handler_(connection);
      ::shutdown(fd, SHUT_RDWR);
    });
  }
}

std::string Answer(int status, const std::string& body, const std::string& headers) {
  return std::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\n{}\r\n{}", status, body.size(), headers, body);
}

std::string Chunk(const std::string& bytes) {
  return std::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
}

}  // namespace pilotlight::kube
