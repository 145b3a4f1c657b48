#pragma once

#include <cstddef>
#include <expected>
#include <span>
#include <system_error>

namespace pilotlight::engine {

// A file mapped for reading, by descriptor. The bytes stay where they are for the object's whole life.
// Whoever could truncate the file could end the process with SIGBUS: give only files that nobody writes any
// more. May be read from any thread.
class MappedFile {
 public:
  // An empty file maps to an empty span. The descriptor may be closed afterwards.
  static std::expected<MappedFile, std::error_code> map(int fd);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  // Gives the memory back that reading has filled; what is read again comes from the file again.
  void forget() const;

  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  MappedFile(const std::byte* data, std::size_t size) : data_(data), size_(size) {}

  const std::byte* data_;
  std::size_t size_;
};

}  // namespace pilotlight::engine
