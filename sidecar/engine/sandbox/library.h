#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <span>
#include <string>

#include "sidecar/wire/fd.h"

// The one library that an engine for machine code may load: a file in memory, made before the sandbox, filled
// and sealed inside. Nobody but the loader can open it, and nothing else can be opened.
namespace pilotlight::engine::sandbox {

// An empty library; to be given to enter(). The error says why there can be none.
std::expected<wire::UniqueFd, std::string> create_library();

// Makes the library `size` bytes long, lets `fill` write them, and seals it: it never changes again. Once
// only, and before anything of it runs. False if `fill` says so, or if there is no memory for it.
bool write_library(int library, std::uint64_t size, const std::function<bool(std::span<std::byte>)>& fill);

// The path that dlopen is to be given.
std::string library_name(int library);

// As long as it lives, library_name can be opened for reading inside the sandbox, by any code of the process.
class LibraryAccess {
 public:
  explicit LibraryAccess(int library);
  ~LibraryAccess();
  LibraryAccess(const LibraryAccess&) = delete;
  LibraryAccess& operator=(const LibraryAccess&) = delete;
};

// The number that an opened library has, and the only one that may be mapped to be executed: the last one
// that a process of so few descriptors can have.
inline constexpr int kOpenedLibrary = 15;

// What opening a file for reading comes to inside: a descriptor, or -EACCES. For signal handlers.
long open_for_reading(const char* path);

}  // namespace pilotlight::engine::sandbox
