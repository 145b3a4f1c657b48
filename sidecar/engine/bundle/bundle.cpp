#include "sidecar/engine/bundle/bundle.h"

#include <string_view>
#include <utility>

#include "common/text/printable.h"
#include "sidecar/engine/bundle/format.h"
#include "sidecar/engine/bundle/sha256.h"
#include "sidecar/engine/bundle/tar_index.h"

namespace pilotlight::engine {
namespace {

constexpr std::string_view kManifest = "model.yaml";

Outcome<Manifest> read_manifest(const Members& members) {
  const auto found = members.find(kManifest);
  if (found == members.end()) {
    return invalid_bundle("the archive has no model.yaml at its top",
                          "Pack the folder's content, not the folder: tar -cf bundle.tar -C folder .");
  }
  const auto bytes = found->second;
  return parse_manifest({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

// Every member is listed with its digest, and every listed one is there.
Outcome<void> check_files(const Members& members, const Manifest& manifest) {
  for (const auto& [name, digest] : manifest.files) {
    const auto found = members.find(name);
    if (found == members.end() || name == kManifest) {
      return invalid_bundle("model.yaml lists the file " + Quoted(name) +
                            ", which the archive does not hold");
    }
    const std::string actual = sha256_text(found->second);
    if (actual != digest) {
      return invalid_bundle("file " + Quoted(name) + " is " + actual + ", but model.yaml says " + digest,
                            "Export the bundle again: it was changed after it was written.");
    }
  }
  for (const auto& [name, bytes] : members) {
    if (name != kManifest && !manifest.files.contains(name)) {
      return invalid_bundle("the archive holds " + Quoted(name) +
                            ", which model.yaml does not list under files");
    }
  }
  return {};
}

Outcome<StoredTensors> read_case_file(const Members& members, const std::string& name) {
  const auto found = members.find(name);
  if (found == members.end())
    return invalid_bundle("the archive lacks " + Quoted(name) + ", a golden case's file");
  auto tensors = read_safetensors(found->second);
  if (!tensors) return invalid_bundle("file " + Quoted(name) + ": " + tensors.error());
  return *std::move(tensors);
}

Outcome<std::vector<GoldenCase>> read_cases(const Members& members, const Manifest& manifest) {
  std::vector<GoldenCase> cases;
  for (const std::string& name : manifest.cases) {
    auto inputs = read_case_file(members, "golden/" + name + "/inputs.safetensors");
    if (!inputs) return std::unexpected(std::move(inputs).error());
    auto outputs = read_case_file(members, "golden/" + name + "/outputs.safetensors");
    if (!outputs) return std::unexpected(std::move(outputs).error());
    cases.push_back({.name = name, .inputs = *std::move(inputs), .outputs = *std::move(outputs)});
  }
  return cases;
}

Outcome<Bundle> open_archive(std::span<const std::byte> file) {
  const auto members = index_tar(file);
  if (!members) return std::unexpected(members.error());
  auto manifest = read_manifest(*members);
  if (!manifest) return std::unexpected(std::move(manifest).error());
  if (auto files = check_files(*members, *manifest); !files) return std::unexpected(std::move(files).error());
  const auto model = members->find(manifest->model_file);
  if (model == members->end()) {
    return invalid_bundle("model.yaml, model.file: the archive does not hold " +
                          Quoted(manifest->model_file));
  }
  auto format = detect_format(model->second);
  if (!format) {
    format.error().message =
        "in the bundle, " + Printable(manifest->model_file, 80) + ": " + format.error().message;
    return std::unexpected(std::move(format).error());
  }
  if (*format != manifest->format) {
    return invalid_bundle("model.yaml, format: " + std::string(model_format_name(manifest->format)) +
                          ", but " + Quoted(manifest->model_file) + " is " +
                          std::string(model_format_name(*format)));
  }
  auto cases = read_cases(*members, *manifest);
  if (!cases) return std::unexpected(std::move(cases).error());
  return Bundle{.manifest = *std::move(manifest),
                .model = model->second,
                .format = *format,
                .cases = *std::move(cases)};
}

}  // namespace

Outcome<Bundle> open_bundle(std::span<const std::byte> file) {
  if (is_bundle(file)) return open_archive(file);
  const auto format = detect_format(file);
  if (!format) return std::unexpected(format.error());
  return Bundle{.manifest = std::nullopt, .model = file, .format = *format, .cases = {}};
}

}  // namespace pilotlight::engine
