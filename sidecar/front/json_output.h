#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "sidecar/wire/messages.h"

namespace pilotlight::front {

// "text", quoted and escaped.
void append_string(std::string& out, std::string_view text);

// The numbers as one list. Each is written with the fewest digits that read back as the same value; what JSON
// cannot say (NaN, infinity) is null.
void append_flat(std::string& out, wire::Datatype type, std::span<const std::byte> bytes);

// The numbers as nested lists of the shape; without a shape, one number.
void append_nested(std::string& out, wire::Datatype type, std::span<const std::int64_t> shape,
                   std::span<const std::byte> bytes);

// [1,3,8]
void append_shape(std::string& out, std::span<const std::int64_t> shape);

// The element at `index`, as a double.
double element(wire::Datatype type, std::span<const std::byte> bytes, std::size_t index);

void append_number(std::string& out, double value);

}  // namespace pilotlight::front
