// model.yaml: the YAML subset and the manifest in it.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/fuzz/fuzz.h"
#include "sidecar/engine/bundle/manifest.h"
#include "sidecar/engine/bundle/yaml_subset.h"

namespace pilotlight::fuzz {
namespace {

using nlohmann::json;

std::size_t depth(const json& value) {
  std::size_t most = 0;
  if (!value.is_structured()) return 0;
  for (const auto& item : value) most = std::max(most, depth(item));
  return most + 1;
}

// yaml-cpp reads no key of more than 1,024 characters, as it is written, that stands on a line with its
// value.
bool long_key(const json& value) {
  if (!value.is_structured()) return false;
  for (const auto& [key, item] : value.items()) {
    if ((value.is_object() && json(key).dump().size() > 1000) || long_key(item)) return true;
  }
  return false;
}

void check_manifest(const engine::Manifest& manifest) {
  require(!manifest.model_file.empty(), "a manifest names its model");
  for (const auto& tolerance : {manifest.absolute_tolerance, manifest.relative_tolerance}) {
    if (tolerance) require(*tolerance >= 0 && *tolerance < HUGE_VAL, "a tolerance is a number from 0");
  }
  for (const auto& name : manifest.cases) {
    require(!name.empty() && !name.contains('/'), "a case's name is no path");
  }
  for (const auto& [name, digest] : manifest.files) {
    require(digest.size() == 71 && digest.starts_with("sha256:"), "a file has a digest");
  }
  static_cast<void>(wire::to_json(manifest.contract).dump());  // throws where a text is no UTF-8
}

}  // namespace

void run(std::string_view input) {
  for (const auto scalars : {engine::Scalars::kTyped, engine::Scalars::kText}) {
    const auto document = engine::read_yaml(input, scalars);
    if (!document) {
      require(presentable(document.error(), 512), "an error can be shown");
      continue;
    }
    require(depth(*document) <= engine::kMaxYamlDepth, "a document is not too deep");
    const auto text = document->dump(1);  // throws where a text is no UTF-8
    if (long_key(*document) || scalars == engine::Scalars::kText) continue;
    // JSON is YAML.
    const auto again = engine::read_yaml(text, scalars);
    require(again.has_value() && *again == *document, "a document is read as it was written");
  }
  const auto manifest = engine::parse_manifest(input);
  if (manifest) return check_manifest(*manifest);
  require(!manifest.error().reason.empty() && presentable(manifest.error().message, 1024),
          "a fault can be shown");
}

std::vector<std::string> seeds() {
  const std::string digest(64, 'a');
  return {
      "apiVersion: bundle.pilotlight.dev/v1\n"
      "name: digits\n"
      "format: TorchScript\n"
      "model:\n"
      "  file: model.pt\n"
      "contract:\n"
      "  inputs:\n"
      "  - {name: image, datatype: FP32, shape: [-1, 8, 8]}\n"
      "  outputs:\n"
      "  - {name: logits, datatype: FP32, shape: [-1, 2], labels: [\"0\", \"1\"], activation: none}\n"
      "golden:\n"
      "  absoluteTolerance: 1.0e-05\n"
      "  relativeTolerance: +1\n"
      "  cases: [batch-1, batch-3]\n"
      "files:\n"
      "  model.pt: sha256:" +
          digest +
          "\n"
          "exporter:\n"
          "  torch: 2.10\n"
          "  packages: {numpy: 2.2.4}\n",
      "a: |\n  text\n  more\nb: >-\n  x\nc: 'it''s'\nd: \"\\u00e9\\n\"\ne: ~\nf: .5\ng: 0x1F\n",
      "- - a\n  - b\n- {x: [1, -2.5e3, true, null]}\n",
      "a: &x 1\nb: *x\n",
      "<<: {a: 1}\n",
      "!!str a: !t b\n",
      "? a\n: b\n? [c]\n: d\n",
      "--- a\n--- b\n",
      "# comment\n%YAML 1.2\n---\na: 1\n...\n",
      "a: +-5\nb: --1\nc: 1e999\nd: \xff\n",
      std::string(20, '[')};
}

}  // namespace pilotlight::fuzz
