// What a file is, by its content; and the ZIP directory of a TorchScript file.

#include <archive.h>
#include <archive_entry.h>

#include <memory>
#include <set>

#include "common/fuzz/fuzz.h"
#include "sidecar/engine/bundle/format.h"
#include "sidecar/engine/testing/archives.h"

namespace pilotlight::fuzz {
namespace {

void check_fault(const engine::Fault& fault) {
  require(!fault.reason.empty(), "a fault has a reason");
  require(presentable(fault.message, 512), "a fault's message can be shown");
  require(presentable(fault.remedy, 512), "a fault says what to do");
}

// What was accepted is a directory that PyTorch could have written.
void check_zip(std::span<const std::byte> file) {
  const std::unique_ptr<archive, decltype(&archive_read_free)> zip(archive_read_new(), &archive_read_free);
  archive_read_support_format_zip_seekable(zip.get());
  require(archive_read_open_memory(zip.get(), file.data(), file.size()) == ARCHIVE_OK,
          "an accepted ZIP opens");
  std::set<std::string> names;
  std::uint64_t expanded = 0;
  archive_entry* entry = nullptr;
  int status = ARCHIVE_OK;
  while ((status = archive_read_next_header(zip.get(), &entry)) == ARCHIVE_OK) {
    const char* raw = archive_entry_pathname(entry);
    const std::string name = raw == nullptr ? "" : raw;
    require(names.insert(name).second, "no name is there twice");
    require(!name.contains(".."), "no name leads upwards");
    require(!name.starts_with("/"), "no name is absolute");
    require(archive_entry_size(entry) >= 0, "no size is negative");
    expanded += static_cast<std::uint64_t>(archive_entry_size(entry));
  }
  require(status == ARCHIVE_EOF, "an accepted ZIP is whole");
  require(expanded <= file.size() + (64U << 20), "an accepted ZIP does not expand far");
}

}  // namespace

void run(std::string_view input) {
  const auto file = bytes(input);
  const auto format = engine::detect_format(file);
  if (!format) {
    check_fault(format.error());
    require(format.error().reason == "UnsupportedFormat", "an unknown file is of an unsupported format");
  } else if (*format != engine::ModelFormat::kOnnx) {
    check_zip(file);
  }
}

std::vector<std::string> seeds() {
  using engine::testing::ArchiveKind;
  const auto zip = [](std::vector<engine::testing::Entry> entries, ArchiveKind kind = ArchiveKind::kZip) {
    return engine::testing::write_archive(kind, entries);
  };
  return {zip({{.name = "m/code/a.py", .content = "x"}, {.name = "m/data.pkl", .content = "y"}}),
          zip({{.name = "m/code/a.py", .content = std::string(5000, 'x')}}, ArchiveKind::kDeflatedZip),
          zip({{.name = "m/data.pkl", .content = "y"}}),
          zip({{.name = "a/archive_format", .content = "pt2"}}),
          zip({{.name = "a/data/aotinductor/m/m.so",
                .content = "\x7f"
                           "ELF"}}),
          zip({{.name = "a/b", .content = "c"}, {.name = "a/b", .content = "c"}}),
          zip({{.name = "../b", .content = "c"}}),
          zip({}),
          engine::testing::write_archive(ArchiveKind::kGzippedTar, {{.name = "a", .content = "b"}}),
          engine::testing::write_archive(ArchiveKind::kUstar, {{.name = "a", .content = "b"}}),
          "<!doctype html>",
          " \xef\xbb\xbf{\"a\":1}",
          "\x80\x02}q",
          std::string("\x0a\0\0\0\0\0\0\0{\"a\":1}", 15),
          "\x08\x07\x12\x07pytorch"};
}

}  // namespace pilotlight::fuzz
