// The AOTInductor back end, on a library that is honest or not as ordered. Not in the sandbox: what that is
// for, the tests of attacks try.

#include "sidecar/engine/testing/aoti.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <iostream>
#include <set>

#include "sidecar/engine/aoti/complaints.h"
#include "sidecar/engine/aoti/processor.h"
#include "sidecar/engine/model.h"
#include "sidecar/engine/sandbox/library.h"

namespace pilotlight::engine {
namespace {

using testing::bytes;
using testing::CompiledText;
using ::testing::HasSubstr;
using testing::write_compiled;

Outcome<Model> load(const std::string& package) {
  // The loader keeps what it needs of it.
  const wire::UniqueFd library = sandbox::create_library().value();
  return Model::load(bytes(package), ModelFormat::kAotInductor, {.library = library.get()});
}

Model loaded(std::string_view order) {
  auto model = load(write_compiled({.library = testing::aoti::library(order)}));
  if (!model) throw std::runtime_error(model.error().message);
  return *std::move(model);
}

Fault compiled_fault_of(const CompiledText& text) {
  const auto model = load(write_compiled(text));
  return model ? Fault{} : model.error();
}

TEST(AotiModel, RunsAndSaysWhatItTakesAndGives) {
  auto model = loaded("");
  EXPECT_EQ(model.signature().required, std::vector<std::string>{"x"});
  EXPECT_EQ(model.signature().outputs, 1U);
  const at::Tensor x = torch::rand({3, 5});
  const auto outputs = model.run({x});
  ASSERT_TRUE(outputs) << outputs.error().reason;
  EXPECT_TRUE(outputs->tensors.at(0).equal(x * 2));
  EXPECT_FALSE(model.with_graph(wire::Graph::kOptimized));
  EXPECT_FALSE(model.with_graph(wire::Graph::kFrozen));
}

TEST(AotiModel, TakesTensorsOfAnyStrides) {
  auto model = loaded("");
  const at::Tensor x = torch::rand({4, 6}).t();
  EXPECT_TRUE(model.run({x})->tensors.at(0).equal(x * 2));
}

// It would end the process.
TEST(AotiModel, IsNotRunOnWhatItWasNotCompiledFor) {
  auto model = loaded("any crash -");
  for (const std::vector<at::Tensor>& inputs :
       std::vector<std::vector<at::Tensor>>{{torch::ones({1001, 2})},
                                            {torch::ones({0, 2})},
                                            {torch::ones({2})},
                                            {torch::ones({1, 2, 3})},
                                            {torch::ones({1, 2}, at::kDouble)},
                                            {torch::ones({1, 2}, at::kComplexFloat)},
                                            {},
                                            {torch::ones({1, 2}), torch::ones({1, 2})}}) {
    const auto outputs = model.run(inputs);
    ASSERT_FALSE(outputs);
    EXPECT_EQ(outputs.error().kind, RunError::Kind::kThrew);
  }
  EXPECT_EQ(model.run({torch::ones({1001, 2})}).error().reason,
            "input \"x\" is FP32 [1001,2]; the model was compiled for FP32 [1…1000,1…1000000]");
}

TEST(AotiModel, AnAnswerIsNobodyElsesMemory) {
  const at::Tensor x = torch::ones({1, 2});
  auto alias = loaded("one alias -");
  const auto same = alias.run({x});
  ASSERT_TRUE(same) << same.error().reason;
  x.fill_(7);
  EXPECT_TRUE(same->tensors.at(0).equal(torch::ones({1, 2})));
  auto keeping = loaded("any keep -");
  const auto first = keeping.run({torch::full({1, 2}, 3.0F)});
  const auto second = keeping.run({torch::full({1, 2}, 5.0F)});
  EXPECT_TRUE(first->tensors.at(0).equal(torch::full({1, 2}, 6.0F)));
  EXPECT_TRUE(second->tensors.at(0).equal(torch::full({1, 2}, 10.0F)));
}

TEST(AotiModel, AFailureSaysWhatTheLibrarySaidOfIt) {
  auto failing = loaded("one fail it is too late");
  const auto outputs = failing.run({torch::ones({1, 1})});
  ASSERT_FALSE(outputs);
  EXPECT_EQ(outputs.error().kind, RunError::Kind::kThrew);
  EXPECT_EQ(outputs.error().reason, "it is too late");
  EXPECT_TRUE(failing.run({torch::zeros({1, 1})}));
}

TEST(AotiModel, MemoryThatRunsOutIsToldFromOtherFailures) {
  auto model = loaded("one much -");
  const auto outputs = model.run({torch::ones({1, 1})});
  ASSERT_FALSE(outputs);
  EXPECT_EQ(outputs.error().kind, RunError::Kind::kOutOfMemory) << outputs.error().reason;
}

TEST(AotiModel, WhatCannotBeLoadedSaysWhy) {
  const std::string good = testing::aoti::library();
  const auto message = [](const CompiledText& text) {
    const auto fault = compiled_fault_of(text);
    EXPECT_EQ(fault.reason, "LoadFailed");
    EXPECT_THAT(fault.message, HasSubstr("the compiled model cannot be loaded: "));
    return fault.message;
  };
  EXPECT_THAT(message({.library = good.substr(0, 2000)}), HasSubstr("cut off"));
  EXPECT_THAT(message({.library = "#!/bin/sh"}), HasSubstr("does not begin as an ELF file"));
  EXPECT_THAT(message({.library = good,
                       .inputs = R"({"inputs": [{"name": "x", "datatype": "FP32", "shape": []},)"
                                 R"({"name": "y", "datatype": "FP32", "shape": []}]})"}),
              HasSubstr("takes 1 inputs, its metadata lists 2"));
  std::string without_calls = good;
  for (std::size_t at = 0;
       (at = without_calls.find("AOTInductorModelContainerRun", at)) != std::string::npos;) {
    without_calls[at] = 'X';
  }
  EXPECT_THAT(message({.library = without_calls}), HasSubstr("AOTInductorModelContainerRun"));
}

TEST(AotiModel, OtherProcessorsAreTheWorldsAndNotTheModels) {
  std::string foreign = testing::aoti::library();
  foreign[18] = 22;  // e_machine: s390
  EXPECT_EQ(compiled_fault_of({.library = foreign}).reason, "UnsupportedProcessor");
#if defined(__x86_64__)
  EXPECT_EQ(compiled_fault_of({.instructions = "ASIMD"}).reason, "UnsupportedProcessor");
#endif
}

TEST(AotiModel, WithoutALibraryToLoadItFromItIsRefused) {
  const std::string package = write_compiled({.library = testing::aoti::library("load crash -")});
  const auto model = Model::load(bytes(package), ModelFormat::kAotInductor);
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().reason, "UnsupportedFormat");
}

TEST(Processor, EveryFeatureThatTheCompilerWasToldMayBeUsed) {
#if defined(__x86_64__)
  std::set<std::string> features = {"avx2", "fma", "f16c"};
  const auto has = [&features](const char* feature) { return features.contains(feature); };
  EXPECT_TRUE(aoti::check_instructions("AVX2", has));
  EXPECT_TRUE(aoti::check_instructions("INVALID_VEC_ISA", has));
  const auto wider = aoti::check_instructions("AVX512", has);
  ASSERT_FALSE(wider);
  EXPECT_EQ(wider.error().reason, "UnsupportedProcessor");
  EXPECT_THAT(wider.error().message, HasSubstr("AVX512"));
  EXPECT_THAT(wider.error().remedy, HasSubstr("nodeSelector"));
  features.erase("f16c");
  EXPECT_FALSE(aoti::check_instructions("AVX2", has));
#endif
}

TEST(Processor, InstructionsThatNobodyKnowsAreTheModelsFault) {
  for (const char* name : {"AVX512 AMX_TILE", "AVX1024", ""}) {
    EXPECT_EQ(aoti::check_instructions(name, [](const char*) { return true; }).error().reason,
              "UnsupportedFormat");
  }
}

TEST(Complaints, TheFirstIsTheReason) {
  EXPECT_EQ(
      aoti::first_complaint("[E1 shim.cpp:2] Exception in aoti_torch: bad sizes\nException raised from x\n"
                            "Error: API call failed\n"),
      "bad sizes");
  EXPECT_EQ(aoti::first_complaint("Error: out of luck\nError: API call failed\n"), "out of luck");
  EXPECT_EQ(aoti::first_complaint("plain words\nmore"), "plain words");
  EXPECT_EQ(aoti::first_complaint(""), "");
}

TEST(Complaints, AreKeptUpToAMeasureAndOnlyWhileAskedFor) {
  aoti::Complaints complaints;
  for (int i = 0; i < 1000; ++i) std::cerr << std::string(1000, 'x');
  EXPECT_EQ(complaints.reason().size(), 16U * 1024);
}

}  // namespace
}  // namespace pilotlight::engine
