// ONNX files that attack, against the whole sidecar. ONNX is data, not a program, so there is less to try
// than with TorchScript: to have other files read, to exhaust, and to crash who reads it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "sidecar/engine/attacks/real_front.h"
#include "sidecar/engine/attacks/victim.h"
#include "sidecar/engine/testing/onnx.h"

namespace pilotlight::engine {
namespace {

namespace onnx = testing::onnx;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::numbers;
using testing::RealFront;
using wire::Datatype;

std::string weight(const std::string& name, const std::vector<std::int64_t>& shape,
                   const std::vector<std::int64_t>& values) {
  return onnx::tensor({.name = name,
                       .datatype = Datatype::kInt64,
                       .shape = shape,
                       .data = std::string(reinterpret_cast<const char*>(values.data()), values.size() * 8)});
}

// x [-1, -1] → y, through these nodes.
std::string file(const std::vector<std::string>& nodes, const std::vector<std::string>& weights = {}) {
  return onnx::file({.inputs = {onnx::value("x", Datatype::kFp32, {-1, -1})},
                     .outputs = {onnx::value("y", Datatype::kFp32, {-1, -1})},
                     .nodes = nodes,
                     .weights = weights});
}

// Does these nodes, from x to z, if x sums to 1, and doubles x otherwise.
std::string on_one(const std::vector<std::string>& nodes, std::vector<std::string> weights) {
  const auto branch = [](const std::vector<std::string>& inside) {
    return onnx::graph(
        {.inputs = {}, .outputs = {onnx::value("z", Datatype::kFp32, {-1, -1})}, .nodes = inside});
  };
  weights.push_back(onnx::tensor(testing::floats("one", {}, {1})));
  const std::string sum = onnx::node("ReduceSum", {"x"}, {"sum"}, {onnx::integer("keepdims", 0)});
  return file(
      {sum, onnx::node("Equal", {"sum", "one"}, {"attack"}),
       onnx::node("If", {"attack"}, {"y"},
                  {onnx::graph_attribute("then_branch", branch(nodes)),
                   onnx::graph_attribute("else_branch", branch({onnx::node("Add", {"x", "x"}, {"z"})}))})},
      weights);
}

// `from` → `to`, over and over.
std::string endless_loop(const std::string& from, const std::string& to) {
  const std::string body = onnx::graph(
      {.inputs = {onnx::value("i", Datatype::kInt64, {}), onnx::value("go", Datatype::kBool, {}),
                  onnx::value("before", Datatype::kFp32, {-1, -1})},
       .outputs = {onnx::value("goes", Datatype::kBool, {}), onnx::value("after", Datatype::kFp32, {-1, -1})},
       .nodes = {onnx::node("Identity", {"go"}, {"goes"}), onnx::node("Abs", {"before"}, {"after"})}});
  return onnx::node("Loop", {"always", "", from}, {to}, {onnx::graph_attribute("body", body)});
}

class OnnxAttack : public testing::Victim {
 protected:
  // The attack is found before the model serves; returns what the status says of it.
  static std::string refusal(const std::string& model, const std::string& reason) {
    const RealFront front(model);
    const auto now = front.await_phase("Failed");
    EXPECT_EQ(now["failure"]["class"], "Revision");
    EXPECT_EQ(now["failure"]["reason"], reason) << now["failure"];
    EXPECT_EQ(front.infer({1}).status, 503);
    EXPECT_THAT(now.dump(), Not(HasSubstr(kContent)));
    EXPECT_LT(now.dump().size(), 8192U);
    return now["failure"]["message"];
  }

