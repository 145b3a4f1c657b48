// The ONNX back end, on files made by hand: what an exporter would write, and what none would.

#include "sidecar/engine/testing/onnx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "sidecar/engine/model.h"
#include "sidecar/engine/onnx/errors.h"
#include "sidecar/engine/tensors.h"
#include "sidecar/engine/testing/models.h"
#include "sidecar/wire/datatype.h"

namespace pilotlight::engine {
namespace {

namespace onnx = testing::onnx;
using testing::bytes;
using testing::floats;
using ::testing::HasSubstr;
using ::testing::Not;
using wire::Datatype;

Model loaded(const std::string& file) {
  auto model = Model::load(bytes(file), ModelFormat::kOnnx);
  if (!model) throw std::runtime_error(model.error().message);
  return *std::move(model);
}

Fault onnx_fault_of(const std::string& file) {
  const auto model = Model::load(bytes(file), ModelFormat::kOnnx);
  return model ? Fault{} : model.error();
}

// x → y, of these types and shapes.
std::string between(Datatype type, const std::vector<std::int64_t>& shape, const std::string& node,
                    const std::vector<std::string>& weights = {}) {
  return onnx::file({.inputs = {onnx::value("x", type, shape)},
                     .outputs = {onnx::value("y", type, shape)},
                     .nodes = {node},
                     .weights = weights});
}

TEST(OnnxError, SaysNothingOfWhereInTheSourceItArose) {
  EXPECT_EQ(engine::onnx::without_source(
                "Load failed: /build/core/model.cc:169 a::Model::Model(b::Proto&&, const "
                "std::function<void(int)>&) const [with T = int] x was false. Unknown domain (y)"),
            "Load failed: x was false. Unknown domain (y)");
  EXPECT_EQ(engine::onnx::without_source("./safe_int.hpp:17 static void A<b::C>::D() Integer overflow"),
            "Integer overflow");
  EXPECT_EQ(engine::onnx::without_source("a.cc:1 b(c"), "");
  EXPECT_EQ(engine::onnx::without_source("plain words"), "plain words");
  EXPECT_LE(engine::onnx::without_source(std::string(10 << 20, 'a')).size(), 2000U);
}

// A message for people: one line, short, without paths and without C++.
void expect_presentable(const std::string& text) {
  EXPECT_THAT(text, Not(HasSubstr("\n")));
  EXPECT_THAT(text, Not(HasSubstr(".cc")));
  EXPECT_THAT(text, Not(HasSubstr("onnxruntime::")));
  EXPECT_LT(text.size(), 400U);
}

TEST(OnnxModel, RunsAndSaysWhatItTakesAndGives) {
  const std::string file = onnx::scaling(2, 3);
  auto model = loaded(file);
  const auto outputs = model.run({torch::ones({4, 2})});
  ASSERT_TRUE(outputs) << outputs.error().reason;
  EXPECT_TRUE(outputs->tensors.at(0).equal(torch::tensor({2.0F, 3.0F}).expand({4, 2})));
  const wire::Contract contract = open_contract(model.signature());
  ASSERT_EQ(contract.inputs.size(), 1U);
  EXPECT_EQ(contract.inputs[0].name, "x");
  EXPECT_EQ(contract.inputs[0].datatype, Datatype::kFp32);
  EXPECT_EQ(contract.inputs[0].shape, (std::vector<std::int64_t>{-1, 2}));
  EXPECT_EQ(contract.outputs.at(0).name, "y");
  EXPECT_TRUE(wire::has_batch_dimension(contract));
}

TEST(OnnxModel, EveryDatatypeGoesInAndOut) {
  for (const Datatype type : wire::all_datatypes()) {
    const std::string file = between(type, {-1}, onnx::node("Identity", {"x"}, {"y"}));
    auto model = loaded(file);
    const at::Tensor x = torch::tensor({0, 1, 1, 0}).to(scalar_type(type));
    const auto outputs = model.run({x});
    ASSERT_TRUE(outputs) << outputs.error().reason;
    EXPECT_TRUE(outputs->tensors.at(0).equal(x)) << wire::datatype_name(type);
  }
}

TEST(OnnxModel, TakesTensorsOfAnyStridesAndNone) {
  const std::string file = onnx::scaling(2, 3);
  auto model = loaded(file);
  const at::Tensor x = torch::rand({2, 5}).t();
  EXPECT_TRUE(model.run({x})->tensors.at(0).equal(x * torch::tensor({2.0F, 3.0F})));
  EXPECT_EQ(model.run({torch::ones({0, 2})})->tensors.at(0).sizes(), at::IntArrayRef({0, 2}));
}

TEST(OnnxModel, AnOutputStaysWhenTheNextIsComputed) {
  const std::string file = onnx::scaling(2, 3);
  auto model = loaded(file);
  const auto first = model.run({torch::ones({1, 2})});
  const auto second = model.run({torch::zeros({1, 2})});
  EXPECT_TRUE(first->tensors.at(0).equal(torch::tensor({{2.0F, 3.0F}})));
}

TEST(OnnxModel, ItsOptimizedFormAnswersTheSameAndThePlainOneStaysUsable) {
  const std::string file = onnx::scaling(2, 3);
  auto plain = loaded(file);
  EXPECT_FALSE(plain.with_graph(wire::Graph::kFrozen));
  auto optimized = plain.with_graph(wire::Graph::kOptimized);
  ASSERT_TRUE(optimized);
  EXPECT_FALSE(optimized->with_graph(wire::Graph::kOptimized));
  const at::Tensor x = torch::rand({3, 2});
  EXPECT_TRUE(optimized->run({x})->tensors.at(0).equal(plain.run({x})->tensors.at(0)));
}

TEST(OnnxModel, AFailureIsOneLineWithoutPaths) {
  const std::string file = onnx::scaling(2, 3);
  auto model = loaded(file);
  for (const std::vector<at::Tensor>& inputs :
       std::vector<std::vector<at::Tensor>>{{torch::ones({1, 7})},
                                            {torch::ones({1, 2}, at::kDouble)},
                                            {},
                                            {torch::ones({1}), torch::ones({1})}}) {
    const auto outputs = model.run(inputs);
    ASSERT_FALSE(outputs);
    EXPECT_EQ(outputs.error().kind, RunError::Kind::kThrew);
    expect_presentable(outputs.error().reason);
  }
}

TEST(OnnxModel, WhatTheFileDoesNotSayOfAnOutputIsInferred) {
  const std::string file =
      onnx::file({.inputs = {onnx::value("x", Datatype::kFp32, {-1, 2})},
                  .outputs = {onnx::field(1, std::string_view("y"))},
                  .nodes = {onnx::node("NonZero", {"x"}, {"z"}),
                            onnx::node("Cast", {"z"}, {"y"}, {onnx::integer("to", 1)})}});
  auto model = loaded(file);
  EXPECT_EQ(open_contract(model.signature()).outputs.at(0).datatype, Datatype::kFp32);
}

TEST(OnnxModel, WhatNoRequestCanCarryIsNamed) {
  const auto text =
      onnx::field(1, std::string_view("words")) +
      onnx::field(2, onnx::field(1, onnx::field(1, std::uint64_t{8}) +
                                        onnx::field(2, onnx::field(1, onnx::field(1, std::uint64_t{1})))));
  const auto fault = onnx_fault_of(onnx::file({.inputs = {text},
                                               .outputs = {onnx::value("y", Datatype::kInt64, {1})},
                                               .nodes = {onnx::node("Shape", {"words"}, {"y"})}}));
  EXPECT_EQ(fault.reason, "UnsupportedSignature");
  EXPECT_THAT(fault.message, HasSubstr("input \"words\" holds text"));
}

TEST(OnnxModel, WhatCannotBeLoadedSaysWhy) {
  const std::string good = onnx::scaling(2, 3);
  const std::string unknown = between(Datatype::kFp32, {1}, onnx::node("NoSuchOperator", {"x"}, {"y"}));
  const std::string unconnected = between(Datatype::kFp32, {1}, onnx::node("Relu", {"nowhere"}, {"y"}));
  // A weight of a million times a million numbers, in eight bytes.
  const std::string huge =
      between(Datatype::kFp32, {-1}, onnx::node("Add", {"x", "w"}, {"y"}),
              {onnx::field(1, std::uint64_t{1} << 40) + onnx::field(1, std::uint64_t{1} << 40) +
               onnx::tensor({.name = "w", .datatype = Datatype::kFp32, .shape = {}, .data = "12345678"})});
  // ONNX, and by bytes 4 to 8 ONNX Runtime's own format.
  const std::string both =
      std::string("\x08\x08\x12\x04ORTM", 8) + onnx::field(7, onnx::field(2, std::string_view("g")));
  for (const std::string& file : {unknown, unconnected, huge, both, good.substr(0, good.size() / 2),
                                  std::string("noise"), std::string()}) {
    const auto fault = onnx_fault_of(file);
    EXPECT_EQ(fault.reason, "LoadFailed");
    EXPECT_THAT(fault.message, HasSubstr("ONNX Runtime 1.21.0 cannot load the model: "));
    expect_presentable(fault.message);
  }
  EXPECT_THAT(onnx_fault_of(unknown).message, HasSubstr("NoSuchOperator"));
}

}  // namespace
}  // namespace pilotlight::engine
