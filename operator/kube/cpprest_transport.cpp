// cpprestsdk is archived and has traps; each is dealt with here, and nowhere else:
//  - a body goes into a write-only sink, never into its unbounded default buffer;
//  - it trusts the system's roots besides ours: the context is;
//  - TLS has no lower bound by default, and SNI is sent for IP addresses;
//  - redirects would be followed with our Authorization: none are;
//  - its time-out restarts with every step: deadlines are ours, by cancellation, one token source per
//  request;
//  - cancel() is only called from our own threads, and with no lock held;
//  - nobody waits inside a continuation: the callers' threads do;
//  - outstanding requests at exit crash it: the destructor cancels and waits.
#include "operator/kube/cpprest_transport.h"

#include <cpprest/astreambuf.h>
#include <cpprest/http_client.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pplx/threadpool.h>

#include <atomic>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <condition_variable>
#include <mutex>
#include <set>

#include "common/log/log.h"
#include "operator/kube/line_splitter.h"
#include "operator/kube/tls_files.h"

namespace pilotlight::kube {
namespace {

namespace streams = concurrency::streams;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using web::http::http_request;
using web::http::http_response;
using web::http::client::http_client;
using web::http::client::http_client_config;

// Their idle time-outs; ours are always shorter.
constexpr std::chrono::seconds kCallIdle{120};
constexpr std::chrono::hours kStreamIdle{2};
// A cancelled request ends within milliseconds, unless it hangs in a name lookup: then it is left behind.
constexpr milliseconds kCancelGrace{300};
constexpr milliseconds kExitGrace{1000};
constexpr std::size_t kErrorBodyLimit = std::size_t{256} << 10U;
constexpr const char* kUserAgent = "pilotlight-operator/0.1";

// One request under way. Shared between the caller, cpprestsdk's threads and nobody else.
class Exchange {
 public:
  enum class End : std::uint8_t { Open, Whole, Broken };

  Exchange(std::size_t body_limit, std::size_t line_limit, const LineSink* sink)
      : body_limit_(body_limit), splitter_(line_limit), sink_(sink) {}

  pplx::cancellation_token token() const { return cancel_.get_token(); }
  void Cancel() { cancel_.cancel(); }

  // Bytes can come before the status is known: they wait in `early_`.
  void OnStatus(int status, std::string retry_after) {
    const std::scoped_lock lock(mutex_);
    status_ = status;
    retry_after_ = std::move(retry_after);
    active_ = steady_clock::now();
    Consume(std::exchange(early_, {}));
    changed_.notify_all();
  }
  void OnBytes(std::string_view bytes) {
    const std::scoped_lock lock(mutex_);
    active_ = steady_clock::now();
    if (status_ == 0) {
      early_ += bytes;
    } else {
      Consume(bytes);
    }
  }
  void OnEnd(End end, std::string message) {
    const std::scoped_lock lock(mutex_);
    end_ = end;
    message_ = std::move(message);
    changed_.notify_all();
  }

  enum class Woke : std::uint8_t { Ended, Full, SinkStopped, TimedOut, Stopped };
  // Waits for the end, a deadline, silence for too long, or a stop.
  Woke Wait(std::optional<steady_clock::time_point> deadline, std::optional<milliseconds> idle,
            const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    for (;;) {
      const auto until = deadline ? *deadline : active_ + idle.value_or(std::chrono::hours(24));
      changed_.wait_until(lock, stop, until, [this] { return end_ != End::Open || full_ || sink_stopped_; });
      if (end_ != End::Open) return Woke::Ended;
      if (full_) return Woke::Full;
      if (sink_stopped_) return Woke::SinkStopped;
      if (stop.stop_requested()) return Woke::Stopped;
      // What arrived meanwhile may have moved the moment at which silence is too long.
      if (steady_clock::now() >= (deadline ? *deadline : active_ + idle.value_or(std::chrono::hours(24)))) {
        return Woke::TimedOut;
      }
    }
  }
  // After this the caller's sink is never called again.
  void Abandon(milliseconds grace) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, grace, [this] { return end_ != End::Open; });
    sink_ = nullptr;
    abandoned_ = true;
  }

