#pragma once

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <climits>
#include <cstdint>
#include <optional>
#include <string_view>

namespace pilotlight::engine {

// A field of a protobuf message, as it is on the wire.
struct ProtobufField {
  int number = 0;
  std::optional<std::string_view> bytes;  // a string, or a message inside this one
  std::uint64_t value = 0;                // a number, where there are no bytes
};

// Calls `visit` for the fields of a message in their order, the same number as often as it is there; numbers
// of fixed width are passed over. False if the message is not whole, or `visit` returns false. Reads with
// protobuf's own reader, so that no byte means one thing here and another to who parses the message later.
template <class Visit>
bool each_field(std::string_view message, const Visit& visit) {
  using google::protobuf::internal::WireFormatLite;
  if (message.size() > INT_MAX) return false;
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(message.data()),
                                            static_cast<int>(message.size()));
  while (const std::uint32_t tag = in.ReadTag()) {
    ProtobufField field{.number = WireFormatLite::GetTagFieldNumber(tag)};
    if (field.number == 0) return false;
    switch (WireFormatLite::GetTagWireType(tag)) {
      case WireFormatLite::WIRETYPE_VARINT:
        if (!in.ReadVarint64(&field.value)) return false;
        break;
      case WireFormatLite::WIRETYPE_LENGTH_DELIMITED: {
        int size = 0;
        if (!in.ReadVarintSizeAsInt(&size)) return false;
        const auto at = static_cast<std::size_t>(in.CurrentPosition());
        if (!in.Skip(size)) return false;
        field.bytes = message.substr(at, static_cast<std::size_t>(size));
        break;
      }
      default:
        if (!WireFormatLite::SkipField(&in, tag)) return false;
        continue;
    }
    if (!visit(field)) return false;
  }
  return in.ConsumedEntireMessage();
}

}  // namespace pilotlight::engine
