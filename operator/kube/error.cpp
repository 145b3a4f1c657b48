#include "operator/kube/error.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

namespace pilotlight::kube {
namespace {

using nlohmann::json;

// A server that asks us to stay away for longer is not believed: we would look dead.
constexpr std::chrono::seconds kLongestRetryAfter{120};

std::optional<std::chrono::seconds> ReadSeconds(std::string_view text) {
  int seconds = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (failure != std::errc() || end != text.data() + text.size() || seconds < 0) return std::nullopt;
  return std::min(std::chrono::seconds(seconds), kLongestRetryAfter);
}

ErrorCode CodeOf(int http_status, std::string_view reason) {
  if (reason == "Expired" || reason == "Gone") return ErrorCode::Gone;
  switch (http_status) {
    case 401:
      return ErrorCode::Unauthorized;
    case 403:
      return ErrorCode::Forbidden;
    case 404:
      return ErrorCode::NotFound;
    case 408:
    case 504:
      return ErrorCode::Timeout;
    case 409:
      return reason == "AlreadyExists" ? ErrorCode::AlreadyExists : ErrorCode::Conflict;
    case 410:
      return ErrorCode::Gone;
    case 429:
      return ErrorCode::TooManyRequests;
    default:
      break;
  }
  if (http_status >= 500) return ErrorCode::Server;
  // Redirects end up here, too: we do not follow them, for they would be given our credentials.
  return http_status >= 400 ? ErrorCode::Invalid : ErrorCode::Transport;
}

// A server whose watch cache is behind the version we named says Timeout, with this cause.
bool VersionTooLarge(const json& details) {
  const auto causes = details.find("causes");
  if (causes == details.end() || !causes->is_array()) return false;
  return std::ranges::any_of(*causes, [](const json& cause) {
    return cause.is_object() && cause.value("reason", json()) == "ResourceVersionTooLarge";
  });
}

std::string TextAt(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

std::string_view ToString(ErrorCode code) {
  switch (code) {
    case ErrorCode::Conflict:
      return "Conflict";
    case ErrorCode::AlreadyExists:
      return "AlreadyExists";
    case ErrorCode::NotFound:
      return "NotFound";
    case ErrorCode::Gone:
      return "Gone";
    case ErrorCode::TooManyRequests:
      return "TooManyRequests";
    case ErrorCode::Timeout:
      return "Timeout";
    case ErrorCode::Canceled:
      return "Canceled";
    case ErrorCode::Transport:
      return "Transport";
    case ErrorCode::Decode:
      return "Decode";
    case ErrorCode::Unauthorized:
      return "Unauthorized";
    case ErrorCode::Forbidden:
      return "Forbidden";
    case ErrorCode::Invalid:
      return "Invalid";
    case ErrorCode::Server:
      return "Server";
  }
  return "Unknown";
}

Error ErrorFromResponse(int http_status, std::string_view body, std::string_view retry_after_header) {
  Error error{.http_status = http_status, .retry_after = ReadSeconds(retry_after_header)};
  const json status = json::parse(body, nullptr, false);
  if (status.is_object() && TextAt(status, "kind") == "Status") {
    error.reason = TextAt(status, "reason");
    error.message = TextAt(status, "message");
    if (error.http_status == 0)
      error.http_status = status.value("code", json(0)).is_number() ? status.value("code", 0) : 0;
    const auto details = status.find("details");
    if (details != status.end() && details->is_object()) {
      const auto seconds = details->find("retryAfterSeconds");
      if (!error.retry_after && seconds != details->end() && seconds->is_number_integer()) {
        error.retry_after = ReadSeconds(seconds->dump());
      }
      if (VersionTooLarge(*details)) error.reason = "Expired";
    }
  } else {
    error.message = std::string(body.substr(0, 200));
  }
  if (error.message.empty()) error.message = "the API server gave no reason";
  error.code = CodeOf(error.http_status, error.reason);
  return error;
}

std::string Describe(const Error& error) {
  std::string text(ToString(error.code));
  if (error.http_status != 0) text += " (" + std::to_string(error.http_status) + ")";
  return text + ": " + error.message;
}

}  // namespace pilotlight::kube