  // A file whose weight is said to lie elsewhere.
  static std::string external(const std::string& location) {
    const std::string entry = onnx::field(1, std::string_view("location")) + onnx::field(2, location);
    return file({onnx::node("Add", {"x", "w"}, {"y"})},
                {onnx::tensor(testing::floats("w", {1, 16}, {})) + onnx::field(13, entry) +
                 onnx::field(14, std::uint64_t{1})});
  }
};

TEST_F(OnnxAttack, WeightsInAnotherFileAreNotRead) {
  const std::string here = std::filesystem::relative(victim()).string();
  for (const std::string& location :
       {victim(), here, "../../../../../.." + victim(), std::string("*/_ORT_MEM_ADDR_/*")}) {
    const std::string said = refusal(external(location), "UnsupportedFormat");
    EXPECT_THAT(said,
                HasSubstr("the tensor \"w\" elsewhere (external data, location \"" + location.substr(0, 8)));
  }
  expect_no_harm();
}

TEST_F(OnnxAttack, OperatorsThatLoadOtherFilesAreRefused) {
  const std::string context = onnx::field(1, std::string_view("ep_cache_context")) +
                              onnx::field(4, victim()) + onnx::field(20, std::uint64_t{3});
  EXPECT_THAT(
      refusal(file({onnx::node("EPContext", {"x"}, {"y"}, {context}, "com.microsoft")}), "UnsupportedFormat"),
      HasSubstr("the operator \"EPContext\" of the domain \"com.microsoft\""));
  EXPECT_THAT(refusal(file({onnx::node("Evil", {"x"}, {"y"}, {}, "custom.ops")}), "UnsupportedFormat"),
              HasSubstr("\"Evil\" of the domain \"custom.ops\""));
  expect_no_harm();
}

TEST_F(OnnxAttack, AWeightThatClaimsAYottabyteFailsTheRevision) {
  constexpr std::int64_t kMuch = std::int64_t{1} << 40;
  for (const std::vector<std::int64_t>& shape :
       {std::vector{kMuch, kMuch}, std::vector{kMuch}, std::vector{std::int64_t{-5}}}) {
    refusal(file({onnx::node("Cast", {"w"}, {"c"}, {onnx::integer("to", 1)}),
                  onnx::node("Add", {"x", "c"}, {"y"})},
                 {weight("w", shape, {1})}),
            "LoadFailed");
  }
}

TEST_F(OnnxAttack, AskingForFourTerabytesFailsTheRequest) {
  const RealFront front(on_one({onnx::node("Expand", {"x", "much"}, {"z"})},
                               {weight("much", {2}, {std::int64_t{1} << 20, std::int64_t{1} << 20})}),
                        {.data_bytes = 2ULL << 30});
  front.await_phase("Ready");
  const auto answer = front.infer({1});
  EXPECT_EQ(answer.status, 503) << answer.body;
  EXPECT_THAT(numbers(front.infer({3})), ElementsAre(6));
  EXPECT_EQ(front.status()["engine"]["restarts"], 0);
}

TEST_F(OnnxAttack, ALoopInARequestIsEndedByTheFrontsClock) {
  const RealFront front(on_one({endless_loop("x", "z")}, {weight("always", {}, {INT64_MAX})}),
                        {.request = std::chrono::seconds(2)});
  front.await_phase("Ready");
  EXPECT_EQ(front.infer({1}).status, 503);
  const auto now = front.await(
      [](const json& s) { return s["ready"] == true && s["engine"]["restarts"] == 1; }, "started again");
  EXPECT_EQ(now["engine"]["lastExit"], "an inference did not end within 2 s");
  EXPECT_THAT(numbers(front.infer({3})), ElementsAre(6));
}

TEST_F(OnnxAttack, ALoopInEveryAnswerIsEndedByTheFrontsClock) {
  const RealFront front(file({endless_loop("x", "y")}, {weight("always", {}, {INT64_MAX})}),
                        {.check = std::chrono::seconds(4)});
  EXPECT_EQ(front.await_phase("Failed")["failure"]["reason"], "CheckTimeout");
}

TEST_F(OnnxAttack, ACutOffFileFailsTheRevision) {
  const std::string whole =
      file({onnx::node("Add", {"x", "x"}, {"y"})}, {weight("w", {64}, std::vector<std::int64_t>(64))});
  EXPECT_THAT(refusal(whole.substr(0, whole.size() / 2), "UnsupportedFormat"),
              HasSubstr("damaged or cut off"));
  // Whole as a file, but a tensor of it lacks most of its numbers.
  EXPECT_THAT(refusal(file({onnx::node("Cast", {"w"}, {"c"}, {onnx::integer("to", 1)}),
                            onnx::node("Add", {"x", "c"}, {"y"})},
                           {weight("w", {64}, {1})}),
                      "LoadFailed"),
              HasSubstr("ONNX Runtime"));
}

TEST_F(OnnxAttack, TextOfAHundredMegabytesIsNotRepeated) {
  const std::string large(100 << 20, 'a');
  refusal(file({onnx::node(large, {"x"}, {"y"}, {}, large)}), "UnsupportedFormat");
  refusal(file({onnx::node(large, {"x"}, {"y"})}), "LoadFailed");
}

TEST_F(OnnxAttack, GraphsInGraphsWithoutEndFailTheRevision) {
  onnx::Parts parts{.inputs = {}, .outputs = {onnx::value("z", Datatype::kFp32, {-1, -1})}, .nodes = {}};
  for (int depth = 0; depth < 1000; ++depth) {
    const std::string inner = onnx::graph(parts);
    parts.nodes = {onnx::node("If", {"b"}, {"z"}, {onnx::graph_attribute("then_branch", inner)})};
  }
  EXPECT_THAT(refusal(file(parts.nodes), "UnsupportedFormat"), HasSubstr("damaged"));
}

}  // namespace
}  // namespace pilotlight::engine
