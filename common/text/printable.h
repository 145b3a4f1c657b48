// Others' texts, before they stand in a message, a log or a status. Thread-safe: no state.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pilotlight {

// Whether it is UTF-8, whatever it says.
bool IsUtf8(std::string_view text);

// Whether it is UTF-8 without control characters (C0 and C1, which steer terminals, and DEL).
bool IsPrintable(std::string_view text);

// The text, but what is not printable as '?', and cut between characters, with "…" behind it, where it is
// longer than `most` bytes. Control characters among `kept` stay.
std::string Printable(std::string_view text, std::size_t most, std::string_view kept = {});

// "text", printable and short enough for a sentence to go on behind it.
std::string Quoted(std::string_view text);

}  // namespace pilotlight
