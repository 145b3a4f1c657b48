#include "sidecar/artifact/folder.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <format>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <vector>

namespace pilotlight::artifact {
namespace {

using wire::Failure;
using wire::FailureClass;
using wire::UniqueFd;

constexpr std::size_t kMaxFiles = 1024;
constexpr int kMaxDepth = 16;

Failure invalid(std::string message) {
  return fetch_failure(FailureClass::kRevision, "InvalidBundle", std::move(message),
                       "Put only the bundle's own files into the folder, or use the exporter's tar.");
}

Failure unreadable(const std::string& name, int error) {
  return fetch_failure(
      FailureClass::kWorld, error == EACCES ? "Unauthorized" : "FetchFailed",
      std::format("'{}' in the folder cannot be read: {}", name, std::generic_category().message(error)),
      "Make the folder's files readable for the user 65532; it is tried again.");
}

// Collects the paths of the regular files below `folder`, which is consumed.
std::optional<Failure> list(UniqueFd folder, const std::string& prefix, int depth,
                            std::vector<std::string>& files) {
  const int number = folder.get();
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(folder.release()), ::closedir);
  if (!entries) {
    ::close(number);
    return unreadable(prefix, errno);
  }
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    const auto path = prefix + std::string(name);
    struct stat status{};
    if (::fstatat(number, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) return unreadable(path, errno);
    if (S_ISREG(status.st_mode)) {
      if (files.size() == kMaxFiles)
        return invalid(std::format("the folder holds more than {} files", kMaxFiles));
      files.push_back(path);
      continue;
    }
    if (!S_ISDIR(status.st_mode))
      return invalid(std::format("'{}' in the folder is a link or a special file", path));
    if (depth == kMaxDepth)
      return invalid(std::format("'{}' lies more than {} folders deep", path, kMaxDepth));
    UniqueFd inner(::openat(number, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!inner) return unreadable(path, errno);
    if (auto failed = list(std::move(inner), path + "/", depth + 1, files)) return failed;
  }
  return std::nullopt;
}

// An archive whose bytes go into a staged file. The first failure of the file is kept.
struct Tar {
  explicit Tar(StagedFile& to) : staged(&to) {}

  static la_ssize_t write(archive* /*unused*/, void* opaque, const void* data, std::size_t size) {
    auto& self = *static_cast<Tar*>(opaque);
    if (auto ok = self.staged->write(std::as_bytes(std::span(static_cast<const char*>(data), size))); !ok) {
      self.failure = ok.error();
      return -1;
    }
    return static_cast<la_ssize_t>(size);
  }

  StagedFile* staged;
  std::optional<Failure> failure;
};

// Adds one file; returns its sha256 in hexadecimal.
std::expected<std::string, Failure> add(archive* out, const Tar& tar, const UniqueFd& root,
                                        const std::string& path, const Progress& progress) {
  const UniqueFd file(::openat(root.get(), path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status{};
  if (!file || ::fstat(file.get(), &status) != 0) return std::unexpected(unreadable(path, errno));
  const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(),
                                                                       archive_entry_free);
  archive_entry_set_pathname(entry.get(), path.c_str());
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0444);
  archive_entry_set_size(entry.get(), status.st_size);
  const auto failed = [&] {
    return std::unexpected(tar.failure ? *tar.failure : invalid(std::format("'{}' cannot be packed", path)));
  };
  if (archive_write_header(out, entry.get()) != ARCHIVE_OK) return failed();
  Sha256 sha;
  std::vector<std::byte> buffer(256 * 1024);
  std::uint64_t total = 0;
  while (true) {
    if (progress.stopped())
      return std::unexpected(fetch_failure(FailureClass::kWorld, "FetchFailed", "stopped", ""));
    const auto got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0) return std::unexpected(unreadable(path, errno));
    if (got == 0) break;
    const auto piece = std::span(buffer).first(static_cast<std::size_t>(got));
    sha.update(piece);
    total += piece.size();
    if (archive_write_data(out, piece.data(), piece.size()) != got) return failed();
  }
  if (total != static_cast<std::uint64_t>(status.st_size)) {
    return std::unexpected(fetch_failure(FailureClass::kWorld, "FetchFailed",
                                         std::format("'{}' changed while it was read", path),
                                         "It is tried again."));
  }
  return sha.hex();
}

}  // namespace

std::expected<std::string, Failure> pack_folder(UniqueFd folder, StagedFile& staged, Progress& progress) {
  std::vector<std::string> files;
  UniqueFd again(::openat(folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!again) return std::unexpected(unreadable(".", errno));
  if (auto failed = list(std::move(again), "", 0, files)) return std::unexpected(*failed);
  if (files.empty()) {
    return std::unexpected(fetch_failure(FailureClass::kWorld, "NotFound", "the folder is empty",
                                         "Put the bundle's files there; it is tried again."));
  }
  std::ranges::sort(files);

  Tar tar(staged);
  const std::unique_ptr<archive, int (*)(archive*)> out(archive_write_new(), archive_write_free);
  archive_write_set_format_pax_restricted(out.get());
  if (archive_write_open2(out.get(), &tar, nullptr, Tar::write, nullptr, nullptr) != ARCHIVE_OK) {
    return std::unexpected(invalid("the folder cannot be packed"));
  }
  std::string lines;
  for (const auto& path : files) {
    const auto hex = add(out.get(), tar, folder, path, progress);
    if (!hex) return std::unexpected(hex.error());
    lines += *hex + "  " + path + "\n";
  }
  if (archive_write_close(out.get()) != ARCHIVE_OK) {
    return std::unexpected(tar.failure ? *tar.failure : invalid("the folder cannot be packed"));
  }
  Sha256 sha;
  sha.update(std::as_bytes(std::span(lines)));
  return sha.hex();
}

}  // namespace pilotlight::artifact
