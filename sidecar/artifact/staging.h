#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <span>
#include <string>

#include "sidecar/artifact/sha256.h"
#include "sidecar/wire/failure.h"
#include "sidecar/wire/fd.h"

namespace pilotlight::artifact {

// How far a fetch has come; written by the thread that fetches, read by any.
struct Progress {
  std::atomic<std::uint64_t> bytes = 0;
  std::atomic<std::uint64_t> total = 0;  // 0: not known
  std::atomic<bool> cancelled = false;   // set by whoever wants the fetch to end
  const Progress* whole = nullptr;       // of what this is a part; the part ends with it

  bool stopped() const { return cancelled || (whole != nullptr && whole->stopped()); }
};

// A file on its way into the staging folder: written to `<name>.part`, measured as it comes, limited in size,
// and renamed only when it is whole and on the disk. Not thread-safe.
class StagedFile {
 public:
  // `keep`: go on behind what an earlier attempt has left, which is read again for the digest.
  static std::expected<StagedFile, wire::Failure> open(const std::filesystem::path& part,
                                                       std::uint64_t max_bytes, Progress& progress,
                                                       bool keep = false);

  std::expected<void, wire::Failure> write(std::span<const std::byte> bytes);
  // Forgets what has been written: the source begins again.
  std::expected<void, wire::Failure> restart();
  std::uint64_t size() const { return size_; }

  // Flushes to the disk and renames to `final`. Returns the sha256 in hexadecimal.
  std::expected<std::string, wire::Failure> commit(const std::filesystem::path& final_path);
  const std::filesystem::path& part() const { return part_; }

 private:
  StagedFile(wire::UniqueFd fd, std::filesystem::path part, std::uint64_t max_bytes, Progress& progress);

  wire::UniqueFd fd_;
  std::filesystem::path part_;
  std::uint64_t max_bytes_;
  Progress* progress_;
  Sha256 sha_;
  std::uint64_t size_ = 0;
};

// A failure in the phase Fetching.
wire::Failure fetch_failure(wire::FailureClass failure_class, std::string reason, std::string message,
                            std::string remedy);
// For errno of a write: NoSpace, or FetchFailed with the system's words.
wire::Failure storage_failure(int error);

}  // namespace pilotlight::artifact
