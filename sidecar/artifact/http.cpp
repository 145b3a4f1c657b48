#include "sidecar/artifact/http.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <format>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <regex>
#include <sstream>
#include <string_view>

namespace pilotlight::artifact {
namespace {

using wire::Failure;
using wire::FailureClass;

constexpr long kConnectSeconds = 10;
constexpr long kRedirects = 5;

struct Credentials {
  std::string token;
  std::string user;
  std::string password;
  std::string ca;
};

// A key of the mounted Secret; a trailing newline, which editors leave behind, is not part of it.
std::string secret(const std::filesystem::path& folder, const char* key) {
  std::ifstream file(folder / key, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  auto value = text.str();
  while (value.ends_with('\n') || value.ends_with('\r')) value.pop_back();
  return value;
}

Credentials read_credentials(const std::filesystem::path& folder) {
  if (folder.empty()) return {};
  return {.token = secret(folder, "token"),
          .user = secret(folder, "username"),
          .password = secret(folder, "password"),
          .ca = secret(folder, "ca.crt")};
}

bool is_link_local(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    const auto host = ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr);
    return host >> 16 == 0xa9fe;
  }
  if (address->sa_family == AF_INET6) {
    const auto& host = reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
    if (IN6_IS_ADDR_LINKLOCAL(&host)) return true;
    // AWS's metadata service over IPv6.
    static constexpr unsigned char kMetadata[] = {0xfd, 0, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x54};
    if (std::memcmp(&host, kMetadata, sizeof kMetadata) == 0) return true;
    return IN6_IS_ADDR_V4MAPPED(&host) && host.s6_addr[12] == 169 && host.s6_addr[13] == 254;
  }
  return false;
}

// One download. libcurl calls back into it on the calling thread.
struct Transfer {
  const FetchOptions& options;
  StagedFile& staged;
  Progress& progress;
  Credentials credentials;
  CURL* curl;
  std::string* etag;
  const std::function<void()>* etag_known;
  std::uint64_t resumed_at = 0;
  std::string answer_etag;
  std::optional<Failure> failure;
  bool refused_address = false;
  bool body_begun = false;

  long status() const {
    long code = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
    return code;
  }

  // Called before the first byte of a 200 or 206 is written.
  bool begin_body() {
    body_begun = true;
    if (status() == 200 && resumed_at > 0) {
      // The server has another file now, or does not do ranges.
      if (auto ok = staged.restart(); !ok) return fail(ok.error());
      resumed_at = 0;
    }
    curl_off_t length = -1;
    curl_easy_getinfo(curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (length > 0) {
      progress.total = resumed_at + static_cast<std::uint64_t>(length);
      if (progress.total > options.max_bytes) {
        return fail(fetch_failure(
            FailureClass::kRevision, "ModelTooLarge",
            std::format("the file has {} bytes; the limit is {}", progress.total.load(), options.max_bytes),
            "Point spec.model.uri at the right file."));
      }
    }
    *etag = answer_etag;
    (*etag_known)();
    return true;
  }

  bool fail(Failure what) {
    failure = std::move(what);
    return false;
  }

  static std::size_t on_body(char* data, std::size_t one, std::size_t count, void* opaque) {
    auto& self = *static_cast<Transfer*>(opaque);
    const auto bytes = one * count;
    const auto code = self.status();
    if (code != 200 && code != 206) return bytes;  // an error page; read over
    if (!self.body_begun && !self.begin_body()) return CURL_WRITEFUNC_ERROR;
    if (auto ok = self.staged.write(std::as_bytes(std::span(data, bytes))); !ok) {
      self.failure = ok.error();
      return CURL_WRITEFUNC_ERROR;
    }
    return bytes;
  }

  static std::size_t on_header(char* data, std::size_t one, std::size_t count, void* opaque) {
    auto& self = *static_cast<Transfer*>(opaque);
    std::string_view line(data, one * count);
    if (line.starts_with("HTTP/")) self.answer_etag.clear();  // of a redirect, or an interim answer
    static constexpr std::string_view kName = "etag:";
    if (line.size() > kName.size() && curl_strnequal(line.data(), kName.data(), kName.size()) != 0) {
      line.remove_prefix(kName.size());
      const auto first = line.find('"');
      const auto last = line.rfind('"');
      // A weak one does not promise the same bytes.
      if (first != last && !line.substr(0, first).contains('W')) {
        self.answer_etag = line.substr(first, last - first + 1);
      }
    }
    return one * count;
  }

  static int on_progress(void* opaque, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return static_cast<Transfer*>(opaque)->progress.stopped() ? 1 : 0;
  }

  static curl_socket_t on_socket(void* opaque, curlsocktype, curl_sockaddr* address) {
    auto& self = *static_cast<Transfer*>(opaque);
    if (!self.options.allow_link_local && is_link_local(&address->addr)) {
      self.refused_address = true;
      return CURL_SOCKET_BAD;
    }
    return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  }

  // Adds the Secret's certificates to the system's, which are there already.
  static CURLcode on_tls(CURL*, void* context, void* opaque) {
    const auto& ca = static_cast<Transfer*>(opaque)->credentials.ca;
    X509_STORE* store = SSL_CTX_get_cert_store(static_cast<SSL_CTX*>(context));
    const std::unique_ptr<BIO, decltype(&BIO_free)> text(
        BIO_new_mem_buf(ca.data(), static_cast<int>(ca.size())), BIO_free);
    int count = 0;
    while (X509* certificate = PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr)) {
      X509_STORE_add_cert(store, certificate);
      X509_free(certificate);
      ++count;
    }
    ERR_clear_error();  // the end of the file is one
    return count > 0 ? CURLE_OK : CURLE_SSL_CACERT_BADFILE;
  }
};

void configure(Transfer& transfer, const Source& source, char* message) {
  CURL* curl = transfer.curl;
  const bool tls = source.scheme == Scheme::kHttps;
  curl_easy_setopt(curl, CURLOPT_URL, source.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, tls ? "https" : "http");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, tls ? "https" : "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, kRedirects);
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "pilotlight-sidecar");
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, static_cast<long>(transfer.options.stall_bytes_per_second));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(transfer.options.stall_seconds));
  curl_easy_setopt(curl, CURLOPT_CA_CACHE_TIMEOUT, 0L);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, Transfer::on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, Transfer::on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, Transfer::on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, Transfer::on_socket);
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, &transfer);
  const auto& credentials = transfer.credentials;
  if (!credentials.ca.empty()) {
    curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, Transfer::on_tls);
    curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, &transfer);
  }
  // libcurl keeps both from other hosts when it is redirected.
  if (!credentials.token.empty()) {
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, credentials.token.c_str());
  } else if (!credentials.user.empty()) {
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    curl_easy_setopt(curl, CURLOPT_USERNAME, credentials.user.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, credentials.password.c_str());
  }
}