  // What has become of it. Whoever asks is the last to.
  struct Outcome {
    int status = 0;
    End end = End::Open;
    bool full = false;
    std::string message;
    std::string retry_after;
    std::string body;
  };
  Outcome Take() {
    const std::scoped_lock lock(mutex_);
    return {status_, end_, full_, std::move(message_), std::move(retry_after_), std::move(body_)};
  }

 private:
  void Consume(std::string_view bytes) {  // mutex_ held
    if (abandoned_ || full_ || sink_stopped_) return;
    const bool lines = sink_ != nullptr && status_ >= 200 && status_ < 300;
    if (!lines) {
      const std::size_t limit = sink_ != nullptr ? kErrorBodyLimit : body_limit_;
      full_ = body_.size() + bytes.size() > limit;
      if (!full_) body_ += bytes;
    } else {
      const auto outcome = splitter_.Feed(bytes, *sink_);
      full_ = outcome == LineSplitter::Outcome::TooLong;
      sink_stopped_ = outcome == LineSplitter::Outcome::Stopped;
    }
    if (full_ || sink_stopped_) changed_.notify_all();
  }

  const std::size_t body_limit_;
  pplx::cancellation_token_source cancel_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  LineSplitter splitter_;
  const LineSink* sink_;
  int status_ = 0;
  End end_ = End::Open;
  bool full_ = false;
  bool sink_stopped_ = false;
  bool abandoned_ = false;
  steady_clock::time_point active_ = steady_clock::now();
  std::string early_;
  std::string retry_after_;
  std::string message_;
  std::string body_;
};

// Where cpprestsdk writes a body to. It reads the next chunk only when this one is taken, so a slow reader
// slows the server down, and memory stays flat.
class Sink final : public streams::details::streambuf_state_manager<std::uint8_t> {
 public:
  explicit Sink(std::shared_ptr<Exchange> exchange)
      : streambuf_state_manager(std::ios_base::out), exchange_(std::move(exchange)) {}

  bool can_seek() const override { return false; }
  bool has_size() const override { return false; }
  size_t buffer_size(std::ios_base::openmode /*direction*/) const override { return 0; }
  void set_buffer_size(size_t /*size*/, std::ios_base::openmode /*direction*/) override {}
  size_t in_avail() const override { return 0; }
  pos_type getpos(std::ios_base::openmode /*direction*/) const override { return pos_type(traits::eof()); }
  pos_type seekpos(pos_type /*pos*/, std::ios_base::openmode /*direction*/) override {
    return pos_type(traits::eof());
  }
  pos_type seekoff(off_type /*offset*/, std::ios_base::seekdir /*way*/,
                   std::ios_base::openmode /*mode*/) override {
    return pos_type(traits::eof());
  }
  bool acquire(std::uint8_t*& ptr, size_t& count) override {
    ptr = nullptr;
    count = 0;
    return false;
  }
  void release(std::uint8_t* /*ptr*/, size_t /*count*/) override {}

 protected:
  pplx::task<int_type> _putc(std::uint8_t byte) override {
    Put(&byte, 1);
    return pplx::task_from_result<int_type>(byte);
  }
  pplx::task<size_t> _putn(const std::uint8_t* bytes, size_t count) override {
    Put(bytes, count);
    return pplx::task_from_result(count);
  }
  pplx::task<size_t> _putn(const std::uint8_t* bytes, size_t count, bool /*copy*/) override {
    return _putn(bytes, count);
  }
  pplx::task<bool> _sync() override { return pplx::task_from_result(true); }
  std::uint8_t* _alloc(size_t /*count*/) override { return nullptr; }
  void _commit(size_t /*count*/) override {}
  // Nothing can be read.
  pplx::task<int_type> _bumpc() override { return Eof(); }
  int_type _sbumpc() override { return traits::eof(); }
  pplx::task<int_type> _getc() override { return Eof(); }
  int_type _sgetc() override { return traits::eof(); }
  pplx::task<int_type> _nextc() override { return Eof(); }
  pplx::task<int_type> _ungetc() override { return Eof(); }
  pplx::task<size_t> _getn(std::uint8_t* /*to*/, size_t /*count*/) override {
    return pplx::task_from_result<size_t>(0);
  }
  size_t _scopy(std::uint8_t* /*to*/, size_t /*count*/) override { return 0; }

