#include "sidecar/engine/aoti/complaints.h"

#include <algorithm>
#include <iostream>
#include <string_view>

namespace pilotlight::engine::aoti {
namespace {

constexpr std::size_t kMost = 16 * 1024;

}  // namespace

Complaints::Complaints() : before_(std::cerr.rdbuf(this)) {}

Complaints::~Complaints() {
  std::cerr.rdbuf(before_);
}

Complaints::int_type Complaints::overflow(int_type character) {
  if (traits_type::eq_int_type(character, traits_type::eof())) return traits_type::not_eof(character);
  const char one = traits_type::to_char_type(character);
  xsputn(&one, 1);
  return character;
}

std::streamsize Complaints::xsputn(const char* text, std::streamsize count) {
  const std::scoped_lock lock(mutex_);
  text_.append(text, std::min(static_cast<std::size_t>(count), kMost - text_.size()));
  return count;
}

std::string Complaints::reason() {
  const std::scoped_lock lock(mutex_);
  return first_complaint(text_);
}

std::string first_complaint(const std::string& text) {
  // "[E… shim_common.cpp:200] Exception in aoti_torch: why\nException raised from …", and then "Error: …" of
  // each who passed it on.
  std::string_view rest = text;
  for (const std::string_view mark : {"Exception in aoti_torch: ", "Error: "}) {
    if (const auto found = rest.find(mark); found != std::string_view::npos) {
      rest.remove_prefix(found + mark.size());
      break;
    }
  }
  return std::string(rest.substr(0, rest.find('\n')));
}

}  // namespace pilotlight::engine::aoti