Failure status_failure(long code, const std::string& uri) {
  if (code == 404 || code == 410) {
    return fetch_failure(FailureClass::kWorld, "NotFound",
                         std::format("'{}': the server answers {}", uri, code),
                         "Upload the file, or correct spec.model.uri; it is tried again.");
  }
  if (code == 401 || code == 403) {
    return fetch_failure(
        FailureClass::kWorld, "Unauthorized", std::format("'{}': the server answers {}", uri, code),
        "Give spec.model.credentialsSecret a Secret whose token, or username and password, may "
        "read the file; it is tried again.");
  }
  return fetch_failure(FailureClass::kWorld, "FetchFailed",
                       std::format("'{}': the server answers {}", uri, code),
                       "Look at the server's own log; it is tried again.");
}

// libcurl says how long it tried; each try would be another reason, and each new reason a write of the
// status.
std::string without_duration(std::string_view detail) {
  static const std::regex duration(" after [0-9]+ (ms|milliseconds)");
  return std::regex_replace(std::string(detail), duration, "");
}

Failure curl_failure(CURLcode code, const Transfer& transfer, const std::string& uri, const char* message) {
  if (transfer.failure) return *transfer.failure;
  if (transfer.refused_address) {
    return fetch_failure(FailureClass::kRevision, "InvalidURI",
                         std::format("'{}' leads to a link-local address, which is never fetched from", uri),
                         "Serve the model from an ordinary address.");
  }
  const std::string detail = without_duration(*message != '\0' ? message : curl_easy_strerror(code));
  if (code == CURLE_OPERATION_TIMEDOUT && transfer.body_begun) {
    return fetch_failure(FailureClass::kWorld, "FetchStalled",
                         std::format("'{}': less than {} bytes a second for {} s, at {} bytes", uri,
                                     transfer.options.stall_bytes_per_second, transfer.options.stall_seconds,
                                     transfer.staged.size()),
                         "Look at the network between the pod and the server; it goes on where it stopped.");
  }
  if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) {
    return fetch_failure(
        FailureClass::kWorld, "FetchFailed", std::format("'{}': {}", uri, detail),
        "If a private CA signs the server's certificate, put its certificate into the key ca.crt of "
        "spec.model.credentialsSecret; it is tried again.");
  }
  return fetch_failure(FailureClass::kWorld, "FetchFailed", std::format("'{}': {}", uri, detail),
                       "Look at the server, its name and the network between; it is tried again.");
}

}  // namespace

std::expected<void, Failure> download(const Source& source, const FetchOptions& options, StagedFile& staged,
                                      Progress& progress, std::string& etag,
                                      const std::function<void()>& etag_known) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(), curl_easy_cleanup);
  const auto uri = redact(source.url);
  Transfer transfer{.options = options,
                    .staged = staged,
                    .progress = progress,
                    .credentials = read_credentials(options.credentials),
                    .curl = curl.get(),
                    .etag = &etag,
                    .etag_known = &etag_known,
                    .resumed_at = staged.size(),
                    .answer_etag = {},
                    .failure = {}};
  char message[CURL_ERROR_SIZE] = "";
  configure(transfer, source, message);
  curl_slist* extra = nullptr;
  if (transfer.resumed_at > 0) {
    extra = curl_slist_append(extra, std::format("If-Range: {}", etag).c_str());
    extra = curl_slist_append(extra, std::format("Range: bytes={}-", transfer.resumed_at).c_str());
    curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, extra);
  }
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> owned(extra, curl_slist_free_all);

  const auto code = curl_easy_perform(curl.get());
  if (code != CURLE_OK) return std::unexpected(curl_failure(code, transfer, uri, message));
  const auto status = transfer.status();
  if (status == 416) {
    // What we have is not a beginning of what is there: the next attempt begins anew.
    etag.clear();
    etag_known();
  }
  if (status != 200 && status != 206) return std::unexpected(status_failure(status, uri));
  if (!transfer.body_begun) {
    return std::unexpected(fetch_failure(FailureClass::kWorld, "FetchFailed",
                                         std::format("'{}': the file is empty", uri),
                                         "Upload the file again; it is tried again."));
  }
  return {};
}

}  // namespace pilotlight::artifact
