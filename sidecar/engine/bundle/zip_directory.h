#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <span>
#include <string>

// The names in a ZIP's central directory (APPNOTE.TXT 6.3.10, §4.3.12 to §4.3.16).
//
// LibTorch goes by them alone, libarchive by those that stand before each entry's data: of an honest archive
// they are the same. Thread-safety: no state.
namespace pilotlight::engine {

// None: there is no such directory, or it does not fit into the file.
std::optional<std::multiset<std::string, std::less<>>> zip_directory_names(std::span<const std::byte> file);

}  // namespace pilotlight::engine
