#include "sidecar/wire/inference.h"

#include <cassert>
#include <cstring>
#include <type_traits>

#include "sidecar/wire/datatype.h"

namespace pilotlight::wire {
namespace {

static_assert(std::is_trivially_copyable_v<Infer> && std::is_trivially_copyable_v<Result>);
static_assert(sizeof(Infer) <= kMaxPacketBytes &&
              sizeof(Result) + std::size_t{kMaxTensors} * kNameBytes <= kMaxPacketBytes);

template <class Message>
constexpr std::size_t head_bytes() {
  return sizeof(Message) - sizeof(Message::tensors);
}

template <class Message>
std::size_t used_bytes(const Message& message) {
  return head_bytes<Message>() + message.tensor_count * sizeof(Tensor);
}

// Copies head and tensors, having checked kind and count; what comes after them is for the caller to judge.
template <class Message>
std::expected<Message, std::string> parse(std::span<const std::byte> packet, Kind kind) {
  Message message{};
  if (packet.size() < head_bytes<Message>()) {
    return std::unexpected("packet of " + std::to_string(packet.size()) + " bytes is too short");
  }
  std::memcpy(&message, packet.data(), head_bytes<Message>());
  if (message.kind != kind) {
    return std::unexpected("unexpected packet kind " +
                           std::to_string(static_cast<std::uint32_t>(message.kind)));
  }
  if (message.tensor_count > kMaxTensors) {
    return std::unexpected(std::to_string(message.tensor_count) + " tensors; at most " +
                           std::to_string(kMaxTensors));
  }
  if (packet.size() < used_bytes(message)) return std::unexpected("packet lacks some of its tensors");
  std::memcpy(message.tensors, packet.data() + head_bytes<Message>(), message.tensor_count * sizeof(Tensor));
  for (std::uint32_t i = 0; i < message.tensor_count; ++i) {
    if (message.tensors[i].rank > kMaxRank) {
      return std::unexpected("tensor " + std::to_string(i) + " has rank " +
                             std::to_string(message.tensors[i].rank) + "; at most " +
                             std::to_string(kMaxRank));
    }
  }
  return message;
}

template <class Message>
std::span<const std::byte> bytes_of(const Message& message) {
  assert(message.tensor_count <= kMaxTensors);
  return std::as_bytes(std::span(&message, 1)).first(used_bytes(message));
}

}  // namespace

std::span<const std::byte> infer_bytes(const Infer& infer) {
  return bytes_of(infer);
}

std::expected<Infer, std::string> parse_infer(std::span<const std::byte> packet) {
  auto infer = parse<Infer>(packet, Kind::kInfer);
  if (infer && packet.size() != used_bytes(*infer)) return std::unexpected("packet has trailing bytes");
  return infer;
}

std::vector<std::byte> result_bytes(const Result& result, std::span<const std::string> names) {
  const auto head = bytes_of(result);
  std::vector<std::byte> bytes(head.begin(), head.end());
  for (const std::string& name : names) {
    const auto text = std::as_bytes(std::span(name.c_str(), name.size() + 1));
    bytes.insert(bytes.end(), text.begin(), text.end());
  }
  return bytes;
}

std::expected<ParsedResult, std::string> parse_result(std::span<const std::byte> packet) {
  const auto result = parse<Result>(packet, Kind::kResult);
  if (!result) return std::unexpected(result.error());
  ParsedResult parsed{.result = *result, .names = {}};
  auto rest = packet.subspan(used_bytes(*result));
  if (rest.empty()) return parsed;
  if (rest.back() != std::byte{0}) return std::unexpected("the last name has no end");
  while (!rest.empty()) {
    const std::string name(reinterpret_cast<const char*>(rest.data()));
    if (name.empty() || name.size() >= kNameBytes) return std::unexpected("a name is empty or too long");
    rest = rest.subspan(name.size() + 1);
    parsed.names.push_back(name);
  }
  if (parsed.names.size() != result->tensor_count) {
    return std::unexpected(std::to_string(parsed.names.size()) + " names for " +
                           std::to_string(result->tensor_count) + " tensors");
  }
  return parsed;
}

std::expected<void, std::string> check_tensor(const Tensor& tensor, std::uint64_t begin,
                                              std::uint64_t bytes) {
  if (!is_datatype(tensor.datatype)) {
    return std::unexpected("datatype " + std::to_string(static_cast<std::uint32_t>(tensor.datatype)));
  }
  if (tensor.rank > kMaxRank) return std::unexpected("rank " + std::to_string(tensor.rank));
  const auto size = byte_count(tensor.datatype, shape_of(tensor));
  if (!size || *size != tensor.bytes) {
    return std::unexpected(std::to_string(tensor.bytes) + " bytes for shape " + shape_text(shape_of(tensor)) +
                           " of " + std::string(datatype_name(tensor.datatype)));
  }
  if (written_count(shape_of(tensor)).value_or(UINT64_MAX) > bytes) {
    return std::unexpected("shape " + shape_text(shape_of(tensor)) +
                           " has more empty lists than its region has bytes");
  }
  // Written without additions that could overflow.
  if (tensor.offset < begin || tensor.offset - begin > bytes ||
      tensor.bytes > bytes - (tensor.offset - begin)) {
    return std::unexpected("offset " + std::to_string(tensor.offset) + " with " +
                           std::to_string(tensor.bytes) + " bytes lies outside its region");
  }
  return {};
}

}  // namespace pilotlight::wire
