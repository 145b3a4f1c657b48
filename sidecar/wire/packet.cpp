#include "sidecar/wire/packet.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "sidecar/wire/last_error.h"

namespace pilotlight::wire {
namespace {

constexpr int kMaxDepth = 32;

std::unexpected<std::error_code> too_large() {
  return std::unexpected(std::make_error_code(std::errc::message_size));
}

// Room for the control message of kMaxDescriptors descriptors, aligned as the kernel wants it.
union Control {
  cmsghdr header;
  std::array<char, CMSG_SPACE(kMaxDescriptors * sizeof(int))> bytes;
};

void take_descriptors(msghdr& message, std::vector<UniqueFd>& out) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
      out.emplace_back(fd);
    }
  }
}

}  // namespace

std::expected<std::pair<UniqueFd, UniqueFd>, std::error_code> socket_pair(int type_flags) {
  int ends[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | type_flags, 0, ends) != 0) return last_error();
  std::pair<UniqueFd, UniqueFd> pair{UniqueFd(ends[0]), UniqueFd(ends[1])};
  const int room = 4 * static_cast<int>(kMaxPacketBytes);
  for (const int end : ends) {
    // The kernel may grant less; a packet that does not fit is then an error of sending, never a lost one.
    ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  }
  return pair;
}

std::expected<void, std::error_code> send_packet(int socket, std::span<const std::byte> bytes,
                                                 std::span<const int> descriptors) {
  if (bytes.size() > kMaxPacketBytes || descriptors.size() > kMaxDescriptors) return too_large();
  iovec part{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
  Control control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control.bytes.data();
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  }
  while (::sendmsg(socket, &message, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return last_error();
  }
  return {};
}

std::expected<void, std::error_code> send_json(int socket, Kind kind, const nlohmann::json& document,
                                               std::span<const int> descriptors) {
  std::string bytes(sizeof kind, '\0');
  std::memcpy(bytes.data(), &kind, sizeof kind);
  // What a model put into a message need not be UTF-8; it is replaced rather than thrown over.
  bytes += document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return send_packet(socket, std::as_bytes(std::span(bytes)), descriptors);
}

std::expected<Received, std::error_code> receive_packet(int socket, std::span<std::byte> buffer) {
  iovec part{.iov_base = buffer.data(), .iov_len = buffer.size()};
  Control control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes.data();
  message.msg_controllen = control.bytes.size();
  ssize_t size = -1;
  while ((size = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) < 0) {
    if (errno != EINTR) return last_error();
  }
  Received received{.bytes = static_cast<std::size_t>(size), .descriptors = {}};
  take_descriptors(message, received.descriptors);
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return too_large();
  return received;
}

std::optional<Kind> packet_kind(std::span<const std::byte> packet) {
  Kind kind{};
  if (packet.size() < sizeof kind) return std::nullopt;
  std::memcpy(&kind, packet.data(), sizeof kind);
  return kind;
}

std::expected<nlohmann::json, std::string> packet_json(std::span<const std::byte> packet) {
  if (packet.size() < sizeof(Kind))
    return std::unexpected("packet of " + std::to_string(packet.size()) + " bytes");
  const char* text = reinterpret_cast<const char*>(packet.data());
  // Parsing takes any depth, but writing it again calls itself for each level.
  bool too_deep = false;
  const auto within = [&](int depth, nlohmann::json::parse_event_t, const nlohmann::json&) {
    too_deep = too_deep || depth > kMaxDepth;
    return !too_deep;
  };
  auto document = nlohmann::json::parse(text + sizeof(Kind), text + packet.size(), within, false);
  if (too_deep) {
    return std::unexpected("control packet is nested deeper than " + std::to_string(kMaxDepth) + " levels");
  }
  if (document.is_discarded()) return std::unexpected("control packet is not JSON");
  if (!document.is_object()) return std::unexpected("control packet is not a JSON object");
  return document;
}

}  // namespace pilotlight::wire
