#include "sidecar/engine/testing/onnx.h"

#include <utility>

namespace pilotlight::engine::testing::onnx {
namespace {

std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out + static_cast<char>(value);
}

std::string fields(int number, const std::vector<std::string>& each) {
  std::string out;
  for (const std::string& one : each) out += field(number, one);
  return out;
}

// TensorProto.DataType.
std::uint64_t element_type(wire::Datatype type) {
  switch (type) {
    case wire::Datatype::kFp32:
      return 1;
    case wire::Datatype::kUint8:
      return 2;
    case wire::Datatype::kInt8:
      return 3;
    case wire::Datatype::kInt16:
      return 5;
    case wire::Datatype::kInt32:
      return 6;
    case wire::Datatype::kInt64:
      return 7;
    case wire::Datatype::kBool:
      return 9;
    case wire::Datatype::kFp16:
      return 10;
    case wire::Datatype::kFp64:
      return 11;
    case wire::Datatype::kBf16:
      return 16;
  }
  std::unreachable();
}

constexpr std::uint64_t kInt = 2;  // AttributeProto.AttributeType
constexpr std::uint64_t kTensor = 4;
constexpr std::uint64_t kGraph = 5;

}  // namespace

std::string field(int number, std::string_view bytes) {
  return varint(static_cast<std::uint64_t>(number) << 3 | 2) + varint(bytes.size()) + std::string(bytes);
}

std::string field(int number, std::uint64_t value) {
  return varint(static_cast<std::uint64_t>(number) << 3) + varint(value);
}

std::string tensor(const Plain& weight) {
  std::string out;
  for (const std::int64_t size : weight.shape) out += field(1, static_cast<std::uint64_t>(size));
  return out + field(2, element_type(weight.datatype)) + field(8, weight.name) + field(9, weight.data);
}

std::string integer(std::string_view name, std::int64_t value) {
  return field(1, name) + field(3, static_cast<std::uint64_t>(value)) + field(20, kInt);
}

std::string graph_attribute(std::string_view name, std::string_view graph) {
  return field(1, name) + field(6, graph) + field(20, kGraph);
}

std::string tensor_attribute(std::string_view name, std::string_view tensor) {
  return field(1, name) + field(5, tensor) + field(20, kTensor);
}

std::string node(std::string_view type, const std::vector<std::string>& inputs,
                 const std::vector<std::string>& outputs, const std::vector<std::string>& attributes,
                 std::string_view domain) {
  return fields(1, inputs) + fields(2, outputs) + field(4, type) + fields(5, attributes) +
         (domain.empty() ? "" : field(7, domain));
}

std::string value(std::string_view name, wire::Datatype type, const std::vector<std::int64_t>& shape) {
  std::string dimensions;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    dimensions +=
        field(1, shape[i] == -1 ? field(2, i == 0 ? std::string_view("batch") : std::string_view("n"))
                                : field(1, static_cast<std::uint64_t>(shape[i])));
  }
  const std::string described = field(1, element_type(type)) + field(2, dimensions);
  return field(1, name) + field(2, field(1, described));
}

std::string graph(const Parts& parts) {
  return fields(1, parts.nodes) + field(2, std::string_view("test")) + fields(5, parts.weights) +
         fields(11, parts.inputs) + fields(12, parts.outputs);
}

std::string file(const Parts& parts, std::string_view more) {
  const std::string opset = field(1, std::string_view("")) + field(2, std::uint64_t{17});
  return field(1, std::uint64_t{8}) + field(2, std::string_view("test")) + field(7, graph(parts)) +
         field(8, opset) + std::string(more);
}

std::string scaling(float first, float second) {
  return file({.inputs = {value("x", wire::Datatype::kFp32, {-1, 2})},
               .outputs = {value("y", wire::Datatype::kFp32, {-1, 2})},
               .nodes = {node("Mul", {"x", "w"}, {"y"})},
               .weights = {tensor(floats("w", {2}, {first, second}))}});
}

}  // namespace pilotlight::engine::testing::onnx
