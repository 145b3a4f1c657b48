#include "plugin/verdict.h"

#include <format>
#include <nlohmann/json.hpp>
#include <utility>

#include "sidecar/wire/datatype.h"

namespace pilotlight::plugin {
namespace {

using front::Phase;
using nlohmann::json;

std::string upper(std::string_view word) {
  std::string result(word);
  for (char& c : result) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return result;
}

// Lines of a name and what there is to say.
class Table {
 public:
  void add(std::string_view name, std::string_view text) {
    if (!text.empty()) text_ += std::format("  {:<12} {}\n", name, text);
  }
  std::string text() && { return std::move(text_); }

 private:
  std::string text_;
};

std::string number(const json& value) {
  return value.is_number() ? std::format("{:g}", value.get<double>())
                           : std::string("NaN");  // JSON has no NaN
}

std::string answers(const json& proof) {
  const auto worst = proof.find("worstError");
  if (worst == proof.end()) return {};
  return std::format("{} golden cases; worst error {} of {} allowed (case {}, {}{}: expected {}, got {})",
                     proof.value("cases", 0), number(worst->at("error")), number(worst->at("allowed")),
                     worst->value("case", ""), worst->value("tensor", ""), worst->at("index").dump(),
                     number(worst->at("expected")), number(worst->at("actual")));
}

std::string tolerance(const json& proof) {
  const auto found = proof.find("tolerance");
  if (found == proof.end()) return {};
  return std::format("absolute {}, relative {} (from: {})", number(found->at("absolute")),
                     number(found->at("relative")), found->value("source", ""));
}

std::string runtime(const json& proof) {
  const auto& found = proof.at("runtime");
  const auto onnx = found.value("onnxruntime", "");
  return std::format("{}, {}, threads: {}, graph: {}",
                     onnx.empty() ? "torch " + found.value("torch", "") : "ONNX Runtime " + onnx,
                     found.value("device", ""), found.value("threads", 0), found.value("graph", ""));
}

std::string exporter(const json& proof) {
  const auto found = proof.find("exporter");
  if (found == proof.end()) return {};
  return std::format("torch {}, Python {}", found->value("torch", "?"), found->value("python", "?"));
}

std::string drift(const json& proof) {
  const auto found = proof.find("drift");
  if (found == proof.end()) return {};
  std::string text;
  for (const auto& each : *found) {
    text += std::format("{}{} {} there, {} here", text.empty() ? "" : "; ", each.value("component", ""),
                        each.value("exporter", ""), each.value("runtime", ""));
  }
  return text.empty() ? "none" : text;
}

std::string signature(const json& proof) {
  const auto found = proof.find("signature");
  if (found == proof.end()) return {};
  const auto subject = found->value("subject", "");
  return found->value("keyId", "") + (subject.empty() ? "" : ", as " + subject);
}

std::string warmup(const json& proof) {
  std::string text;
  for (const auto& each : proof.at("warmup")) {
    text += std::format("{}batch {}: {} ms first, {} ms warm", text.empty() ? "" : "; ",
                        each.value("batchSize", 0), number(each.at("firstMs")), number(each.at("warmMs")));
  }
  return text;
}

std::string tensors(const std::vector<wire::TensorSpec>& specs) {
  std::string text;
  for (const auto& spec : specs) {
    text += std::format("{}{} {} {}", text.empty() ? "" : ", ", spec.name,
                        spec.datatype ? wire::datatype_name(*spec.datatype) : "(any datatype)",
                        spec.shape ? wire::shape_text(*spec.shape) : "(any shape)");
  }
  return text;
}

std::string timings(const front::Timings& timings) {
  std::string text;
  const auto add = [&](const char* name, double took) {
    if (took >= 0) text += std::format("{}{} {:.2f} s", text.empty() ? "" : ", ", name, took);
  };
  add("fetch", timings.fetch);
  add("check", timings.check);
  add("load", timings.load);
  add("warm-up", timings.warm);
  add("in all", timings.total);
  return text;
}

}  // namespace

Verdict verdict_of(const front::Status& status) {
  switch (status.phase) {
    case Phase::kReady:
      return Verdict::kProven;
    case Phase::kFailed:
      return Verdict::kRefused;
    default:
      return Verdict::kUndecided;
  }
}

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kProven:
      return "Proven";
    case Verdict::kRefused:
      return "Refused";
    case Verdict::kUndecided:
      return "Undecided";
  }
  std::unreachable();
}

json verdict_document(const front::Status& status, std::string_view model) {
  const auto all = front::status_document(status, {});
  json document = {{"verdict", verdict_name(verdict_of(status))}, {"model", model}};
  for (const char* field : {"digest", "proof", "contract", "failure", "timings"}) {
    if (const auto found = all.find(field); found != all.end()) document[field] = *found;
  }
  return document;
}

std::string verdict_text(const front::Status& status, std::string_view model) {
  Table table;
  table.add("digest", status.digest);
  if (status.failure) {
    table.add("reason", status.failure->reason);
    table.add("what", status.failure->message);
    table.add("to do", status.failure->remedy);
  }
  if (!status.proof.is_null()) {
    const auto& proof = status.proof;
    table.add("level", proof.value("level", ""));
    table.add("signed by", signature(proof));
    table.add("answers", answers(proof));
    table.add("tolerance", tolerance(proof));
    table.add("format", proof.value("format", ""));
    table.add("runtime", runtime(proof));
    table.add("exported by", exporter(proof));
    table.add("drift", drift(proof));
    table.add("warm-up", warmup(proof));
  }
  if (status.contract) {
    table.add("inputs", tensors(status.contract->inputs));
    table.add("outputs", tensors(status.contract->outputs));
  }
  table.add("took", timings(status.timings));
  if (!status.proof.is_null()) {
    for (const auto& warning : status.proof.at("warnings")) table.add("warning", warning.get<std::string>());
  }
  return std::format("{}  {}\n{}", upper(verdict_name(verdict_of(status))), model, std::move(table).text());
}

}  // namespace pilotlight::plugin
