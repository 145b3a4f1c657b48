#include "sidecar/engine/graph_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <map>

#include "sidecar/engine/testing/models.h"

namespace pilotlight::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using wire::Graph;

// Every run of a graph takes as long as the scene says, and passes unless the scene says why not.
struct Scene {
  std::map<Graph, int> milliseconds = {{Graph::kPlain, 10}, {Graph::kFrozen, 10}, {Graph::kOptimized, 10}};
  std::map<Graph, std::string> refused = {};
  wire::LoadRequest request = {};
  bool with_inputs = true;

  std::vector<Graph> announced = {};
  std::vector<double> allowances = {};

  Outcome<Chosen> choose() {
    auto now = std::chrono::steady_clock::time_point();
    Graph current = Graph::kPlain;
    const Proving proving{.file = {},
                          .request = request,
                          .for_traffic = false,
                          .clock =
                              [&] {
                                now += std::chrono::milliseconds(milliseconds.at(current));
                                return now;
                              },
                          .enter_phase = {},
                          .try_graph =
                              [&](Graph graph, std::optional<double> within) {
                                announced.push_back(graph);
                                if (within) allowances.push_back(*within);
                              }};
    const auto check = [&](Model&, Proof& proof) -> Outcome<void> {
      current = proof.graph;
      if (refused.contains(current)) return refuse("GoldenMismatch", refused.at(current), "");
      return {};
    };
    std::vector<at::Tensor> inputs;
    if (with_inputs) inputs.push_back(torch::ones({1}));
    return choose_graph(testing::model_of("def forward(self, x):\n    return x\n"), {}, proving, check,
                        inputs);
  }
};

TEST(ChoosingAGraph, TakesTheFastest) {
  for (const Graph fastest : {Graph::kPlain, Graph::kFrozen, Graph::kOptimized}) {
    Scene scene;
    scene.milliseconds[fastest] = 5;
    const auto chosen = scene.choose();
    ASSERT_TRUE(chosen);
    EXPECT_EQ(chosen->proof.graph, fastest);
    EXPECT_THAT(scene.announced, ElementsAre(Graph::kFrozen, Graph::kOptimized, fastest));
  }
}

TEST(ChoosingAGraph, TakesTheAuthorsWhereNoneIsClearlyFaster) {
  Scene scene;
  scene.milliseconds = {{Graph::kPlain, 100}, {Graph::kFrozen, 97}, {Graph::kOptimized, 96}};
  EXPECT_EQ(scene.choose()->proof.graph, Graph::kPlain);
}

TEST(ChoosingAGraph, PassesOverAFormThatAnswersOtherwise) {
  Scene scene;
  scene.milliseconds[Graph::kOptimized] = 1;
  scene.milliseconds[Graph::kFrozen] = 5;
  scene.refused[Graph::kOptimized] = "case one: expected 1, got 2";
  const auto chosen = scene.choose();
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->proof.graph, Graph::kFrozen);
  ASSERT_EQ(chosen->proof.graphs.size(), 3U);
  EXPECT_EQ(chosen->proof.graphs[1].milliseconds, 5);
  EXPECT_EQ(chosen->proof.graphs[2].refused, "case one: expected 1, got 2");
}

TEST(ChoosingAGraph, TheAuthorsMustPassWhateverTheOthersDo) {
  Scene scene;
  scene.refused[Graph::kPlain] = "case one";
  const auto chosen = scene.choose();
  ASSERT_FALSE(chosen);
  EXPECT_EQ(chosen.error().message, "case one");
  EXPECT_THAT(scene.announced, IsEmpty());
}

TEST(ChoosingAGraph, TheClockAllowsForASlowModel) {
  Scene scene;
  scene.milliseconds = {{Graph::kPlain, 60'000}, {Graph::kFrozen, 60'000}, {Graph::kOptimized, 60'000}};
  ASSERT_TRUE(scene.choose());
  EXPECT_THAT(scene.allowances, ElementsAre(610, 610));
}

TEST(ChoosingAGraph, TheOneThatWasChosenBeforeIsNotComparedAgain) {
  Scene scene;
  scene.request.graph = Graph::kOptimized;
  scene.milliseconds[Graph::kPlain] = 1;
  EXPECT_EQ(scene.choose()->proof.graph, Graph::kOptimized);
  EXPECT_THAT(scene.announced, ElementsAre(Graph::kOptimized));
}

TEST(ChoosingAGraph, WhereTheOneThatWasChosenBeforeFailsHereTheAuthorsServes) {
  Scene scene;
  scene.request.graph = Graph::kOptimized;
  scene.refused[Graph::kOptimized] = "case one";
  const auto chosen = scene.choose();
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->proof.graph, Graph::kPlain);
  ASSERT_EQ(chosen->proof.graphs.size(), 1U);
  EXPECT_EQ(chosen->proof.graphs[0].refused, "case one");
}

TEST(ChoosingAGraph, WhatDidNotComeBackIsNotTriedAgain) {
  Scene scene;
  scene.milliseconds[Graph::kFrozen] = 1;
  scene.request.without_graphs = {Graph::kFrozen};
  EXPECT_EQ(scene.choose()->proof.graph, Graph::kPlain);
  EXPECT_THAT(scene.announced, ElementsAre(Graph::kOptimized, Graph::kPlain));
  scene.request.graph = Graph::kFrozen;
  EXPECT_EQ(scene.choose()->proof.graph, Graph::kPlain);
}

TEST(ChoosingAGraph, WithoutAnythingToCompareOnTheAuthorsServes) {
  Scene scene;
  scene.with_inputs = false;
  scene.milliseconds[Graph::kOptimized] = 1;
  EXPECT_EQ(scene.choose()->proof.graph, Graph::kPlain);
  EXPECT_THAT(scene.announced, IsEmpty());
}

}  // namespace
}  // namespace pilotlight::engine
