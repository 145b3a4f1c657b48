#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace pilotlight::artifact {

using Digest = std::array<std::byte, 32>;

// The sha256 of bytes that are all there. Thread-safe: no state.
Digest sha256_of(std::span<const std::byte> bytes);
// In lower case.
std::string hex_of(const Digest& digest);

// A running sha256. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::span<const std::byte> bytes);
  // The digest so far, in hexadecimal. The object is then spent.
  std::string hex();

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;
};

}  // namespace pilotlight::artifact
