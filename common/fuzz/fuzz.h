#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// What every x_fuzz.cpp shares. Each defines run() and seeds(); `./dev test fuzz` runs them all.
namespace pilotlight::fuzz {

// One input, from anyone. Ends the process by require() if what came of it does not hold.
void run(std::string_view input);

// Inputs that reach deep, from which the fuzzer goes on.
std::vector<std::string> seeds();

// A property of the code under test. `what` says which, as a sentence.
void require(bool holds, std::string_view what,
             const std::source_location& where = std::source_location::current());

// Whether the text may be shown to people: not empty, at most `most` bytes, UTF-8, no control characters.
bool presentable(std::string_view text, std::size_t most);
bool is_utf8(std::string_view text);

// The input's parts: what stands between the separators, of which there are as many as `count` needs.
std::vector<std::string> split(std::string_view input, std::size_t count);
inline constexpr char kSeparator = '\x1e';

inline std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

}  // namespace pilotlight::fuzz
