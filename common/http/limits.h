#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace pilotlight::http {

// What one client may cost us. A deadline that passes is answered 408 where an answer makes sense.
struct Limits {
  std::size_t target_bytes = 2 * 1024;   // longer: 414
  std::size_t field_bytes = 8 * 1024;    // one header line; longer: 431
  std::size_t head_bytes = 16 * 1024;    // request line and headers; longer: 431
  std::uint64_t body_bytes = 64 * 1024;  // longer: 413, from the header. A Service may decide per request.
  std::size_t connections = 1024;        // more: 503

  std::chrono::milliseconds head_time{5000};   // from the first byte of a head to its last
  std::chrono::milliseconds idle_time{60000};  // between requests; then closed without a word
  std::chrono::milliseconds grace{5000};       // a body, or an answer, may take this …
  std::uint64_t bytes_per_second = 16 * 1024;  // … plus the time that its bytes so far take at this rate
};

}  // namespace pilotlight::http
