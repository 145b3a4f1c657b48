#include "sidecar/engine/prover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <format>
#include <nlohmann/json.hpp>

#include "sidecar/engine/agreement.h"
#include "sidecar/engine/drift.h"
#include "sidecar/engine/testing/aoti.h"
#include "sidecar/engine/testing/models.h"
#include "sidecar/engine/testing/onnx.h"

namespace pilotlight::engine {
namespace {

using testing::BundleText;
using testing::bytes;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::model_file;
using ::testing::Not;
using testing::plain;

constexpr const char* kDouble = "def forward(self, x):\n    return x * 2\n";
constexpr const char* kContract =
    "  inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]\n"
    "  outputs: [{name: y, datatype: FP32, shape: [-1, 2]}]\n";

testing::PlainCase golden(const std::string& name, const at::Tensor& x, const at::Tensor& y) {
  return {.name = name, .inputs = {plain("x", x)}, .outputs = {plain("y", y)}};
}

at::Tensor some(std::int64_t rows) {
  return torch::arange(rows * 2, at::kFloat).view({rows, 2}) + 1;
}

struct Run {
  Outcome<Proven> result;
  std::vector<std::string> phases;
  std::vector<std::string> graphs;
};

Run run(const std::string& file, const wire::LoadRequest& request = {}, bool for_traffic = true) {
  std::vector<std::string> phases;
  std::vector<std::string> graphs;
  auto result = prove(
      {.file = bytes(file),
       .request = request,
       .for_traffic = for_traffic,
       .clock = [] { return std::chrono::steady_clock::now(); },
       .enter_phase = [&phases](std::string_view phase) { phases.emplace_back(phase); },
       .try_graph = [&graphs](wire::Graph graph,
                              std::optional<double>) { graphs.emplace_back(wire::graph_name(graph)); }});
  return {.result = std::move(result), .phases = std::move(phases), .graphs = std::move(graphs)};
}

Fault fault_of(const std::string& file, const wire::LoadRequest& request = {}) {
  const auto ran = run(file, request);
  return ran.result ? Fault{} : ran.result.error();
}

BundleText doubling() {
  return {.model = model_file(kDouble),
          .contract = kContract,
          .cases = {golden("one", some(1), some(1) * 2), golden("three", some(3), some(3) * 2)}};
}

wire::Contract contract_from(const std::string& json) {
  return wire::contract_from_json(nlohmann::json::parse(json), true).value();
}

TEST(Prove, GoldenCasesThatPassProveTheAnswers) {
  wire::LoadRequest request;
  request.digest = "sha256:9f";
  request.warmup_batch_sizes = {1, 4};
  const auto ran = run(testing::write_bundle(doubling()), request);
  ASSERT_TRUE(ran.result) << ran.result.error().message;
  const Proof& proof = ran.result->proof;
  EXPECT_EQ(proof.level, wire::ProofLevel::kAnswers);
  EXPECT_EQ(proof.golden.cases, 2U);
  EXPECT_THAT(proof.warnings, IsEmpty());
  EXPECT_THAT(ran.phases, ElementsAre("Loading", "Warming"));
  ASSERT_EQ(proof.warmup.size(), 2U);
  EXPECT_EQ(proof.warmup[1].batch_size, 4);
  EXPECT_GE(proof.warmup[1].runs, 3);

  const auto document = to_json(proof);
  EXPECT_EQ(document.at("level"), "Answers");
  EXPECT_EQ(document.at("digest"), "sha256:9f");
  EXPECT_EQ(document.at("tolerance").at("source"), "default");
  EXPECT_EQ(document.at("worstError").at("tensor"), "y");
  EXPECT_EQ(document.at("worstError").at("index").size(), 2U);
  EXPECT_EQ(document.at("runtime").at("torch"), "2.6.0");
  ASSERT_EQ(document.at("graphs").size(), 3U);
  EXPECT_GT(document.at("graphs").at(0).at("ms"), 0);
  EXPECT_THAT(ran.graphs, ElementsAre("frozen", "optimized", document.at("runtime").at("graph")));
  EXPECT_EQ(document.at("exporter").at("torch"), "2.6.0");
  EXPECT_EQ(document.at("warmup").at(1).at("batchSize"), 4);
}

TEST(Prove, CheckRunsEachBatchSizeOnceAndSaysChecking) {
  const auto ran = run(testing::write_bundle(doubling()), {}, false);
  ASSERT_TRUE(ran.result) << ran.result.error().message;
  EXPECT_THAT(ran.phases, ElementsAre("Checking"));
  ASSERT_EQ(ran.result->proof.warmup.size(), 1U);
  EXPECT_EQ(ran.result->proof.warmup[0].runs, 1);
}

TEST(Prove, TheFormatIsTheOneThatWasAskedFor) {
  wire::LoadRequest request;
  request.format = ModelFormat::kTorchScript;
  EXPECT_EQ(fault_of(testing::write_bundle(doubling()), request).reason, "");
  request.format = ModelFormat::kOnnx;
  const auto fault = fault_of(testing::write_bundle(doubling()), request);
  EXPECT_EQ(fault.reason, "UnsupportedFormat");
  EXPECT_EQ(fault.message, "the model is TorchScript, but model.format says ONNX");
}

// Loading any of these would end the process.
TEST(Prove, MachineCodeIsLoadedOnlyWhereItIsAskedForAndOfThisRelease) {
  const std::string bundle = testing::aoti::bundle("load crash -");
  wire::LoadRequest request;
  const auto unasked = fault_of(bundle, request);
  EXPECT_EQ(unasked.reason, "UnsupportedFormat");
  EXPECT_THAT(unasked.message, HasSubstr("only where it is asked for by name"));
  EXPECT_THAT(unasked.remedy, HasSubstr("model.signature.publicKeys"));
  request.format = ModelFormat::kTorchScript;
  EXPECT_THAT(fault_of(bundle, request).message, HasSubstr("model.format is TorchScript"));
  request.format = ModelFormat::kAotInductor;
  EXPECT_THAT(fault_of(bundle, request).message, HasSubstr("this engine may not load"));
  const std::string package = testing::write_compiled({.library = testing::aoti::library("load crash -")});
  EXPECT_THAT(fault_of(package, request).message, HasSubstr("a bare AOTInductor package"));
  for (const char* torch : {"2.5.1", "2.7.0", "3.6.0", "2.60.0"}) {
    const auto other = fault_of(testing::aoti::bundle_of(package, torch), request);
    EXPECT_EQ(other.message,
              std::string("the model was compiled with torch ") + torch + "; this runtime is 2.6.0");
    EXPECT_THAT(other.remedy, HasSubstr("torch 2.6.0"));
  }
}

// A tenth less than the default lets pass, and a tenth more.
TEST(Prove, HalfPrecisionHasTolerancesToSuit) {
  struct Half {
    at::ScalarType type;
    const char* name;
    double tolerance;
  };
  for (const Half& half : {Half{at::kHalf, "FP16", 1e-2}, Half{at::kBFloat16, "BF16", 3e-2}}) {
    BundleText text = doubling();
    text.contract = std::format(
        "  inputs: [{{name: x, datatype: {0}, shape: [-1, 2]}}]\n  outputs: [{{name: y, datatype: {0}, "
        "shape: [-1, 2]}}]\n",
        half.name);
    const at::Tensor x = torch::full({1, 2}, 2.0, half.type);
    const auto off_by = [&](double tolerances) {
      // Absolute and relative part, of values that are all 4.
      const at::Tensor y = torch::full({1, 2}, 4 * (1 + 2 * half.tolerance * tolerances), half.type);
      text.cases = {golden("one", x, y)};
      return run(testing::write_bundle(text)).result;
    };
    const auto close = off_by(0.9);
    ASSERT_TRUE(close) << close.error().message;
    EXPECT_EQ(close->proof.golden.tolerance.absolute, half.tolerance);
    EXPECT_EQ(close->proof.golden.tolerance.source, "default");
    ASSERT_FALSE(off_by(1.2));
    EXPECT_EQ(off_by(1.2).error().reason, "GoldenMismatch");
  }
}

TEST(Prove, AnOnnxFileAloneProvesItsContract) {
  const auto ran = run(testing::onnx::scaling(2, 3));
  ASSERT_TRUE(ran.result) << ran.result.error().message;
  const auto document = to_json(ran.result->proof);
  EXPECT_EQ(document.at("level"), "Contract");
  EXPECT_EQ(document.at("format"), "ONNX");
  ASSERT_EQ(document.at("graphs").size(), 2U);
  EXPECT_TRUE(document.at("graphs").at(1).contains("ms"));
  EXPECT_EQ(document.at("runtime").at("onnxruntime"), "1.21.0");
  EXPECT_EQ(ran.result->contract.inputs.at(0).shape, (std::vector<std::int64_t>{-1, 2}));
}

TEST(Prove, AnOnnxBundleProvesItsAnswers) {
  BundleText text = doubling();
  text.model = testing::onnx::scaling(2, 2);
  text.file = "model.onnx";
  text.format = "ONNX";
  text.exporter = "  torch: 9.9.9\n  packages: {onnxruntime: 1.0.0}\n";  // torch is no matter to ONNX
  const auto ran = run(testing::write_bundle(text));
  ASSERT_TRUE(ran.result) << ran.result.error().message;
  EXPECT_EQ(ran.result->proof.level, wire::ProofLevel::kAnswers);
  EXPECT_THAT(ran.result->proof.warnings, IsEmpty());
  ASSERT_EQ(ran.result->proof.drift.size(), 1U);
  EXPECT_EQ(ran.result->proof.drift.front().component, "onnxruntime");
  text.model = testing::onnx::scaling(2, 3);
  const auto fault = fault_of(testing::write_bundle(text));
  EXPECT_EQ(fault.reason, "GoldenMismatch");
  EXPECT_THAT(fault.message, HasSubstr("case one, output y[0,1]"));
}

TEST(Prove, MismatchNamesCaseElementAndNumbers) {
  BundleText text = doubling();
  at::Tensor wrong = some(3) * 2;
  wrong[2][1] += 1;
  text.cases[1] = golden("three", some(3), wrong);
  const auto fault = fault_of(testing::write_bundle(text));
  EXPECT_EQ(fault.reason, "GoldenMismatch");
  EXPECT_EQ(fault.message, "case three, output y[2,1]: expected 13, got 12, error 1.0e+00 > 2.6e-03");
  EXPECT_THAT(fault.remedy, HasSubstr("Export the bundle again"));
}

TEST(Prove, ToleranceOfTheSpecGoesBeforeTheBundles) {
  BundleText text = doubling();
  text.cases = {golden("one", some(1), some(1) * 2.02)};
  EXPECT_EQ(fault_of(testing::write_bundle(text)).reason, "GoldenMismatch");
  text.golden = "  relativeTolerance: 0.1\n";
  const auto by_bundle = run(testing::write_bundle(text));
  ASSERT_TRUE(by_bundle.result) << by_bundle.result.error().message;
  EXPECT_EQ(by_bundle.result->proof.golden.tolerance.source, "bundle");
  wire::LoadRequest strict;
  strict.relative_tolerance = 1e-6;
  EXPECT_EQ(fault_of(testing::write_bundle(text), strict).reason, "GoldenMismatch");
}

TEST(Prove, AModelThatAnswersDifferentlyTheSecondTimeFails) {
  BundleText text = doubling();
  text.model = model_file("def forward(self, x):\n    self.n.add_(1)\n    return x * self.n\n",
                          {{"n", torch::zeros({1})}});
  text.cases = {golden("one", some(1), some(1))};
  const auto fault = fault_of(testing::write_bundle(text));
  EXPECT_EQ(fault.reason, "GoldenMismatch");
  EXPECT_THAT(fault.message, HasSubstr("case one"));
}

TEST(Prove, WhereAGraphIsGivenOnlyThatOneIsTried) {
  wire::LoadRequest request;
  for (const auto graph : {wire::Graph::kFrozen, wire::Graph::kOptimized}) {
    request.graph = graph;
    const auto ran = run(testing::write_bundle(doubling()), request);
    ASSERT_TRUE(ran.result) << ran.result.error().message;
    EXPECT_EQ(ran.result->proof.graph, graph);
    EXPECT_THAT(ran.graphs, ElementsAre(wire::graph_name(graph)));
  }
  request.graph = wire::Graph::kPlain;
  const auto ran = run(testing::write_bundle(doubling()), request);
  ASSERT_TRUE(ran.result) << ran.result.error().message;
  EXPECT_THAT(ran.graphs, IsEmpty());
}

TEST(Prove, AGraphThatDidNotComeBackIsNotTriedAgain) {
  wire::LoadRequest request;
  request.without_graphs = {wire::Graph::kOptimized};
  const auto ran = run(testing::write_bundle(doubling()), request);
  ASSERT_TRUE(ran.result) << ran.result.error().message;
  EXPECT_THAT(ran.graphs, Not(Contains("optimized")));
  EXPECT_NE(ran.result->proof.graph, wire::Graph::kOptimized);
  EXPECT_EQ(to_json(ran.result->proof).at("graphs").at(2).at("refused"), "it did not come back");
}

TEST(Prove, WithoutGoldenCasesTheOtherFormsMustAgreeWithTheOneAsWritten) {
  BundleText text = doubling();
  text.cases.clear();
  const auto ran = run(testing::write_bundle(text));
  ASSERT_TRUE(ran.result) << ran.result.error().message;
  EXPECT_EQ(ran.result->proof.level, wire::ProofLevel::kContract);
  ASSERT_EQ(ran.result->proof.graphs.size(), 3U);
  for (const GraphTrial& trial : ran.result->proof.graphs) EXPECT_EQ(trial.refused, "");
}

TEST(Prove, WithoutAContractTheModelServesAsItWasWritten) {
  const auto ran = run(model_file(kDouble));
  ASSERT_TRUE(ran.result) << ran.result.error().message;
  EXPECT_EQ(ran.result->proof.graph, wire::Graph::kPlain);
  EXPECT_THAT(ran.graphs, IsEmpty());
}

TEST(Agreement, OfFormsThatAnswerOtherwiseThereIsNone) {
  const auto contract = contract_from(
      R"({"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
          "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}]})");
  const std::vector<at::Tensor> inputs = {some(1)};
  const wire::LoadRequest request;
  const auto form = [](const char* source) { return testing::model_of(source); };
  auto plain = form(kDouble);
  for (const auto& [source, agrees] : std::vector<std::pair<const char*, bool>>{
           {"def forward(self, x):\n    return x + x\n", true},
           {"def forward(self, x):\n    return x * 2.001\n", false},
           {"def forward(self, x):\n    return x * float('nan')\n", false},
           {"def forward(self, x):\n    assert x.size(0) > 5\n    return x\n", false}}) {
    Agreement agreement(contract, request, inputs);
    ASSERT_TRUE(agreement.check(plain, wire::Graph::kPlain));
    auto other = form(source);
    EXPECT_EQ(agreement.check(other, wire::Graph::kFrozen).has_value(), agrees) << source;
  }
}

TEST(Prove, RowsOfDifferentCasesAreRunTogether) {
  BundleText text = doubling();
  // Every case has one row, which alone is its own mean.
  text.model = model_file("def forward(self, x):\n    return x + x.mean(0, True)\n");
  text.cases = {golden("one", some(1), some(1) * 2), golden("two", some(1) + 5, (some(1) + 5) * 2)};
  const auto fault = fault_of(testing::write_bundle(text));
  EXPECT_EQ(fault.reason, "GoldenMismatch");
  EXPECT_THAT(fault.message, HasSubstr("case one in a batch of 2"));
  EXPECT_THAT(fault.remedy, HasSubstr("first dimension is a batch"));
}

TEST(Prove, ACaseByItselfIsRunBesideItsOwnCopy) {
  BundleText text = doubling();
  text.model = model_file("def forward(self, x):\n    return x * 2 * x.size(0)\n");
  text.cases = {golden("one", some(1), some(1) * 2)};
  EXPECT_THAT(fault_of(testing::write_bundle(text)).message, HasSubstr("case one in a batch of 2"));
}

TEST(Prove, AModelWhoseRowsDependOnEachOtherFails) {
  BundleText text = doubling();
  text.model = model_file("def forward(self, x):\n    return x - x.mean(0, True)\n");
  text.cases = {golden("three", some(3), some(3) - some(3).mean(0, true))};
  const auto fault = fault_of(testing::write_bundle(text));
  EXPECT_EQ(fault.reason, "GoldenMismatch");
  EXPECT_THAT(fault.message, HasSubstr("case three, row 0 run alone, output y[0,0]"));
  EXPECT_THAT(fault.remedy, HasSubstr("neighbours"));
}

TEST(Prove, AModelWithAFrozenBatchFails) {
  BundleText text = doubling();
  text.model = model_file("def forward(self, x):\n    return x.view([3, 2]) * 2\n");
  text.cases = {golden("three", some(3), some(3) * 2)};
  const auto fault = fault_of(testing::write_bundle(text));
  EXPECT_EQ(fault.reason, "LoadFailed");
  EXPECT_THAT(fault.message, HasSubstr("row 0 run alone: the model failed: shape '[3, 2]' is invalid"));
  EXPECT_THAT(fault.remedy, HasSubstr("fixed shape"));
}

TEST(Prove, NaNWhereANumberWasExpectedIsNonFinite) {
  BundleText text = doubling();
  text.model = model_file("def forward(self, x):\n    return x * 2 / (x - 1)\n");
  const auto fault = fault_of(testing::write_bundle(text));
  EXPECT_EQ(fault.reason, "NonFiniteOutput");
  EXPECT_THAT(fault.message, HasSubstr("expected 2, got inf"));
}

TEST(Prove, NaNThatIsExpectedPasses) {
  BundleText text = doubling();
  text.model = model_file("def forward(self, x):\n    return torch.log(x)\n");
  text.cases = {golden("one", -some(1), torch::log(-some(1)))};
  const auto ran = run(testing::write_bundle(text));
  EXPECT_TRUE(ran.result) << ran.result.error().message;
}

TEST(Prove, IntegersAreExact) {
  BundleText text = doubling();
  text.model = model_file("def forward(self, x):\n    return x.argmax(1)\n");
  text.contract =
      "  inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]\n"
      "  outputs: [{name: y, datatype: INT64, shape: [-1]}]\n";
  text.golden = "  absoluteTolerance: 10\n";
  text.cases = {golden("three", some(3), torch::tensor({1, 1, 1}, at::kLong))};
  EXPECT_TRUE(run(testing::write_bundle(text)).result);
  text.cases = {golden("three", some(3), torch::tensor({1, 0, 1}, at::kLong))};
  EXPECT_THAT(fault_of(testing::write_bundle(text)).message, HasSubstr("output y[1]: expected 0, got 1"));
}

TEST(Prove, OutputsThatBreakTheContractAreInvalid) {
  BundleText text = doubling();
  text.model = model_file("def forward(self, x):\n    return (x * 2).to(6)\n");  // 6: float
  EXPECT_TRUE(run(testing::write_bundle(text)).result);
  text.model = model_file("def forward(self, x):\n    return (x * 2).to(7)\n");  // 7: double
  const auto type = fault_of(testing::write_bundle(text));
  EXPECT_EQ(type.reason, "InvalidContract");
  EXPECT_THAT(type.message, HasSubstr("output \"y\" is FP64 [1,2]; the contract says FP32 [-1,2]"));
  text.model = model_file("def forward(self, x):\n    return {'z': x * 2}\n");
  EXPECT_THAT(fault_of(testing::write_bundle(text)).message,
              HasSubstr("output \"y\" is missing; the model returned: z"));
  text.model = model_file("def forward(self, x):\n    return torch.cat([x, x]) * 2\n");
  EXPECT_THAT(fault_of(testing::write_bundle(text)).message, HasSubstr("is FP32 [2,2] for a batch of 1"));
}

TEST(Prove, CasesThatDoNotSuitTheContractAreNamed) {
  BundleText text = doubling();
  text.cases[0].inputs = {plain("x", torch::ones({1, 5}))};
  EXPECT_THAT(fault_of(testing::write_bundle(text)).message,
              HasSubstr("case one: its inputs: \"x\" is FP32 [1,5]; the contract says FP32 [-1,2]"));
  text.cases[0].inputs = {plain("image", some(1))};
  EXPECT_THAT(fault_of(testing::write_bundle(text)).message, HasSubstr("lack \"x\""));
  text.cases[0].inputs = {plain("x", some(1)), plain("y", some(1))};
  EXPECT_THAT(fault_of(testing::write_bundle(text)).message,
              HasSubstr("hold 2 tensors; the contract names 1"));
}

TEST(Prove, DictionariesAreTakenByName) {
  BundleText text = doubling();
  text.model = model_file("def forward(self, x):\n    return {'z': x + 1, 'y': x * 2}\n");
  text.contract =
      "  inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]\n"
      "  outputs: [{name: y, datatype: FP32, shape: [-1, 2]}, {name: z, datatype: FP32, shape: [-1, 2]}]\n";
  text.cases = {golden("one", some(1), some(1) * 2)};
  text.cases[0].outputs.push_back(plain("z", some(1) + 1));
  const auto ran = run(testing::write_bundle(text));
  EXPECT_TRUE(ran.result) << ran.result.error().message;
}

TEST(Prove, WithoutGoldenCasesTheContractIsTried) {
  BundleText text = doubling();
  text.cases.clear();
  const auto ran = run(testing::write_bundle(text));
  ASSERT_TRUE(ran.result) << ran.result.error().message;
  EXPECT_EQ(ran.result->proof.level, wire::ProofLevel::kContract);
  EXPECT_EQ(ran.result->proof.warmup.size(), 1U);
  EXPECT_FALSE(to_json(ran.result->proof).contains("tolerance"));
}

TEST(Prove, WithoutGoldenCasesAContractThatCannotBeIsRefused) {
  BundleText text = doubling();
  text.cases.clear();
  text.model = model_file("def forward(self, x):\n    return x.matmul(torch.ones([5, 2]))\n");
  auto fault = fault_of(testing::write_bundle(text));
  EXPECT_EQ(fault.reason, "InvalidContract");
  EXPECT_THAT(fault.message,
              HasSubstr("the model fails on inputs made from the contract with a batch of 1: "));
  text.model = model_file("def forward(self, x):\n    return x.sum(1)\n");
  fault = fault_of(testing::write_bundle(text));
  EXPECT_EQ(fault.reason, "InvalidContract");
  EXPECT_THAT(fault.message, HasSubstr("output \"y\" is FP32 [1]; the contract says FP32 [-1,2]"));
}

TEST(Prove, WhereOtherDimensionsVaryAFailureOfMadeUpInputsIsAWarning) {
  BundleText text = doubling();
  text.cases.clear();
  text.model = model_file("def forward(self, x):\n    return x.matmul(torch.ones([5, 2]))\n");
  text.contract =
      "  inputs: [{name: x, datatype: FP32, shape: [-1, -1]}]\n"
      "  outputs: [{name: y, datatype: FP32, shape: [-1, 2]}]\n";
  const auto ran = run(testing::write_bundle(text));
  ASSERT_TRUE(ran.result) << ran.result.error().message;
  EXPECT_EQ(ran.result->proof.level, wire::ProofLevel::kLoaded);
  EXPECT_THAT(ran.result->proof.warnings, Contains(HasSubstr("could not be checked")));
}

TEST(Prove, OutputsThatAreNotFiniteOnMadeUpInputsAreAWarning) {
  BundleText text = doubling();
  text.cases.clear();
  text.model = model_file("def forward(self, x):\n    return torch.log(-x - 1)\n");
  const auto ran = run(testing::write_bundle(text));
  ASSERT_TRUE(ran.result) << ran.result.error().message;
  EXPECT_EQ(ran.result->proof.level, wire::ProofLevel::kLoaded);
  EXPECT_THAT(ran.result->proof.warnings, Contains(HasSubstr("NaN or infinity")));
}

TEST(Prove, ABareFileIsLoadedAndNoMore) {
  const auto ran = run(model_file("def forward(self, x, y):\n    return (x + y, x - y)\n"));
  ASSERT_TRUE(ran.result) << ran.result.error().message;
  EXPECT_EQ(ran.result->proof.level, wire::ProofLevel::kLoaded);
  EXPECT_THAT(ran.result->proof.warmup, IsEmpty());
  EXPECT_EQ(ran.result->contract.inputs[1].name, "y");
  EXPECT_EQ(ran.result->contract.outputs[1].name, "output_1");
}

TEST(Prove, ABareFileWithTheUsersContractIsTriedAgainstIt) {
  wire::LoadRequest request;
  request.contract = contract_from(
      R"({"inputs": [{"name": "a", "datatype": "FP32", "shape": [-1, 2]}],
          "outputs": [{"name": "b", "datatype": "FP32", "shape": [-1, 2]}]})");
  const auto ran = run(model_file(kDouble), request);
  ASSERT_TRUE(ran.result) << ran.result.error().message;
  EXPECT_EQ(ran.result->proof.level, wire::ProofLevel::kContract);
  EXPECT_EQ(ran.result->contract, *request.contract);
  request.contract->inputs.push_back(request.contract->inputs[0]);
  EXPECT_EQ(fault_of(model_file(kDouble), request).reason, "InvalidContract");
}

TEST(Prove, TheMinimumLevelIsEnforcedAndSaysWhatToDo) {
  wire::LoadRequest request;
  request.minimum_level = wire::ProofLevel::kContract;
  auto fault = fault_of(model_file(kDouble), request);
  EXPECT_EQ(fault.reason, "ProofLevelTooLow");
  EXPECT_THAT(fault.message,
              HasSubstr("proven to the level Loaded; validation.minimumLevel asks for Contract"));
  EXPECT_THAT(fault.remedy, HasSubstr("Add golden cases"));
  request.minimum_level = wire::ProofLevel::kAnswers;
  EXPECT_TRUE(run(testing::write_bundle(doubling()), request).result);
}

TEST(Prove, ANewerExporterIsAWarningWhereGoldenCasesDecideAndElseARefusal) {
  BundleText text = doubling();
  text.exporter = "  torch: 2.10.0+cpu\n";
  const auto ran = run(testing::write_bundle(text));
  ASSERT_TRUE(ran.result) << ran.result.error().message;
  EXPECT_THAT(ran.result->proof.warnings,
              Contains(HasSubstr("torch 2.10.0+cpu, newer than this runtime's 2.6.0")));
  text.cases.clear();
  const auto fault = fault_of(testing::write_bundle(text));
  EXPECT_EQ(fault.reason, "UnsupportedFormat");
  EXPECT_THAT(fault.remedy, HasSubstr("golden cases"));
}

TEST(Prove, DriftNamesWhatIsAnotherHereThanWhereTheModelWasExported) {
  BundleText text = doubling();
  text.exporter = "  torch: 2.5.1+cu126\n  python: 3.9.0\n  cpu: ABACUS\n  packages: {onnxruntime: 1.0.0}\n";
  const auto ran = run(testing::write_bundle(text));
  ASSERT_TRUE(ran.result) << ran.result.error().message;
  const auto drift = to_json(ran.result->proof).at("drift");
  ASSERT_EQ(drift.size(), 2U) << drift;
  EXPECT_EQ(drift[0], (nlohmann::json{{"component", "torch"}, {"exporter", "2.5.1"}, {"runtime", "2.6.0"}}));
  EXPECT_EQ(drift[1].at("component"), "cpu");
  EXPECT_EQ(drift[1].at("exporter"), "ABACUS");
  EXPECT_EQ(drift[1].at("runtime"), at::get_cpu_capability());
  EXPECT_THAT(ran.result->proof.warnings, IsEmpty());
}

TEST(Prove, WhatTheExporterDidNotSayIsNoDrift) {
  BundleText text = doubling();
  text.exporter = "  torch: 2.6.0+cpu\n";
  EXPECT_EQ(to_json(run(testing::write_bundle(text)).result.value().proof).at("drift"),
            nlohmann::json::array());
  text.exporter = "  torch: 2.6\n";
  EXPECT_EQ(to_json(run(testing::write_bundle(text)).result.value().proof).at("drift"),
            nlohmann::json::array());
  text.exporter = "  method: script\n";
  EXPECT_EQ(to_json(run(testing::write_bundle(text)).result.value().proof).at("drift"),
            nlohmann::json::array());
  EXPECT_FALSE(to_json(run(model_file(kDouble)).result.value().proof).contains("drift"));
}

TEST(Prove, MachineCodeHasTheProcessorThatItWasCompiledFor) {
  const Exporter exporter{.torch = "2.6.0", .cpu = "ABACUS"};
  EXPECT_THAT(find_drift(exporter, ModelFormat::kAotInductor), IsEmpty());
  EXPECT_EQ(find_drift(exporter, ModelFormat::kTorchScript).size(), 1U);
}

TEST(Prove, WarmingUpWithABatchThatTheModelCannotTakeIsRefused) {
  BundleText text = doubling();
  text.model = model_file("def forward(self, x):\n    assert x.size(0) <= 7, 'too many'\n    return x * 2\n");
  wire::LoadRequest request;
  request.warmup_batch_sizes = {1, 8};
  const auto fault = fault_of(testing::write_bundle(text), request);
  EXPECT_EQ(fault.reason, "InvalidContract");
  EXPECT_THAT(fault.message, HasSubstr("the model fails with a batch of 8: AssertionError: too many"));
}

TEST(Prove, CasesThatTheModelCannotTakeAsOneBatchAreTheContractsFault) {
  BundleText text = doubling();
  text.model = model_file("def forward(self, x):\n    assert x.size(0) <= 3, 'too many'\n    return x * 2\n");
  const auto fault = fault_of(testing::write_bundle(text));
  EXPECT_EQ(fault.reason, "InvalidContract");
  EXPECT_EQ(fault.message, "a batch of 2 golden cases: the model failed: AssertionError: too many");
  EXPECT_THAT(fault.remedy, HasSubstr("a fixed shape"));
}

TEST(Prove, NamesInAnotherOrderAreAWarning) {
  wire::LoadRequest request;
  request.contract = contract_from(
      R"({"inputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]},
                     {"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
          "outputs": [{"name": "z", "datatype": "FP32", "shape": [-1, 2]}]})");
  const auto ran = run(model_file("def forward(self, x, y):\n    return x - y\n"), request);
  ASSERT_TRUE(ran.result);
  EXPECT_THAT(ran.result->proof.warnings, Contains(HasSubstr("in another order")));
}

TEST(IsNewer, ComparesMinorReleases) {
  EXPECT_FALSE(is_newer("2.6.0", "2.6.0"));
  EXPECT_FALSE(is_newer("2.6.9+cu126", "2.6.0"));
  EXPECT_TRUE(is_newer("2.7.0", "2.6.0"));
  EXPECT_TRUE(is_newer("2.10", "2.6.0"));
  EXPECT_TRUE(is_newer("3.0", "2.6.0"));
  EXPECT_FALSE(is_newer("1.13.1", "2.6.0"));
  EXPECT_FALSE(is_newer("", "2.6.0"));
  EXPECT_FALSE(is_newer("nightly", "2.6.0"));
}

}  // namespace
}  // namespace pilotlight::engine
