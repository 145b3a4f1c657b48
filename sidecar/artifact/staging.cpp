#include "sidecar/artifact/staging.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <format>
#include <system_error>
#include <utility>
#include <vector>

namespace pilotlight::artifact {

using wire::Failure;
using wire::FailureClass;

Failure fetch_failure(FailureClass failure_class, std::string reason, std::string message,
                      std::string remedy) {
  return {.failure_class = failure_class,
          .reason = std::move(reason),
          .phase = "Fetching",
          .message = std::move(message),
          .remedy = std::move(remedy)};
}

Failure storage_failure(int error) {
  if (error == ENOSPC || error == EDQUOT) {
    return fetch_failure(FailureClass::kWorld, "NoSpace", "the pod's scratch volume is full",
                         "Free the node's disk, or raise the ephemeral-storage limit in spec.template.");
  }
  return fetch_failure(FailureClass::kWorld, "FetchFailed",
                       "the scratch volume failed: " + std::generic_category().message(error),
                       "Look at the node's disk; the fetch is tried again.");
}

StagedFile::StagedFile(wire::UniqueFd fd, std::filesystem::path part, std::uint64_t max_bytes,
                       Progress& progress)
    : fd_(std::move(fd)), part_(std::move(part)), max_bytes_(max_bytes), progress_(&progress) {}

std::expected<StagedFile, Failure> StagedFile::open(const std::filesystem::path& part,
                                                    std::uint64_t max_bytes, Progress& progress, bool keep) {
  const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (keep ? 0 : O_TRUNC);
  wire::UniqueFd fd(::open(part.c_str(), flags, 0600));
  if (!fd) return std::unexpected(storage_failure(errno));
  StagedFile file(std::move(fd), part, max_bytes, progress);
  progress.bytes = 0;
  if (!keep) return file;
  std::vector<std::byte> buffer(256 * 1024);
  while (true) {
    const auto got = ::read(file.fd_.get(), buffer.data(), buffer.size());
    if (got < 0) return std::unexpected(storage_failure(errno));
    if (got == 0) break;
    file.sha_.update(std::span(buffer).first(static_cast<std::size_t>(got)));
    file.size_ += static_cast<std::uint64_t>(got);
  }
  progress.bytes = file.size_;
  return file;
}

std::expected<void, Failure> StagedFile::write(std::span<const std::byte> bytes) {
  if (bytes.size() > max_bytes_ - size_) {
    return std::unexpected(
        fetch_failure(FailureClass::kRevision, "ModelTooLarge",
                      std::format("the file is larger than the limit of {} bytes", max_bytes_),
                      "Point spec.model.uri at the right file."));
  }
  sha_.update(bytes);
  size_ += bytes.size();
  while (!bytes.empty()) {
    const auto written = ::write(fd_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return std::unexpected(storage_failure(errno));
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  progress_->bytes = size_;
  return {};
}

std::expected<void, Failure> StagedFile::restart() {
  if (::ftruncate(fd_.get(), 0) != 0 || ::lseek(fd_.get(), 0, SEEK_SET) != 0) {
    return std::unexpected(storage_failure(errno));
  }
  sha_ = Sha256();
  size_ = 0;
  progress_->bytes = 0;
  return {};
}

std::expected<std::string, Failure> StagedFile::commit(const std::filesystem::path& final_path) {
  if (::fchmod(fd_.get(), 0440) != 0 || ::fsync(fd_.get()) != 0 ||
      ::rename(part_.c_str(), final_path.c_str()) != 0) {
    return std::unexpected(storage_failure(errno));
  }
  const wire::UniqueFd folder(::open(final_path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder) ::fsync(folder.get());
  return sha_.hex();
}

}  // namespace pilotlight::artifact
