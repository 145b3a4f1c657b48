#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace pilotlight::artifact {

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
