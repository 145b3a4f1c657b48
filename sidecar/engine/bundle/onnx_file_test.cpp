#include "sidecar/engine/bundle/onnx_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sidecar/engine/bundle/format.h"
#include "sidecar/engine/testing/onnx.h"

namespace pilotlight::engine {
namespace {

namespace onnx = testing::onnx;
using testing::bytes;
using ::testing::HasSubstr;
using wire::Datatype;

// x [-1] → y [-1], with what the test adds.
std::string model_with(const std::vector<std::string>& nodes, const std::vector<std::string>& weights = {},
                       std::string_view more = "") {
  return onnx::file({.inputs = {onnx::value("x", Datatype::kFp32, {-1})},
                     .outputs = {onnx::value("y", Datatype::kFp32, {-1})},
                     .nodes = nodes,
                     .weights = weights},
                    more);
}

std::string entry(std::string_view key, std::string_view value) {
  return onnx::field(1, key) + onnx::field(2, value);
}

// A weight that lies elsewhere.
std::string external(std::string_view location) {
  return onnx::tensor(testing::floats("layer.weight", {2}, {})) + onnx::field(13, entry("offset", "0")) +
         onnx::field(13, entry("location", location)) + onnx::field(14, std::uint64_t{1});
}

// Of a graph inside a node: `then` of an If.
std::string inside(const onnx::Parts& parts) {
  return onnx::node("If", {"x"}, {"y"}, {onnx::graph_attribute("then_branch", onnx::graph(parts))});
}

Fault onnx_fault_of(const std::string& file) {
  const auto format = detect_format(bytes(file));
  EXPECT_EQ(format.value_or(ModelFormat::kOnnx), ModelFormat::kOnnx);
  return format ? Fault{} : format.error();
}

TEST(OnnxFile, IsKnownByItsContent) {
  EXPECT_EQ(detect_format(bytes(onnx::scaling(2, 3))).value(), ModelFormat::kOnnx);
}

TEST(OnnxFile, WeightsInOtherFilesAreRefusedWhereverTheyAre) {
  const std::string weight = external("../../etc/passwd");
  const std::string sparse = onnx::field(1, weight);
  const std::string constant = onnx::node("Constant", {}, {"c"}, {onnx::tensor_attribute("value", weight)});
  const std::string graph = onnx::graph({.inputs = {}, .outputs = {}, .nodes = {}, .weights = {weight}});
  for (const std::string& file : {
           model_with({}, {weight}), model_with({constant}),
           model_with({inside({.inputs = {}, .outputs = {}, .nodes = {}, .weights = {weight}})}),
           model_with({inside({.inputs = {},
                               .outputs = {},
                               .nodes = {inside({.inputs = {}, .outputs = {}, .nodes = {constant}})}})}),
           model_with({}, {}, onnx::field(7, onnx::field(15, sparse))),    // a second half of the graph
           model_with({}, {}, onnx::field(20, onnx::field(2, graph))),     // training
           model_with({}, {}, onnx::field(25, onnx::field(7, constant))),  // a function
       }) {
    const auto fault = onnx_fault_of(file);
    EXPECT_EQ(fault.reason, "UnsupportedFormat");
    EXPECT_THAT(fault.message, HasSubstr("the tensor \"layer.weight\" elsewhere (external data, location "
                                         "\"../../etc/passwd\")"));
    EXPECT_THAT(fault.remedy, HasSubstr("in one file"));
  }
}

TEST(OnnxFile, EveryLocationIsRefused) {
  for (const char* location : {"weights.bin", "/etc/passwd", "*/_ORT_MEM_ADDR_/*", ""}) {
    EXPECT_THAT(onnx_fault_of(model_with({}, {external(location)})).message, HasSubstr(location));
  }
  // One that is only said to be elsewhere, and one that is not said to be.
  const std::string plain = onnx::tensor(testing::floats("w", {1}, {1}));
  EXPECT_NE(onnx_fault_of(model_with({}, {plain + onnx::field(14, std::uint64_t{2})})).message, "");
  EXPECT_NE(onnx_fault_of(model_with({}, {plain + onnx::field(13, entry("location", "a"))})).message, "");
}

TEST(OnnxFile, OperatorsOfOtherDomainsAreRefused) {
  const auto refused = [](const std::string& type, const std::string& domain) {
    const std::string node = onnx::node(type, {"x"}, {"y"}, {}, domain);
    EXPECT_EQ(onnx_fault_of(model_with({node})).message,
              onnx_fault_of(model_with({inside({.inputs = {}, .outputs = {}, .nodes = {node}})})).message);
    return onnx_fault_of(model_with({node})).message;
  };
  EXPECT_THAT(refused("EPContext", "com.microsoft"),
              HasSubstr("the operator \"EPContext\" of the domain \"com.microsoft\""));
  EXPECT_THAT(refused("Evil", "custom.domain"), HasSubstr("\"Evil\""));
  EXPECT_THAT(refused("Adam", "ai.onnx.preview.training"), HasSubstr("\"Adam\""));
  EXPECT_EQ(refused("Relu", "ai.onnx"), "");
  EXPECT_EQ(refused("Scaler", "ai.onnx.ml"), "");
  // The last of a field counts, as with protobuf.
  EXPECT_NE(onnx_fault_of(model_with({onnx::node("A", {}, {}, {}, "ai.onnx") +
                                      onnx::field(7, std::string_view("custom"))}))
                .message,
            "");
}

TEST(OnnxFile, FunctionsOfItsOwnMayBeCalled) {
  const auto function = [](std::string_view domain, const std::string& node) {
    return onnx::field(
        25, onnx::field(1, std::string_view("Twice")) + onnx::field(10, domain) + onnx::field(7, node));
  };
  const std::string add = onnx::node("Add", {"a", "a"}, {"b"});
  const auto call = [](std::string_view domain) { return onnx::node("Twice", {"x"}, {"y"}, {}, domain); };
  EXPECT_EQ(onnx_fault_of(model_with({call("mine")}, {}, function("mine", add))).message, "");
  EXPECT_NE(onnx_fault_of(model_with({call("other")}, {}, function("mine", add))).message, "");
  EXPECT_NE(onnx_fault_of(model_with({call("com.microsoft")}, {}, function("com.microsoft", add))).message,
            "");
  EXPECT_THAT(
      onnx_fault_of(model_with({call("mine")}, {}, function("mine", onnx::node("Evil", {}, {}, {}, "e"))))
          .message,
      HasSubstr("\"Evil\""));
}

TEST(OnnxFile, CutOffAnywhereItIsDamaged) {
  const std::string file = onnx::scaling(2, 3);
  for (std::size_t size = 3; size < file.size(); ++size) {
    const auto format = detect_format(bytes(file).first(size));
    if (format) continue;  // a file that ends between two fields is whole
    EXPECT_THAT(format.error().message, HasSubstr("ONNX that is damaged or cut off")) << size;
  }
  EXPECT_THAT(onnx_fault_of(file.substr(0, file.size() / 2)).message, HasSubstr("damaged"));
  EXPECT_THAT(onnx_fault_of("\x08\x08\x12\x07pytorch").message, HasSubstr("damaged"));  // no graph
}

TEST(OnnxFile, NestedTooDeeplyItIsDamaged) {
  onnx::Parts parts{.inputs = {}, .outputs = {}, .nodes = {}};
  for (int depth = 0; depth < 2000; ++depth) parts.nodes = {inside(parts)};
  EXPECT_THAT(onnx_fault_of(model_with(parts.nodes)).message, HasSubstr("damaged"));
}

}  // namespace
}  // namespace pilotlight::engine