 private:
  static pplx::task<int_type> Eof() { return pplx::task_from_result<int_type>(traits::eof()); }
  void Put(const std::uint8_t* bytes, size_t count) {
    exchange_->OnBytes({reinterpret_cast<const char*>(bytes), count});
  }

  const std::shared_ptr<Exchange> exchange_;
};

// What is under way. Outlives the transport if a request does.
class OpenExchanges {
 public:
  void Add(const std::shared_ptr<Exchange>& exchange) {
    const std::scoped_lock lock(mutex_);
    open_.insert(exchange);
  }
  void Remove(const std::shared_ptr<Exchange>& exchange) {
    const std::scoped_lock lock(mutex_);
    open_.erase(exchange);
    changed_.notify_all();
  }
  void CancelAllAndWait(milliseconds grace) {
    std::set<std::shared_ptr<Exchange>> open;
    {
      const std::scoped_lock lock(mutex_);
      open = open_;
    }
    for (const auto& exchange : open) exchange->Cancel();
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, grace, [this] { return open_.empty(); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::shared_ptr<Exchange>> open_;
};

bool IsAddress(const std::string& host) {
  boost::system::error_code failure;
  boost::asio::ip::make_address(host, failure);
  return !failure;
}

// One TLS context for all connections, until the certificates change. cpprestsdk makes one for each
// connection, which costs a parse of every certificate and some 200 KiB.
//
// Thread-safe.
class TlsContext {
 public:
  TlsContext(TlsFiles& files, bool own_roots) : files_(files), own_roots_(own_roots) {}

  // Throws what boost throws for PEM that is none.
  void Configure(boost::asio::ssl::context& context) {
    const auto material = files_.Get();
    if (!material) throw std::runtime_error(material.error());
    const std::scoped_lock lock(mutex_);
    if (!current_ || *material != made_of_) {
      current_ = std::make_unique<boost::asio::ssl::context>(Make(*material));
      made_of_ = *material;
    }
    SSL_CTX* const shared = current_->native_handle();
    SSL_CTX_up_ref(shared);
    context = boost::asio::ssl::context(shared);
  }

 private:
  boost::asio::ssl::context Make(const TlsMaterial& tls) const {
    boost::asio::ssl::context context(boost::asio::ssl::context::tls_client);
    SSL_CTX* const raw = context.native_handle();
    SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
    SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
    if (own_roots_) {
      context.add_certificate_authority(boost::asio::buffer(tls.ca));
    } else {
      context.set_default_verify_paths();
    }
    if (!tls.certificate.empty()) {
      context.use_certificate_chain(boost::asio::buffer(tls.certificate));
      context.use_private_key(boost::asio::buffer(tls.key), boost::asio::ssl::context::pem);
    }
    return context;
  }

  TlsFiles& files_;
  const bool own_roots_;
  std::mutex mutex_;
  std::unique_ptr<boost::asio::ssl::context> current_;
  TlsMaterial made_of_;
};

// A peer that vanished without a word is noticed in about a minute, also in the middle of a silent watch.
void KeepAlive(void* handle) {
  const int fd = static_cast<boost::asio::ip::tcp::socket*>(handle)->native_handle();
  const auto set = [fd](int level, int option, int value) {
    ::setsockopt(fd, level, option, &value, sizeof value);
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 30);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 30000);
}

// Why it failed, e.g. "certificate verify failed": codes of OpenSSL come without its texts.
std::string Reason(const std::error_code& code) {
  const auto value = static_cast<unsigned long>(code.value());
  const char* const text = ERR_GET_LIB(value) == ERR_LIB_SSL ? ERR_reason_error_string(value) : nullptr;
  return text != nullptr ? text : code.message();
}

class CppRestTransport final : public Transport {
 public:
  explicit CppRestTransport(const HttpSettings& settings)
      : files_(settings.ca, settings.client_certificate, settings.client_key),
        tls_(files_, !settings.ca.empty()),
        host_header_(settings.tls_server_name),
        calls_(settings.server, ClientConfig(settings, kCallIdle)),
        streams_(settings.server, ClientConfig(settings, kStreamIdle)) {}

