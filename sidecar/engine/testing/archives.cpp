#include "sidecar/engine/testing/archives.h"

#include <archive.h>
#include <archive_entry.h>

#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "sidecar/engine/bundle/sha256.h"

namespace pilotlight::engine::testing {
namespace {

void check(int status, archive* writer) {
  if (status != ARCHIVE_OK) throw std::runtime_error(archive_error_string(writer));
}

void set_format(archive* writer, ArchiveKind kind) {
  switch (kind) {
    case ArchiveKind::kUstar:
      return check(archive_write_set_format_ustar(writer), writer);
    case ArchiveKind::kPax:
      return check(archive_write_set_format_pax(writer), writer);
    case ArchiveKind::kGnuTar:
      return check(archive_write_set_format_gnutar(writer), writer);
    case ArchiveKind::kZip:
      check(archive_write_set_format_zip(writer), writer);
      return check(archive_write_zip_set_compression_store(writer), writer);
    case ArchiveKind::kDeflatedZip:
      check(archive_write_set_format_zip(writer), writer);
      return check(archive_write_zip_set_compression_deflate(writer), writer);
    case ArchiveKind::kGzippedTar:
      check(archive_write_set_format_ustar(writer), writer);
      return check(archive_write_add_filter_gzip(writer), writer);
  }
}

std::string_view safetensors_name(wire::Datatype type) {
  switch (type) {
    case wire::Datatype::kBool:
      return "BOOL";
    case wire::Datatype::kUint8:
      return "U8";
    case wire::Datatype::kInt8:
      return "I8";
    case wire::Datatype::kInt16:
      return "I16";
    case wire::Datatype::kInt32:
      return "I32";
    case wire::Datatype::kInt64:
      return "I64";
    case wire::Datatype::kFp16:
      return "F16";
    case wire::Datatype::kBf16:
      return "BF16";
    case wire::Datatype::kFp32:
      return "F32";
    case wire::Datatype::kFp64:
      return "F64";
  }
  std::unreachable();
}

la_ssize_t append(archive*, void* to, const void* data, std::size_t size) {
  static_cast<std::string*>(to)->append(static_cast<const char*>(data), size);
  return static_cast<la_ssize_t>(size);
}

}  // namespace

std::string write_archive(ArchiveKind kind, const std::vector<Entry>& entries) {
  std::string out;
  const std::unique_ptr<archive, decltype(&archive_write_free)> writer(archive_write_new(),
                                                                       &archive_write_free);
  set_format(writer.get(), kind);
  check(archive_write_open2(writer.get(), &out, nullptr, &append, nullptr, nullptr), writer.get());
  for (const Entry& each : entries) {
    const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(),
                                                                              &archive_entry_free);
    archive_entry_set_pathname(entry.get(), each.name.c_str());
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0644);
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(each.content.size()));
    if (each.change) each.change(entry.get());
    check(archive_write_header(writer.get(), entry.get()), writer.get());
    archive_write_data(writer.get(), each.content.data(), each.content.size());
  }
  check(archive_write_close(writer.get()), writer.get());
  return out;
}

Plain floats(std::string name, std::vector<std::int64_t> shape, const std::vector<float>& values) {
  const auto raw = std::as_bytes(std::span(values));
  std::string data(reinterpret_cast<const char*>(raw.data()), raw.size());
  return {.name = std::move(name),
          .datatype = wire::Datatype::kFp32,
          .shape = std::move(shape),
          .data = std::move(data)};
}

std::string write_safetensors(std::string_view header, std::string_view data) {
  const std::uint64_t size = header.size();
  std::string file(sizeof size, '\0');
  std::memcpy(file.data(), &size, sizeof size);
  return file.append(header).append(data);
}

std::string write_safetensors(const std::vector<Plain>& tensors) {
  nlohmann::json header = nlohmann::json::object();
  std::string data;
  for (const Plain& each : tensors) {
    header[each.name] = {{"dtype", safetensors_name(each.datatype)},
                         {"shape", each.shape},
                         {"data_offsets", {data.size(), data.size() + each.data.size()}}};
    data += each.data;
  }
  return write_safetensors(header.dump(), data);
}

std::vector<Entry> bundle_entries(const BundleText& text) {
  std::vector<Entry> entries = {{.name = text.file, .content = text.model}};
  std::string cases;
  for (const PlainCase& each : text.cases) {
    cases += (cases.empty() ? "" : ", ") + each.name;
    const std::string folder = "golden/" + each.name + "/";
    entries.push_back({.name = folder + "inputs.safetensors", .content = write_safetensors(each.inputs)});
    entries.push_back({.name = folder + "outputs.safetensors", .content = write_safetensors(each.outputs)});
  }
  std::string yaml =
      "apiVersion: bundle.pilotlight.dev/v1\n"
      "name: test\n"
      "format: " +
      text.format +
      "\n"
      "model:\n"
      "  file: " +
      text.file +
      "\n"
      "contract:\n" +
      text.contract + "golden:\n" + text.golden + "  cases: [" + cases + "]\n" + "files:\n";
  for (const Entry& each : entries) yaml += "  " + each.name + ": " + sha256_text(bytes(each.content)) + "\n";
  yaml += "exporter:\n" + text.exporter + text.more;
  entries.push_back({.name = "model.yaml", .content = yaml});
  return entries;
}

std::string write_bundle(const BundleText& text) {
  return write_archive(ArchiveKind::kUstar, bundle_entries(text));
}

}  // namespace pilotlight::engine::testing
