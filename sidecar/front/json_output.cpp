#include "sidecar/front/json_output.h"

#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "sidecar/front/elements.h"
#include "sidecar/wire/datatype.h"

namespace pilotlight::front {
namespace {

constexpr std::size_t kNumberBytes = 32;  // the longest double has 24

template <class T>
char* write(char* at, T value) {
  const auto text = [&](std::string_view word) { return std::ranges::copy(word, at).out; };
  if constexpr (std::is_same_v<T, bool>) {
    return text(value ? "true" : "false");
  } else if constexpr (std::is_integral_v<T>) {
    return std::to_chars(at, at + kNumberBytes, static_cast<std::int64_t>(value)).ptr;
  } else {
    if (!std::isfinite(static_cast<double>(value))) return text("null");
    if constexpr (NarrowFloat<T> && !std::is_floating_point_v<T>) {
      return write(at, static_cast<float>(value));  // more digits than it needs, but the same value
    } else {
      return std::to_chars(at, at + kNumberBytes, value).ptr;
    }
  }
}

template <class T>
void append_list(std::string& out, const std::byte* from, std::size_t count) {
  const auto before = out.size();
  out.resize_and_overwrite(before + 2 + count * (kNumberBytes + 1), [&](char* data, std::size_t) {
    char* at = data + before;
    *at++ = '[';
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0) *at++ = ',';
      at = write(at, load_element<T>(from + i * sizeof(T)));
    }
    *at++ = ']';
    return static_cast<std::size_t>(at - data);
  });
}

template <class T>
const std::byte* append_levels(std::string& out, std::span<const std::int64_t> shape, const std::byte* from) {
  const auto count = static_cast<std::size_t>(shape.front());
  if (shape.size() == 1) {
    append_list<T>(out, from, count);
    return from + count * sizeof(T);
  }
  out += '[';
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) out += ',';
    from = append_levels<T>(out, shape.subspan(1), from);
  }
  out += ']';
  return from;
}

}  // namespace

void append_string(std::string& out, std::string_view text) {
  out += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void append_flat(std::string& out, wire::Datatype type, std::span<const std::byte> bytes) {
  with_element_type(type, [&]<class T>(T) { append_list<T>(out, bytes.data(), bytes.size() / sizeof(T)); });
}

void append_nested(std::string& out, wire::Datatype type, std::span<const std::int64_t> shape,
                   std::span<const std::byte> bytes) {
  with_element_type(type, [&]<class T>(T) {
    if (!shape.empty()) {
      append_levels<T>(out, shape, bytes.data());
      return;
    }
    std::array<char, kNumberBytes> buffer;
    out.append(buffer.data(), write(buffer.data(), load_element<T>(bytes.data())));
  });
}

void append_shape(std::string& out, std::span<const std::int64_t> shape) {
  append_flat(out, wire::Datatype::kInt64, std::as_bytes(shape));
}

double element(wire::Datatype type, std::span<const std::byte> bytes, std::size_t index) {
  double value = 0;
  with_element_type(type, [&]<class T>(T) {
    value = static_cast<double>(load_element<T>(bytes.data() + index * sizeof(T)));
  });
  return value;
}

void append_number(std::string& out, double value) {
  std::array<char, kNumberBytes> buffer;
  out.append(buffer.data(), write(buffer.data(), value));
}

}  // namespace pilotlight::front