  ~CppRestTransport() override { open_->CancelAllAndWait(kExitGrace); }

  std::expected<void, std::string> Check() {
    try {
      boost::asio::ssl::context context(boost::asio::ssl::context::tls_client);
      tls_.Configure(context);
    } catch (const std::exception& e) {
      return std::unexpected(std::string("certificates: ") + e.what());
    }
    return {};
  }

  Result<HttpResponse> Call(const HttpRequest& request, const CallOptions& options,
                            const std::stop_token& stop) override {
    const auto exchange = std::make_shared<Exchange>(options.body_limit, 0, nullptr);
    const auto deadline = steady_clock::now() + options.deadline;
    const auto woke =
        Send(calls_, request, exchange, [&] { return exchange->Wait(deadline, std::nullopt, stop); });
    if (!woke) return std::unexpected(woke.error());
    Exchange::Outcome outcome = exchange->Take();
    if (auto error = ErrorOf(outcome, *woke, request)) return std::unexpected(std::move(*error));
    return HttpResponse{outcome.status, std::move(outcome.body)};
  }

  Result<void> Stream(const HttpRequest& request, const StreamOptions& options, const LineSink& sink,
                      const std::stop_token& stop) override {
    const auto exchange = std::make_shared<Exchange>(0, options.line_limit, &sink);
    const auto woke = Send(streams_, request, exchange,
                           [&] { return exchange->Wait(std::nullopt, options.idle_timeout, stop); });
    if (!woke) return std::unexpected(woke.error());
    if (*woke == Exchange::Woke::SinkStopped) return {};
    if (auto error = ErrorOf(exchange->Take(), *woke, request)) return std::unexpected(std::move(*error));
    return {};
  }

 private:
  http_client_config ClientConfig(const HttpSettings& settings, std::chrono::seconds idle) {
    http_client_config config;
    config.set_timeout(idle);
    config.set_max_redirects(0);
    config.set_validate_certificates(!settings.insecure_skip_tls_verify);
    const std::string host =
        settings.tls_server_name.empty() ? web::uri(settings.server).host() : settings.tls_server_name;
    config.set_tlsext_sni_enabled(!IsAddress(host));
    config.set_nativehandle_options(KeepAlive);
    config.set_ssl_context_callback([this](boost::asio::ssl::context& context) {
      // Called for every new connection. It must not throw; without roots the handshake fails, and says so.
      try {
        tls_.Configure(context);
      } catch (const std::exception& e) {
        log::Error("Failed to use certificates", {{"error", e.what()}});
        SSL_CTX_set_cert_store(context.native_handle(), X509_STORE_new());
      }
    });
    return config;
  }

  template <typename WaitFor>
  Result<Exchange::Woke> Send(http_client& client, const HttpRequest& request,
                              const std::shared_ptr<Exchange>& exchange, const WaitFor& wait) {
    try {
      Start(client, request, exchange);
    } catch (const std::exception& e) {
      open_->Remove(exchange);
      return std::unexpected(Error{.code = ErrorCode::Invalid,
                                   .message = request.method + " " + request.target + ": " + e.what()});
    }
    const auto woke = wait();
    if (woke != Exchange::Woke::Ended) {
      exchange->Cancel();
      exchange->Abandon(kCancelGrace);
    }
    return woke;
  }

