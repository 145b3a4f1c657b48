#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "sidecar/wire/fd.h"
#include "sidecar/wire/messages.h"

// Packets of a SOCK_SEQPACKET socket, with file descriptors. All functions may be used from any thread, on
// blocking and on non-blocking sockets (then `operation_would_block`); EINTR is dealt with.
namespace pilotlight::wire {

inline constexpr std::size_t kMaxDescriptors = 4;

// A connected pair, close-on-exec, with buffers that hold the largest packet. `type_flags` such as
// SOCK_NONBLOCK hold for both ends.
std::expected<std::pair<UniqueFd, UniqueFd>, std::error_code> socket_pair(int type_flags = 0);

// Sends one packet, whole or not at all; the descriptors stay the caller's. Never raises SIGPIPE.
std::expected<void, std::error_code> send_packet(int socket, std::span<const std::byte> bytes,
                                                 std::span<const int> descriptors = {});

// Sends a control packet: the kind, then the document. `message_size` if it is above kMaxPacketBytes.
std::expected<void, std::error_code> send_json(int socket, Kind kind, const nlohmann::json& document,
                                               std::span<const int> descriptors = {});

struct Received {
  std::size_t bytes = 0;  // 0: the other side has closed its end
  std::vector<UniqueFd> descriptors;
};

// Receives one packet into `buffer` (of kMaxPacketBytes, to be safe). A packet that was longer than the
// buffer, or came with more than kMaxDescriptors, is `message_size`; what it brought is closed. Descriptors
// received are close-on-exec.
std::expected<Received, std::error_code> receive_packet(int socket, std::span<std::byte> buffer);

// The kind that a packet starts with; nullopt for a packet too short to say. The value may be none of Kind's.
std::optional<Kind> packet_kind(std::span<const std::byte> packet);

// The document of a control packet. The error says what is wrong with it.
std::expected<nlohmann::json, std::string> packet_json(std::span<const std::byte> packet);

}  // namespace pilotlight::wire
