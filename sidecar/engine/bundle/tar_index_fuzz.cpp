// Archives: each member lies in the file, overlaps no other, and has the bytes that libarchive would unpack.

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <cstring>
#include <format>
#include <memory>
#include <set>

#include "common/fuzz/fuzz.h"
#include "sidecar/engine/bundle/tar_index.h"
#include "sidecar/engine/testing/archives.h"

namespace pilotlight::fuzz {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kChecksum = 148;

void check_name(const std::string& name) {
  require(!name.starts_with('/') && !name.ends_with('/'), "a name is relative");
  require(name != ".." && !name.starts_with("../") && !name.ends_with("/..") && !name.contains("/../"),
          "a name does not lead upwards");
}

void check_places(const engine::Members& members, std::span<const std::byte> file) {
  std::vector<std::span<const std::byte>> places;
  for (const auto& [name, data] : members) {
    check_name(name);
    if (data.empty()) continue;
    require(data.data() >= file.data() && data.size() <= file.size() &&
                data.data() + data.size() <= file.data() + file.size(),
            "a member lies in the file");
    places.push_back(data);
  }
  std::ranges::sort(places, {}, [](auto data) { return data.data(); });
  for (std::size_t i = 1; i < places.size(); ++i) {
    require(places[i - 1].data() + places[i - 1].size() <= places[i].data(), "no two members overlap");
  }
}

// The sum of the contents of all regular files, unpacked in the ordinary way.
std::multiset<std::string> unpacked(std::span<const std::byte> file) {
  const std::unique_ptr<archive, decltype(&archive_read_free)> reader(archive_read_new(), &archive_read_free);
  archive_read_support_format_tar(reader.get());
  std::multiset<std::string> contents;
  archive_entry* entry = nullptr;
  if (archive_read_open_memory(reader.get(), file.data(), file.size()) != ARCHIVE_OK) return contents;
  while (archive_read_next_header(reader.get(), &entry) == ARCHIVE_OK) {
    if (archive_entry_filetype(entry) != AE_IFREG) continue;
    std::string content;
    char buffer[4096];
    for (la_ssize_t got = 0; (got = archive_read_data(reader.get(), buffer, sizeof buffer)) > 0;) {
      content.append(buffer, static_cast<std::size_t>(got));
      if (content.size() > 2 * file.size()) break;
    }
    contents.insert(std::move(content));
  }
  return contents;
}

// A header whose sum is wrong is not looked at any further, so every header gets the right one.
void mend(std::span<std::uint8_t> data) {
  for (std::size_t at = 0; at + kBlock <= data.size(); at += kBlock) {
    const auto header = data.subspan(at, kBlock);
    if (std::memcmp(header.data() + 257, "ustar", 5) != 0) continue;
    std::ranges::fill(header.subspan(kChecksum, 8), std::uint8_t{' '});
    unsigned sum = 0;
    for (const auto byte : header) sum += byte;
    std::memcpy(header.data() + kChecksum, std::format("{:06o}", sum).c_str(), 7);
  }
}

}  // namespace

void run(std::string_view input) {
  const auto file = bytes(input);
  const auto members = engine::index_tar(file);
  if (!members) {
    require(members.error().reason == "InvalidBundle", "a bad archive is an invalid bundle");
    return require(presentable(members.error().message, 512) && presentable(members.error().remedy, 512),
                   "an error can be shown");
  }
  require(members->size() <= engine::kMaxMembers, "an archive has its limit of members");
  check_places(*members, file);
  std::multiset<std::string> contents;
  for (const auto& [name, data] : *members) {
    contents.emplace(reinterpret_cast<const char*>(data.data()), data.size());
  }
  require(contents == unpacked(file), "the members are what unpacking gives");
}

std::vector<std::string> seeds() {
  using engine::testing::ArchiveKind;
  using engine::testing::Entry;
  const std::vector<Entry> entries = {
      {.name = "./model.pt", .content = std::string(600, 'x')},
      {.name = "golden", .content = "", .change = [](auto* e) { archive_entry_set_filetype(e, AE_IFDIR); }},
      {.name = "golden/a/inputs.safetensors", .content = "y"},
      {.name = "empty", .content = ""}};
  const std::vector<Entry> odd = {
      {.name = std::string(180, 'n') + "/" + std::string(80, 'm'), .content = "long"},
      {.name = "odd name", .content = "z"},
      {.name = "link", .content = "", .change = [](auto* e) { archive_entry_set_hardlink(e, "model.pt"); }}};
  const std::vector<Entry> sparse = {{.name = "s", .content = std::string(4096, 's'), .change = [](auto* e) {
                                        archive_entry_sparse_add_entry(e, 1024, 512);
                                      }}};
  std::vector<std::string> all;
  for (const auto kind : {ArchiveKind::kUstar, ArchiveKind::kPax, ArchiveKind::kGnuTar}) {
    all.push_back(engine::testing::write_archive(kind, entries));
    if (kind != ArchiveKind::kUstar) all.push_back(engine::testing::write_archive(kind, odd));
  }
  all.push_back(engine::testing::write_archive(ArchiveKind::kPax, sparse));
  const auto pax = [](std::string_view key, std::string_view value) {
    std::string body;
    for (std::size_t length = 0; length != body.size() || length == 0;) {
      length = std::max<std::size_t>(body.size(), 1);
      body = std::format("{} {}={}\n", length, key, value);
    }
    return body;
  };
  // Attributes that change what a member is.
  for (const auto& [key, value] : {std::pair("size", "1024"), std::pair("SCHILY.realsize", "1024"),
                                   std::pair("GNU.sparse.realsize", "1024"), std::pair("path", "../x"),
                                   std::pair("GNU.sparse.map", "0,1"), std::pair("linkpath", "a")}) {
    auto file = engine::testing::write_archive(ArchiveKind::kUstar,
                                               {{.name = "PaxHeader", .content = pax(key, value)},
                                                {.name = "a", .content = "content"},
                                                {.name = "b", .content = "more"}});
    file[156] = 'x';
    mend({reinterpret_cast<std::uint8_t*>(file.data()), file.size()});
    all.push_back(std::move(file));
  }
  return all;
}

}  // namespace pilotlight::fuzz

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most,
                                               unsigned int /*seed*/) {
  const auto changed = LLVMFuzzerMutate(data, size, most);
  pilotlight::fuzz::mend({data, changed});
  return changed;
}