  void Start(http_client& client, const HttpRequest& request, const std::shared_ptr<Exchange>& exchange) {
    http_request message(request.method);
    message.set_request_uri(web::uri(request.target));
    message.headers().add("User-Agent", kUserAgent);
    if (!host_header_.empty()) message.headers().add("Host", host_header_);
    if (!request.body.empty()) message.set_body(request.body, "application/json");
    for (const auto& [name, value] : request.headers) {
      message.headers().remove(name);
      message.headers().add(name, value);
    }
    const streams::streambuf<std::uint8_t> sink(std::make_shared<Sink>(exchange));
    message.set_response_stream(sink.create_ostream());
    open_->Add(exchange);
    client.request(message, exchange->token())
        .then([exchange](const http_response& response) {
          const auto found = response.headers().find("Retry-After");
          exchange->OnStatus(response.status_code(), found == response.headers().end() ? "" : found->second);
          return response.content_ready();
        })
        .then([open = open_, exchange](const pplx::task<http_response>& done) {
          try {
            done.get();  // it is done: this does not wait
            exchange->OnEnd(Exchange::End::Whole, "");
          } catch (const web::http::http_exception& e) {
            exchange->OnEnd(Exchange::End::Broken, std::string(e.what()) + ": " + Reason(e.error_code()));
          } catch (const std::exception& e) {
            exchange->OnEnd(Exchange::End::Broken, e.what());
          } catch (...) {
            exchange->OnEnd(Exchange::End::Broken, "failed");
          }
          open->Remove(exchange);
        });
  }

  static std::optional<Error> ErrorOf(const Exchange::Outcome& outcome, Exchange::Woke woke,
                                      const HttpRequest& request) {
    const std::string what = request.method + " " + request.target + ": ";
    switch (woke) {
      case Exchange::Woke::Stopped:
        return Error{.code = ErrorCode::Canceled, .message = what + "stopped"};
      case Exchange::Woke::TimedOut:
        return Error{.code = ErrorCode::Timeout, .message = what + "no answer in time"};
      case Exchange::Woke::Full:
        return Error{.code = ErrorCode::Decode, .message = what + "the answer is too long"};
      case Exchange::Woke::SinkStopped:
      case Exchange::Woke::Ended:
        break;
    }
    if (outcome.end == Exchange::End::Broken) {
      return Error{.code = ErrorCode::Transport, .message = what + outcome.message};
    }
    if (outcome.full) return Error{.code = ErrorCode::Decode, .message = what + "the answer is too long"};
    if (outcome.status < 200 || outcome.status > 299) {
      return ErrorFromResponse(outcome.status, outcome.body, outcome.retry_after);
    }
    return std::nullopt;
  }

  TlsFiles files_;
  TlsContext tls_;
  const std::string host_header_;  // the only way to choose the name that the certificate is checked for
  const std::shared_ptr<OpenExchanges> open_ = std::make_shared<OpenExchanges>();
  http_client calls_;
  http_client streams_;
};

}  // namespace

std::expected<std::unique_ptr<Transport>, std::string> MakeCppRestTransport(const HttpSettings& settings) {
  // Before anything else of cpprestsdk runs; later calls change nothing.
  static const bool once = [&settings] {
    crossplat::threadpool::initialize_with_threads(static_cast<std::size_t>(settings.threads));
    return true;
  }();
  (void)once;
  if (settings.server.contains("//[")) {
    return std::unexpected("server " + settings.server +
                           ": an IPv6 address; give a name that resolves to it");
  }
  try {
    auto transport = std::make_unique<CppRestTransport>(settings);
    if (auto good = transport->Check(); !good) return std::unexpected(good.error());
    return transport;
  } catch (const std::exception& e) {
    return std::unexpected("server " + settings.server + ": " + e.what());
  }
}

}  // namespace pilotlight::kube
