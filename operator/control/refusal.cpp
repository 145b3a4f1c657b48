#include "operator/control/refusal.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <cctype>
#include <format>
#include <nlohmann/json.hpp>

#include "common/text/printable.h"

namespace pilotlight::control {
namespace {

constexpr std::size_t kMostOfMessage = 512;

bool MayBeOfAddress(char c) {
  return c == '.' || c == ':' || std::isxdigit(static_cast<unsigned char>(c)) != 0;
}

bool IsAddress(const std::string& text) {
  boost::system::error_code error;
  boost::asio::ip::make_address(text, error);
  if (!error) return true;
  boost::asio::ip::make_address_v4(text.substr(0, text.rfind(':')), error);  // with a port
  return !error;
}

std::string WithoutAddresses(std::string_view text) {
  std::string out;
  for (auto at = text.begin(); at != text.end();) {
    const auto end = std::find_if_not(at, text.end(), MayBeOfAddress);
    std::string word(at, end);
    const auto last = word.find_last_not_of(".:");  // the sentence's own
    const std::string behind = last == std::string::npos ? "" : word.substr(last + 1);
    if (IsAddress(word.substr(0, word.size() - behind.size()))) word = "<address>" + behind;
    out += word;
    at = end;
    if (at != text.end()) out += *at++;
  }
  return out;
}

}  // namespace

std::string WhyNotObeyed(const Answer& answer) {
  if (!answer.error.empty()) return answer.error;
  if (answer.status == 200) return {};
  const auto document = nlohmann::json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  const auto message = document.is_object() ? document.value("error", nlohmann::json()) : nlohmann::json();
  if (!message.is_string()) return std::format("the sidecar answers with HTTP status {}", answer.status);
  return std::format("the sidecar refuses it ({}): {}", answer.status,
                     Printable(WithoutAddresses(message.get_ref<const std::string&>()), kMostOfMessage));
}

}  // namespace pilotlight::control
