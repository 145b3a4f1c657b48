#include "sidecar/front/non_finite.h"

#include <cstdint>
#include <cstring>

namespace pilotlight::front {
namespace {

// IEEE 754: in NaN and infinity, and only there, all bits of the exponent are set. Without a branch in it, so
// that the compiler takes many elements at a time.
template <class Bits, Bits kExponent>
bool any(std::span<const std::byte> elements) {
  bool found = false;
  for (std::size_t at = 0; at + sizeof(Bits) <= elements.size(); at += sizeof(Bits)) {
    Bits bits;
    std::memcpy(&bits, elements.data() + at, sizeof(Bits));
    found |= (bits & kExponent) == kExponent;
  }
  return found;
}

}  // namespace

bool holds_non_finite(wire::Datatype type, std::span<const std::byte> elements) {
  switch (type) {
    case wire::Datatype::kFp16:
      return any<std::uint16_t, 0x7c00>(elements);
    case wire::Datatype::kBf16:
      return any<std::uint16_t, 0x7f80>(elements);
    case wire::Datatype::kFp32:
      return any<std::uint32_t, 0x7f800000>(elements);
    case wire::Datatype::kFp64:
      return any<std::uint64_t, 0x7ff0000000000000>(elements);
    default:
      return false;
  }
}

}  // namespace pilotlight::front
