#include "sidecar/engine/bundle/onnx_file.h"

#include <algorithm>
#include <climits>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "common/text/printable.h"
#include "sidecar/engine/bundle/protobuf_fields.h"

namespace pilotlight::engine {
namespace {

using std::string_view_literals::operator""sv;

// The messages of ONNX's schema that can hold operators or tensors, and by which fields.
enum class Kind { kModel, kTraining, kFunction, kGraph, kNode, kAttribute, kTensor, kSparseTensor };

struct Edge {
  Kind from;
  int field;
  Kind to;
};

constexpr Edge kEdges[] = {
    {Kind::kModel, 7, Kind::kGraph},
    {Kind::kModel, 20, Kind::kTraining},
    {Kind::kModel, 25, Kind::kFunction},
    {Kind::kTraining, 1, Kind::kGraph},
    {Kind::kTraining, 2, Kind::kGraph},
    {Kind::kFunction, 7, Kind::kNode},
    {Kind::kFunction, 11, Kind::kAttribute},
    {Kind::kGraph, 1, Kind::kNode},
    {Kind::kGraph, 5, Kind::kTensor},
    {Kind::kGraph, 15, Kind::kSparseTensor},
    {Kind::kNode, 5, Kind::kAttribute},
    {Kind::kAttribute, 5, Kind::kTensor},
    {Kind::kAttribute, 6, Kind::kGraph},
    {Kind::kAttribute, 10, Kind::kTensor},
    {Kind::kAttribute, 11, Kind::kGraph},
    {Kind::kAttribute, 22, Kind::kSparseTensor},
    {Kind::kAttribute, 23, Kind::kSparseTensor},
    {Kind::kSparseTensor, 1, Kind::kTensor},
    {Kind::kSparseTensor, 2, Kind::kTensor},
};

constexpr int kModelGraph = 7;
constexpr int kModelFunctions = 25;
constexpr int kFunctionName = 1;
constexpr int kFunctionDomain = 10;
constexpr int kNodeOperator = 4;
constexpr int kNodeDomain = 7;
constexpr int kTensorName = 8;
constexpr int kTensorExternalData = 13;
constexpr int kTensorLocation = 14;
constexpr int kEntryKey = 1;
constexpr int kEntryValue = 2;

// Protobuf's own limit.
constexpr int kMaxDepth = 100;

std::string_view text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Fault damaged() {
  return refuse("UnsupportedFormat", "the file looks like ONNX that is damaged or cut off",
                "Upload the file again, whole; onnx.checker.check_model says more.")
      .error();
}

// The value of the last field of that number that has bytes, as protobuf takes it.
std::string_view last_text(std::string_view message, int number) {
  std::string_view found;
  each_field(message, [&](const ProtobufField& field) {
    if (field.number == number && field.bytes) found = *field.bytes;
    return true;
  });
  return found;
}

std::string_view location_of(std::string_view tensor) {
  std::string_view location;
  each_field(tensor, [&](const ProtobufField& field) {
    if (field.number == kTensorExternalData && field.bytes &&
        last_text(*field.bytes, kEntryKey) == "location") {
      location = last_text(*field.bytes, kEntryValue);
    }
    return true;
  });
  return location;
}

class Walk {
 public:
  Outcome<void> model(std::string_view model) {
    bool graph = false;
    const bool whole = each_field(model, [&](const ProtobufField& field) {
      graph = graph || (field.number == kModelGraph && field.bytes);
      if (field.number == kModelFunctions && field.bytes) {
        functions_.emplace(last_text(*field.bytes, kFunctionDomain), last_text(*field.bytes, kFunctionName));
      }
      return true;
    });
    if (!whole || !graph) return std::unexpected(damaged());
    if (visit(Kind::kModel, model, 0)) return {};
    return std::unexpected(fault_.reason.empty() ? damaged() : std::move(fault_));
  }

 private:
  bool visit(Kind kind, std::string_view message, int depth) {
    if (depth > kMaxDepth) return false;
    const bool all = each_field(message, [&](const ProtobufField& field) {
      if (kind == Kind::kTensor && is_elsewhere(field)) return refuse_tensor(message);
      if (!field.bytes) return true;
      const auto* const edge = std::ranges::find_if(
          kEdges, [&](const Edge& each) { return each.from == kind && each.field == field.number; });
      return edge == std::end(kEdges) || visit(edge->to, *field.bytes, depth + 1);
    });
    return all && (kind != Kind::kNode || knows_operator(message));
  }

  static bool is_elsewhere(const ProtobufField& field) {
    return field.number == kTensorExternalData || (field.number == kTensorLocation && field.value != 0);
  }

  bool refuse_tensor(std::string_view tensor) {
    fault_ =
        refuse(
            "UnsupportedFormat",
            "the ONNX file keeps the tensor " + Quoted(last_text(tensor, kTensorName)) +
                " elsewhere (external data, location " + Quoted(location_of(tensor)) +
                "); a model is one file here, and no other is read",
            "Save it in one file: onnx.save(onnx.load(\"model.onnx\"), \"whole.onnx\"); above 2 GiB, export "
            "TorchScript.")
            .error();
    return false;
  }

  // ONNX's own domains, or a function that the file brings along. Those of ONNX Runtime's are no part of
  // ONNX, change without notice, and some open files (EPContext) or are more than an operator.
  bool knows_operator(std::string_view node) {
    const std::string_view domain = last_text(node, kNodeDomain);
    const std::string_view name = last_text(node, kNodeOperator);
    if (domain.empty() || domain == "ai.onnx" || domain == "ai.onnx.ml") return true;
    if (!domain.starts_with("com.microsoft") && functions_.contains({domain, name})) return true;
    fault_ =
        refuse(
            "UnsupportedFormat",
            "the ONNX file uses the operator " + Quoted(name) + " of the domain " + Quoted(domain) +
                "; only ONNX's own are served: ai.onnx and ai.onnx.ml",
            "Export without custom operators, and before any optimisation for a certain runtime or device.")
            .error();
    return false;
  }

  std::set<std::pair<std::string_view, std::string_view>> functions_;  // domain, name
  Fault fault_;
};

}  // namespace

bool looks_like_onnx(std::span<const std::byte> file) {
  // The first field is the version of the format, a small number; then comes one of a model's others.
  const std::string_view head = text(file).substr(0, 3);
  return head.size() == 3 && head[0] == 0x08 && head[1] >= 1 && head[1] <= 32 &&
         "\x12\x1a\x22\x28\x32\x3a\x42\x72"sv.contains(head[2]);
}

Outcome<void> check_onnx(std::span<const std::byte> file) {
  if (file.size() > INT_MAX) {
    return refuse("UnsupportedFormat", "the ONNX file is larger than 2 GiB, which ONNX itself cannot read",
                  "Export the model as TorchScript.");
  }
  return Walk().model(text(file));
}

}  // namespace pilotlight::engine
