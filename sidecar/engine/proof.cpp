#include <torch/torch.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "sidecar/engine/onnx/runtime.h"
#include "sidecar/engine/prover.h"

namespace pilotlight::engine {

using nlohmann::json;

json to_json(const Proof& proof) {
  json document = {{"level", wire::proof_level_name(proof.level)},
                   {"format", model_format_name(proof.format)},
                   {"digest", proof.digest},
                   {"cases", proof.golden.cases},
                   {"runtime",
                    {{"torch", TORCH_VERSION},
                     {"device", proof.device},
                     {"threads", proof.threads},
                     {"graph", wire::graph_name(proof.graph)}}},
                   {"sandbox", proof.sandbox},
                   {"warmup", json::array()},
                   {"warnings", proof.warnings}};
  if (proof.device_memory) {
    document["runtime"]["deviceMemory"] = {{"totalBytes", proof.device_memory->total},
                                           {"limitBytes", proof.device_memory->limit},
                                           {"freeBytes", proof.device_memory->free}};
  }
  if (proof.format == ModelFormat::kOnnx) document["runtime"]["onnxruntime"] = onnx::version();
  if (proof.level == wire::ProofLevel::kAnswers) {
    const GoldenReport& golden = proof.golden;
    document["tolerance"] = {{"absolute", golden.tolerance.absolute},
                             {"relative", golden.tolerance.relative},
                             {"source", golden.tolerance.source}};
    document["worstError"] = worst_error(golden);
  }
  for (const Warmth& warmth : proof.warmup) {
    document["warmup"].push_back(
        {{"batchSize", warmth.batch_size}, {"firstMs", warmth.first_ms}, {"warmMs", warmth.warm_ms}});
  }
  for (const GraphTrial& trial : proof.graphs) {
    json& each = document["graphs"].emplace_back(json{{"graph", wire::graph_name(trial.graph)}});
    if (std::isfinite(trial.milliseconds)) each["ms"] = trial.milliseconds;
    if (!trial.refused.empty()) each["refused"] = trial.refused;
  }
  if (!proof.exporter) return document;
  document["exporter"] = json::object();
  if (!proof.exporter->torch.empty()) document["exporter"]["torch"] = proof.exporter->torch;
  if (!proof.exporter->python.empty()) document["exporter"]["python"] = proof.exporter->python;
  document["drift"] = json::array();
  for (const Drift& each : proof.drift) {
    document["drift"].push_back(
        {{"component", each.component}, {"exporter", each.exporter}, {"runtime", each.runtime}});
  }
  return document;
}

}  // namespace pilotlight::engine
