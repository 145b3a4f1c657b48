#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "sidecar/front/narrow_floats.h"
#include "sidecar/wire/messages.h"

// The elements of tensors as C++ has them.
namespace pilotlight::front {

template <class T>
constexpr bool kIsFloat = std::is_floating_point_v<T> || NarrowFloat<T>;

// Calls `use` with a value of the type's C++ type, for its type alone.
template <class Use>
void with_element_type(wire::Datatype type, Use use) {
  switch (type) {
    case wire::Datatype::kBool:
      return use(bool{});
    case wire::Datatype::kUint8:
      return use(std::uint8_t{});
    case wire::Datatype::kInt8:
      return use(std::int8_t{});
    case wire::Datatype::kInt16:
      return use(std::int16_t{});
    case wire::Datatype::kInt32:
      return use(std::int32_t{});
    case wire::Datatype::kInt64:
      return use(std::int64_t{});
    case wire::Datatype::kFp16:
      return use(Float16{});
    case wire::Datatype::kBf16:
      return use(BFloat16{});
    case wire::Datatype::kFp32:
      return use(float{});
    case wire::Datatype::kFp64:
      return use(double{});
  }
}

template <class T>
T load_element(const std::byte* from) {
  if constexpr (std::is_same_v<T, bool>) {
    return *from != std::byte{0};  // another process' byte need not be a bool's
  } else {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
}

}  // namespace pilotlight::front
