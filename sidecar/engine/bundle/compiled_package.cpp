#include "sidecar/engine/bundle/compiled_package.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "common/text/printable.h"

namespace pilotlight::engine {
namespace {

using nlohmann::json;

constexpr std::string_view kFolder = "data/aotinductor/";
constexpr std::uint64_t kMaxMetadata = 1 << 20;
constexpr const char* kExportForModel =
    "Export the model with pilotlight_export, format=\"aotinductor\", which writes what is needed.";

std::unexpected<Fault> unsupported_package(const std::string& what, const char* remedy = kExportForModel) {
  return refuse("UnsupportedFormat", "the AOTInductor package " + what, remedy);
}

struct Entry {
  std::string name;
  std::uint64_t bytes;
  std::function<bool(std::span<std::byte>)> read;  // all of it
};

// Calls `visit` with each file of the archive, in its order, until it returns false. False if the archive is
// damaged.
bool walk(std::span<const std::byte> file, const std::function<bool(const Entry&)>& visit) {
  const std::unique_ptr<archive, decltype(&archive_read_free)> zip(archive_read_new(), &archive_read_free);
  archive_read_support_format_zip_seekable(zip.get());
  int status = archive_read_open_memory(zip.get(), file.data(), file.size());
  archive_entry* entry = nullptr;
  while (status == ARCHIVE_OK) {
    status = archive_read_next_header(zip.get(), &entry);
    if (status != ARCHIVE_OK) break;
    const char* name = archive_entry_pathname(entry);
    const auto size = archive_entry_size(entry);
    if (name == nullptr || size < 0) return false;
    const auto read = [&zip](std::span<std::byte> to) {
      const auto got = archive_read_data(zip.get(), to.data(), to.size());
      return std::cmp_equal(got, to.size());
    };
    if (!visit({.name = name, .bytes = static_cast<std::uint64_t>(size), .read = read})) return true;
  }
  return status == ARCHIVE_EOF;
}

// What follows data/aotinductor/<model>/, where the name is of that kind.
std::optional<std::string_view> file_of_model(std::string_view name) {
  const auto folder = name.find(kFolder);
  if (folder == std::string_view::npos) return std::nullopt;
  const std::string_view below = name.substr(folder + kFolder.size());
  const auto slash = below.find('/');
  if (slash == std::string_view::npos || slash + 1 == below.size()) return std::nullopt;
  return below.substr(slash + 1);
}

struct Found {
  std::vector<std::pair<std::string, std::uint64_t>> libraries;
  std::vector<std::string> metadata;  // contents
  std::string sources;                // a name of such a file
  std::string interpreted;            // a name of a list of operators
  bool too_large = false;
  bool damaged = false;
};

Found find(std::span<const std::byte> file) {
  Found found;
  found.damaged = !walk(file, [&found](const Entry& entry) {
    const auto name = file_of_model(entry.name);
    if (!name) return true;
    if (name->ends_with(".so")) {
      found.libraries.emplace_back(entry.name, entry.bytes);
    } else if (name->ends_with("_compile_flags.json") || name->ends_with("_linker_flags.json") ||
               name->ends_with(".o")) {
      found.sources = *name;
    } else if (name->ends_with("metadata.json")) {
      if (entry.bytes > kMaxMetadata) {
        found.too_large = true;
        return false;
      }
      std::string& content = found.metadata.emplace_back(entry.bytes, '\0');
      found.damaged = !entry.read(std::as_writable_bytes(std::span(content)));
      return !found.damaged;
    } else if (name->ends_with(".json")) {
      found.interpreted = *name;
    }
    return true;
  }) || found.damaged;
  return found;
}

std::string text(const json& metadata, const char* key) {
  const auto found = metadata.find(key);
  return found != metadata.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Outcome<void> read_metadata(const std::string& content, CompiledPackage& package) {
  const json metadata = json::parse(content, nullptr, false);
  if (!metadata.is_object()) return unsupported_package("has metadata that are no JSON object");
  if (const std::string device = text(metadata, "AOTI_DEVICE_KEY"); device != "cpu") {
    return unsupported_package("was compiled for the device " + Quoted(device) + "; this is a CPU",
                               "Export it on the CPU: model.cpu().");
  }
  package.instructions = text(metadata, "AOTI_CPU_ISA");
  if (package.instructions.empty()) {
    return unsupported_package("does not say for which instructions it was compiled (AOTI_CPU_ISA)");
  }
  const std::string inputs = text(metadata, "PILOTLIGHT_INPUTS");
  if (inputs.empty())
    return unsupported_package("does not say for which inputs it was compiled (PILOTLIGHT_INPUTS)");
  auto read = read_compiled_inputs(inputs);
  if (!read)
    return unsupported_package("has metadata that cannot be read: PILOTLIGHT_INPUTS, " + read.error());
  package.inputs = *std::move(read);
  return {};
}

}  // namespace

Outcome<CompiledPackage> read_package(std::span<const std::byte> file) {
  const Found found = find(file);
  if (found.damaged) return unsupported_package("is damaged", "Upload the file again, whole.");
  if (found.too_large) return unsupported_package("has metadata of more than 1 MiB");
  if (found.libraries.empty()) {
    return unsupported_package(
        found.sources.empty() ? "holds no compiled library"
                              : "holds sources to be compiled (" + Printable(found.sources, 80) +
                                    ") and no compiled library; nothing is ever compiled here",
        "Compile where the model is exported: leave aot_inductor.package_cpp_only out.");
  }
  if (found.libraries.size() > 1) {
    return unsupported_package("holds " + std::to_string(found.libraries.size()) + " libraries, " +
                               Quoted(found.libraries[0].first) + " and " + Quoted(found.libraries[1].first));
  }
  if (!found.interpreted.empty()) {
    return unsupported_package(
        "needs operators that are not compiled into it (" + Printable(found.interpreted, 80) + ")",
        "Replace the operators that AOTInductor has no C interface for, or export as TorchScript.");
  }
  if (found.metadata.size() != 1) {
    return unsupported_package("has " + std::to_string(found.metadata.size()) +
                               " files of metadata instead of one");
  }
  CompiledPackage package{.library = found.libraries[0].first,
                          .library_bytes = found.libraries[0].second,
                          .instructions = {},
                          .inputs = {}};
  if (auto read = read_metadata(found.metadata[0], package); !read) {
    return std::unexpected(std::move(read).error());
  }
  return package;
}

bool unpack_library(std::span<const std::byte> file, const CompiledPackage& package,
                    std::span<std::byte> to) {
  bool unpacked = false;
  return walk(file,
              [&](const Entry& entry) {
                if (entry.name != package.library) return true;
                unpacked = entry.bytes == to.size() && entry.read(to);
                return false;
              }) &&
         unpacked;
}

}  // namespace pilotlight::engine
