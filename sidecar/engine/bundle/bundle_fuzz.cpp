// A whole bundle, with the digests that it needs to be looked at any further.

#include "common/fuzz/fuzz.h"
#include "sidecar/engine/bundle/bundle.h"
#include "sidecar/engine/bundle/sha256.h"
#include "sidecar/engine/testing/archives.h"

namespace pilotlight::fuzz {
namespace {

void check_tensors(const engine::StoredTensors& tensors, std::string_view file) {
  for (const auto& [name, tensor] : tensors) {
    const auto* data = reinterpret_cast<const char*>(tensor.data.data());
    require(tensor.data.empty() ||
                (data >= file.data() && data + tensor.data.size() <= file.data() + file.size()),
            "a golden tensor lies in the file");
  }
}

// `@0` in the manifest stands for the digest of the first file, and so on.
std::string with_digests(std::string yaml, const std::vector<engine::testing::Entry>& files) {
  for (std::size_t i = 0; i < files.size(); ++i) {
    const auto mark = "@" + std::to_string(i);
    const auto at = yaml.find(mark);
    if (at == std::string::npos) continue;
    yaml.replace(at, mark.size(), engine::sha256_text(bytes(files[i].content)));
  }
  return yaml;
}

}  // namespace

// model.yaml, model.pt, and a golden case's inputs and outputs.
void run(std::string_view input) {
  const auto parts = split(input, 4);
  std::vector<engine::testing::Entry> entries = {
      {.name = "model.pt", .content = parts[1]},
      {.name = "golden/a/inputs.safetensors", .content = parts[2]},
      {.name = "golden/a/outputs.safetensors", .content = parts[3]}};
  entries.push_back({.name = "model.yaml", .content = with_digests(parts[0], entries)});
  const auto file = engine::testing::write_archive(engine::testing::ArchiveKind::kUstar, entries);
  const auto bundle = engine::open_bundle(bytes(file));
  if (!bundle) {
    const auto& fault = bundle.error();
    require(!fault.reason.empty() && presentable(fault.message, 1024) && presentable(fault.remedy, 512),
            "a fault can be shown");
    return;
  }
  require(bundle->manifest.has_value(), "an archive has a manifest");
  require(bundle->cases.size() == bundle->manifest->cases.size(), "every case is there");
  for (const auto& each : bundle->cases) {
    check_tensors(each.inputs, file);
    check_tensors(each.outputs, file);
  }
}

std::vector<std::string> seeds() {
  const std::string yaml =
      "apiVersion: bundle.pilotlight.dev/v1\n"
      "format: TorchScript\n"
      "model: {file: model.pt}\n"
      "contract:\n"
      "  inputs:\n"
      "  - {name: x, datatype: FP32, shape: [-1, 2]}\n"
      "  outputs:\n"
      "  - {name: y, datatype: FP32, shape: [-1, 1]}\n"
      "golden: {cases: [a]}\n"
      "files:\n"
      "  model.pt: @0\n"
      "  golden/a/inputs.safetensors: @1\n"
      "  golden/a/outputs.safetensors: @2\n";
  const auto model = engine::testing::write_archive(engine::testing::ArchiveKind::kZip,
                                                    {{.name = "m/code/a.py", .content = "x"}});
  const auto inputs = engine::testing::write_safetensors({engine::testing::floats("x", {1, 2}, {1, 2})});
  const auto outputs = engine::testing::write_safetensors({engine::testing::floats("y", {1, 1}, {3})});
  return {yaml + kSeparator + model + kSeparator + inputs + kSeparator + outputs};
}

}  // namespace pilotlight::fuzz
