#include "sidecar/engine/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "sidecar/engine/testing/models.h"

namespace pilotlight::engine {
namespace {

using testing::bytes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::model_file;
using testing::model_of;
using ::testing::Not;

TEST(LoadedModel, Runs) {
  auto model = model_of("def forward(self, x):\n    return x * self.w\n", {{"w", torch::full({2}, 3.0F)}});
  const auto outputs = model.run({torch::ones({1, 2})});
  ASSERT_TRUE(outputs) << outputs.error().reason;
  ASSERT_EQ(outputs->tensors.size(), 1U);
  EXPECT_TRUE(outputs->tensors[0].equal(torch::full({1, 2}, 3.0F)));
  EXPECT_TRUE(outputs->names.empty());
}

TEST(LoadedModel, NeedsNothingOfItsFileAnyMore) {
  std::string file =
      model_file("def forward(self, x):\n    return x * self.w\n", {{"w", torch::full({2}, 3.0F)}});
  auto model = Model::load(bytes(file));
  file.assign(file.size(), '\0');
  EXPECT_TRUE(model->run({torch::ones({2})})->tensors[0].equal(torch::full({2}, 3.0F)));
}

TEST(LoadedModel, IsInEvaluationModeWhateverItWasSavedIn) {
  auto model = model_of("def forward(self, x):\n    if self.training:\n        return x + 1\n    return x\n");
  EXPECT_TRUE(model.run({torch::ones({2})})->tensors[0].equal(torch::ones({2})));
}

TEST(LoadedModel, FlattensWhatForwardReturns) {
  const auto x = torch::ones({2});
  EXPECT_EQ(model_of("def forward(self, x):\n    return (x, x + 1)\n").run({x})->tensors.size(), 2U);
  EXPECT_EQ(model_of("def forward(self, x):\n    return [x, x, x]\n").run({x})->tensors.size(), 3U);
  EXPECT_THAT(model_of("def forward(self, x):\n    return {'b': x, 'a': x}\n").run({x})->names,
              ElementsAre("b", "a"));
}

TEST(LoadedModel, FreezesAndAnswersTheSame) {
  auto model = model_of("def forward(self, x):\n    return x * self.w\n", {{"w", torch::full({2}, 3.0F)}});
  for (const wire::Graph graph : {wire::Graph::kFrozen, wire::Graph::kOptimized}) {
    auto changed = model.with_graph(graph);
    ASSERT_TRUE(changed) << wire::graph_name(graph);
    EXPECT_TRUE(changed->run({torch::ones({2})})->tensors[0].equal(torch::full({2}, 3.0F)));
  }
}

Fault load_fault(const std::string& file) {
  const auto model = Model::load(bytes(file));
  return model ? Fault{} : model.error();
}

TEST(LoadingAModel, DamagedArchivesAreLoadFailed) {
  const std::string file = model_file("def forward(self, x):\n    return x\n");
  for (const std::size_t size : {std::size_t{0}, std::size_t{30}, file.size() / 2, file.size() - 1}) {
    EXPECT_EQ(load_fault(file.substr(0, size)).reason, "LoadFailed") << size;
  }
}

// Changes one stored text of the archive to another of the same length: members are not compressed, and their
// checksums are looked at only where LibTorch asks for it.
std::string with_text(std::string file, const std::string& from, const std::string& to) {
  EXPECT_EQ(from.size(), to.size());
  const auto at = file.find(from);
  EXPECT_NE(at, std::string::npos);
  return file.replace(at, from.size(), to);
}

TEST(LoadingAModel, TellsNeitherSourceNorPaths) {
  const auto fault = load_fault(
      with_text(model_file("def forward(self, x):\n    return torch.relu(x)\n"), "torch.relu", "torch.rilu"));
  EXPECT_EQ(fault.reason, "LoadFailed");
  EXPECT_THAT(fault.message, HasSubstr("LibTorch 2.6.0 cannot load the model: "));
  EXPECT_THAT(fault.message, Not(HasSubstr("return")));
  EXPECT_THAT(fault.message, Not(HasSubstr("\n")));
  EXPECT_THAT(fault.message, Not(HasSubstr(".py")));
  EXPECT_NE(fault.remedy, "");
}

}  // namespace
}  // namespace pilotlight::engine
