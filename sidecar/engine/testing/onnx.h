#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/engine/testing/archives.h"
#include "sidecar/wire/messages.h"

// ONNX files made at test time, message by message, so that tests can also write what no exporter would.
namespace pilotlight::engine::testing::onnx {

// A field of a protobuf message.
std::string field(int number, std::string_view bytes);
std::string field(int number, std::uint64_t value);

// TensorProto: a weight.
std::string tensor(const Plain& weight);

// AttributeProto.
std::string integer(std::string_view name, std::int64_t value);
std::string graph_attribute(std::string_view name, std::string_view graph);
std::string tensor_attribute(std::string_view name, std::string_view tensor);

// NodeProto.
std::string node(std::string_view type, const std::vector<std::string>& inputs,
                 const std::vector<std::string>& outputs, const std::vector<std::string>& attributes = {},
                 std::string_view domain = "");

// ValueInfoProto: an input or output. −1 is a symbolic dimension: "batch" the first, "n" the others.
std::string value(std::string_view name, wire::Datatype type, const std::vector<std::int64_t>& shape);

struct Parts {
  std::vector<std::string> inputs;  // of value()
  std::vector<std::string> outputs;
  std::vector<std::string> nodes;
  std::vector<std::string> weights = {};  // of tensor()
};
std::string graph(const Parts& parts);  // GraphProto
// The file, with further fields of ModelProto.
std::string file(const Parts& parts, std::string_view more = "");

// FP32 x [-1, 2] → y = x · w, with w [2].
std::string scaling(float first, float second);

}  // namespace pilotlight::engine::testing::onnx
