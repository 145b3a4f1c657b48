#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/http/limits.h"

namespace pilotlight::http {

// What is wrong with a head, as status and sentence.
struct Rejection {
  unsigned status;
  std::string message;
};

struct Scan {
  std::size_t length = 0;  // of the complete head, its empty line included; 0 while it is incomplete
  std::optional<Rejection> rejected;
};

// Looks over the bytes received so far, before any parser does. A lenient parser behind a lenient proxy is
// how requests are smuggled, so only what has one reading passes: lines end in CRLF, none is folded, names
// stand next to their colon, values hold no control characters, Content-Length is there once and is a plain
// number, or Transfer-Encoding is there instead. Refuses as early as the bytes allow.
Scan scan_head(std::string_view received, const Limits& limits);

}  // namespace pilotlight::http
