#include "sidecar/front/split/peer_address.h"

#include <format>

#include "common/text/printable.h"

namespace pilotlight::front {
namespace {

namespace ip = boost::asio::ip;

std::string_view fault(const ip::address_v4& address, bool loopback) {
  const auto first = address.to_bytes()[0];
  if (address.is_loopback()) return loopback ? "" : "is a loopback address";
  if (first == 0) return "is an address of no host";
  if (first == 169 && address.to_bytes()[1] == 254) return "is a link-local address";
  if (address.is_multicast()) return "is a multicast address";
  if (first >= 240) return "is a broadcast or reserved address";
  return "";
}

std::string_view fault(const ip::address_v6& address, bool loopback) {
  if (address.is_loopback()) return loopback ? "" : "is a loopback address";
  if (address.is_unspecified()) return "is an address of no host";
  if (address.is_link_local() || address.scope_id() != 0) return "is a link-local address";
  if (address.is_multicast()) return "is a multicast address";
  if (address.is_v4_mapped() || address.is_v4_compatible()) return "is an IPv4 address; write it as one";
  return "";
}

}  // namespace

std::expected<ip::address, std::string> parse_peer_address(std::string_view text, bool loopback) {
  boost::system::error_code failed;
  auto address = ip::make_address(std::string(text), failed);
  if (failed) return std::unexpected(std::format("{} is not an IP address", Quoted(text)));
  const auto why = address.is_v4() ? fault(address.to_v4(), loopback) : fault(address.to_v6(), loopback);
  if (!why.empty()) return std::unexpected(std::format("{} {}", Quoted(text), why));
  return address;
}

}  // namespace pilotlight::front
