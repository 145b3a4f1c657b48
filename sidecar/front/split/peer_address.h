#pragma once

#include <boost/asio/ip/address.hpp>
#include <expected>
#include <string>
#include <string_view>

namespace pilotlight::front {

// The address of another pod: an IP literal, and none that leads back to this pod, to its node's own services
// or to many: not loopback, link-local (where clouds keep credentials), unspecified, multicast or broadcast,
// also not as IPv4 within IPv6. `loopback` lets that one in, for tests. The error says why not, as the end of
// a sentence. Thread-safe: no state.
std::expected<boost::asio::ip::address, std::string> parse_peer_address(std::string_view text, bool loopback);

}  // namespace pilotlight::front
