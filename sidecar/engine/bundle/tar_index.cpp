#include "sidecar/engine/bundle/tar_index.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <ranges>
#include <string_view>
#include <utility>

#include "common/text/printable.h"

namespace pilotlight::engine {
namespace {

using Reader = std::unique_ptr<archive, decltype(&archive_read_free)>;

// The member's key: the name without the "./" that `tar -c .` writes.
Outcome<std::string> key_of(archive_entry* entry) {
  const char* raw = archive_entry_pathname_utf8(entry);
  if (raw == nullptr) raw = archive_entry_pathname(entry);
  if (raw == nullptr) return invalid_bundle("the archive holds a member whose name cannot be read");
  std::string_view name = raw;
  while (name.starts_with("./")) name.remove_prefix(2);
  if (!IsPrintable(name)) {
    return invalid_bundle("the archive holds the name " + Quoted(name) +
                          ", which has control characters or is not UTF-8");
  }
  if (name.starts_with("/")) {
    return invalid_bundle("the archive holds the absolute name " + Quoted(name));
  }
  if (name.ends_with("/")) name.remove_suffix(1);  // directories
  for (const auto part : std::views::split(name, '/')) {
    const std::string_view word(part.begin(), part.end());
    if (word == ".." || (word.empty() && !name.empty())) {
      return invalid_bundle("the archive holds the name " + Quoted(name) + ", which has " + Quoted(word) +
                            " in it");
    }
  }
  return std::string(name);
}

Outcome<void> check_kind(archive_entry* entry, const std::string& name) {
  const auto refused = [&name](std::string_view what) {
    return invalid_bundle("member " + Quoted(name) + " is " + std::string(what) +
                          "; only regular files are accepted");
  };
  if (archive_entry_hardlink(entry) != nullptr) return refused("a hard link");
  if (archive_entry_sparse_count(entry) > 0) return refused("a sparse file");
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
    case AE_IFDIR:
      return {};
    case AE_IFLNK:
      return refused("a symbolic link");
    default:
      return refused("a device or another special file");
  }
}

// Where the current member's data lies inside the archive. libarchive hands out pointers into the memory that
// it was given, so the first block's address is the member's offset; that is checked rather than believed.
Outcome<std::span<const std::byte>> locate(archive* reader, archive_entry* entry, const std::string& name,
                                           std::span<const std::byte> whole) {
  const void* block = nullptr;
  std::size_t block_bytes = 0;
  la_int64_t offset = 0;
  const int status = archive_read_data_block(reader, &block, &block_bytes, &offset);
  if (status == ARCHIVE_EOF) block_bytes = 0;
  const auto* data = static_cast<const std::byte*>(block);
  const bool inside = block_bytes == 0 ||
                      (status == ARCHIVE_OK && offset == 0 && std::greater_equal<>()(data, whole.data()) &&
                       std::less<>()(data, whole.data() + whole.size()) &&
                       std::cmp_less_equal(block_bytes, whole.data() + whole.size() - data));
  // The block is all that is stored. Attributes of sparse files can give a member any other size.
  const la_int64_t size = archive_entry_size(entry);
  if (!inside || !std::cmp_equal(block_bytes, size)) {
    return invalid_bundle(
        "member " + Quoted(name) + " of " + std::to_string(size) + " bytes is cut off, or sparse",
        "Upload the bundle again, whole.");
  }
  return block_bytes == 0 ? std::span<const std::byte>() : std::span(data, block_bytes);
}

}  // namespace

Outcome<Members> index_tar(std::span<const std::byte> archive) {
  const Reader reader(archive_read_new(), &archive_read_free);
  archive_read_support_format_tar(reader.get());
  if (archive_read_open_memory(reader.get(), archive.data(), archive.size()) != ARCHIVE_OK) {
    return invalid_bundle("the archive cannot be read as tar");
  }
  Members members;
  archive_entry* entry = nullptr;
  int status = ARCHIVE_OK;
  std::size_t entries = 0;
  while ((status = archive_read_next_header(reader.get(), &entry)) == ARCHIVE_OK) {
    if (++entries > kMaxMembers) {
      return invalid_bundle("the archive has more than " + std::to_string(kMaxMembers) + " members");
    }
    auto name = key_of(entry);
    if (!name) return std::unexpected(std::move(name).error());
    if (auto kind = check_kind(entry, *name); !kind) return std::unexpected(std::move(kind).error());
    if (archive_entry_filetype(entry) == AE_IFDIR) continue;
    auto data = locate(reader.get(), entry, *name, archive);
    if (!data) return std::unexpected(std::move(data).error());
    if (!members.emplace(*name, *data).second) {
      return invalid_bundle("member " + Quoted(*name) + " is there twice");
    }
  }
  if (status != ARCHIVE_EOF) {
    return invalid_bundle(
        "the archive is damaged or cut off after " + std::to_string(members.size()) + " members",
        "Upload the bundle again, whole.");
  }
  return members;
}

}  // namespace pilotlight::engine
