#include "sidecar/artifact/local.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <format>
#include <system_error>
#include <vector>

#include "sidecar/artifact/folder.h"

namespace pilotlight::artifact {
namespace {

using wire::Failure;
using wire::FailureClass;
using wire::UniqueFd;

// Inside the volume, whatever symbolic links it holds.
UniqueFd open_beneath(const UniqueFd& root, const std::filesystem::path& path) {
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  return UniqueFd(static_cast<int>(::syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how)));
}

Failure cannot_open(const FetchOptions& options, int error) {
  const auto uri = redact(options.uri);
  if (error == ENOENT || error == ENOTDIR) {
    return fetch_failure(FailureClass::kWorld, "NotFound", std::format("'{}' does not exist", uri),
                         "Put the file there, or correct spec.model.uri; it is tried again.");
  }
  if (error == EACCES || error == EPERM) {
    return fetch_failure(FailureClass::kWorld, "Unauthorized", std::format("'{}' may not be read", uri),
                         "Make the file readable for the user 65532; it is tried again.");
  }
  if (error == EXDEV || error == ELOOP) {
    return fetch_failure(FailureClass::kRevision, "InvalidURI",
                         std::format("'{}' leads out of the volume by a symbolic link", uri),
                         "Name the file itself in spec.model.uri.");
  }
  return fetch_failure(FailureClass::kWorld, "FetchFailed",
                       std::format("'{}' cannot be opened: {}", uri, std::generic_category().message(error)),
                       "Look at the volume; it is tried again.");
}

std::expected<void, Failure> copy(int from, const FetchOptions& options, StagedFile& staged,
                                  Progress& progress) {
  std::vector<std::byte> buffer(256 * 1024);
  while (true) {
    if (progress.stopped())
      return std::unexpected(fetch_failure(FailureClass::kWorld, "FetchFailed", "stopped", ""));
    const auto got = ::read(from, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected(cannot_open(options, errno));
    if (got == 0) return {};
    if (auto ok = staged.write(std::span(buffer).first(static_cast<std::size_t>(got))); !ok) return ok;
  }
}

}  // namespace

std::expected<std::string, Failure> read_local(const Source& source, const FetchOptions& options,
                                               StagedFile& staged, Progress& progress) {
  UniqueFd from;
  if (source.scheme == Scheme::kVolume) {
    const UniqueFd root(::open(options.volume.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!root) return std::unexpected(cannot_open(options, errno));
    from = open_beneath(root, source.path);
  } else {
    from = UniqueFd(::open(source.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  }
  if (!from) return std::unexpected(cannot_open(options, errno));
  struct stat status{};
  if (::fstat(from.get(), &status) != 0) return std::unexpected(cannot_open(options, errno));
  if (S_ISDIR(status.st_mode)) return pack_folder(std::move(from), staged, progress);
  if (!S_ISREG(status.st_mode)) {
    return std::unexpected(
        fetch_failure(FailureClass::kRevision, "InvalidURI",
                      std::format("'{}' is neither a file nor a folder", redact(options.uri)),
                      "Name a bundle or a model file in spec.model.uri."));
  }
  progress.total = static_cast<std::uint64_t>(status.st_size);
  if (auto copied = copy(from.get(), options, staged, progress); !copied)
    return std::unexpected(copied.error());
  return std::string();
}

}  // namespace pilotlight::artifact
