#include "sidecar/artifact/uri.h"

#include <curl/curl.h>

#include <algorithm>
#include <format>
#include <memory>

namespace pilotlight::artifact {
namespace {

std::unexpected<std::string> bad(std::string_view uri, std::string_view why) {
  return std::unexpected(std::format("'{}' {}", redact(uri), why));
}

bool climbs(const std::filesystem::path& path) {
  return std::ranges::any_of(path, [](const auto& part) { return part == ".."; });
}

std::expected<Source, std::string> parse_http(std::string_view uri, Scheme scheme) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> url(curl_url(), curl_url_cleanup);
  const std::string text(uri);
  if (const auto failed = curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0); failed != CURLUE_OK) {
    return bad(uri, std::format("is not a URL: {}", curl_url_strerror(failed)));
  }
  return Source{.scheme = scheme, .url = text, .path = {}};
}

}  // namespace

std::expected<Source, std::string> parse_uri(std::string_view uri) {
  if (uri.empty()) return std::unexpected("the URI is empty");
  if (uri.contains('\0')) return bad(uri, "holds a NUL");
  if (uri.starts_with("https://")) return parse_http(uri, Scheme::kHttps);
  if (uri.starts_with("http://")) return parse_http(uri, Scheme::kHttp);
  if (uri.starts_with("file://")) {
    const auto path = uri.substr(7);
    if (!path.starts_with('/')) return bad(uri, "must be file:///path: no host, an absolute path");
    return Source{.scheme = Scheme::kFile, .url = {}, .path = path};
  }
  if (uri.starts_with("pvc://")) {
    const auto rest = uri.substr(6);
    const auto slash = rest.find('/');
    if (slash == 0 || slash == std::string_view::npos || slash + 1 == rest.size()) {
      return bad(uri, "must be pvc://claim/path");
    }
    const std::filesystem::path path(rest.substr(slash + 1));
    if (path.is_absolute() || climbs(path)) return bad(uri, "must stay inside the volume: no '..'");
    return Source{.scheme = Scheme::kVolume, .url = {}, .path = path};
  }
  if (uri.contains("://")) {
    return bad(uri, "has a scheme that is not known; known are file, pvc, http and https");
  }
  return Source{.scheme = Scheme::kFile, .url = {}, .path = uri};
}

std::string beside(std::string_view uri, std::string_view ending) {
  if (uri.starts_with("http://") || uri.starts_with("https://")) {
    const auto path = uri.substr(0, uri.find_first_of("?#"));
    return std::string(path).append(ending).append(uri.substr(path.size()));
  }
  while (uri.size() > 1 && uri.ends_with('/')) uri.remove_suffix(1);
  return std::string(uri).append(ending);
}

std::string redact(std::string_view uri) {
  uri = uri.substr(0, uri.find_first_of("?#"));
  const auto scheme = uri.find("://");
  if (scheme == std::string_view::npos) return std::string(uri);
  const auto host = scheme + 3;
  const auto at = uri.substr(0, uri.find('/', host)).rfind('@');
  if (at == std::string_view::npos || at < host) return std::string(uri);
  return std::string(uri.substr(0, host)).append(uri.substr(at + 1));
}

}  // namespace pilotlight::artifact
