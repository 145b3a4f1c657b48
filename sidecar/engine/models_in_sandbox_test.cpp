// Models of every usual kind, in the real program: they answer inside the sandbox as they do outside.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/frontend/resolver.h>
#include <torch/csrc/jit/frontend/sugared_value.h>
#include <torch/torch.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <ostream>
#include <sstream>

#include "sidecar/engine/testing/engine_process.h"
#include "sidecar/engine/testing/models.h"
#include "sidecar/engine/testing/onnx.h"

namespace pilotlight::engine {
namespace {

using nlohmann::json;
using testing::EngineProcess;
using testing::model_file;

using Parameters = std::vector<std::pair<std::string, at::Tensor>>;

struct Kind {
  const char* name;
  std::string source;  // forward(x), of x [1, n]
  std::function<Parameters()> parameters = [] { return Parameters(); };
  std::vector<std::int64_t> lengths = {16};  // n
  double tolerance = 1e-4;
  std::string onnx = {};  // an ONNX file instead of `source`

  [[nodiscard]] ModelFormat format() const {
    return onnx.empty() ? ModelFormat::kTorchScript : ModelFormat::kOnnx;
  }
};

void PrintTo(const Kind& kind, std::ostream* out) {
  *out << kind.name;
}

at::Tensor small(at::IntArrayRef shape) {
  return torch::randn(shape) * 0.2;
}

std::vector<Kind> kinds() {
  return {
      {.name = "Convolutions",
       .source = "def forward(self, x):\n"
                 "    y = x.view(-1, 3, 16, 16)\n"
                 "    y = torch.relu(torch.conv2d(y, self.a, None, [1, 1], [1, 1]))\n"
                 "    y = torch.max_pool2d(y, [2, 2])\n"
                 "    y = torch.relu(torch.conv2d(y, self.b, None, [2, 2], [1, 1]))\n"
                 "    return torch.flatten(y, 1).matmul(self.c)\n",
       .parameters =
           [] {
             return Parameters{
                 {"a", small({32, 3, 3, 3})}, {"b", small({64, 32, 3, 3})}, {"c", small({1024, 10})}};
           },
       // Batches of 1, 3, 8, 5, 1: new machine code for each, and teams of threads of each size.
       .lengths = {768, 2304, 6144, 3840, 768}},
      {.name = "Attention",
       .source = "def forward(self, x):\n"
                 "    y = x.view(1, 4, -1, 32)\n"
                 "    return torch.scaled_dot_product_attention(y, y, y).flatten(1)\n",
       .lengths = {4096, 8192, 16384}},
      {.name = "LongShortTermMemory",
       .source = "def forward(self, x):\n"
                 "    h = torch.zeros([1, 1, 24])\n"
                 "    y, h2, c = torch.lstm(x.view(1, -1, 8), [h, h], [self.wi, self.wh, self.bi, self.bh],\n"
                 "                          True, 1, 0., False, False, True)\n"
                 "    return y.flatten(1)\n",
       .parameters =
           [] {
             return Parameters{
                 {"wi", small({96, 8})}, {"wh", small({96, 24})}, {"bi", small({96})}, {"bh", small({96})}};
           },
       .lengths = {80, 160}},
      {.name = "TransformerEncoder",
       .source = "def forward(self, x):\n"
                 "    y = x.view(1, -1, 64)\n"
                 "    q, k, v = torch.chunk(torch.matmul(y, self.qkv), 3, -1)\n"
                 "    a = torch.scaled_dot_product_attention(q.view(1, -1, 4, 16).transpose(1, 2),\n"
                 "                                           k.view(1, -1, 4, 16).transpose(1, 2),\n"
                 "                                           v.view(1, -1, 4, 16).transpose(1, 2))\n"
                 "    y = torch.layer_norm(y + a.transpose(1, 2).reshape(1, -1, 64), [64])\n"
                 "    z = torch.matmul(torch.gelu(torch.matmul(y, self.up)), self.down)\n"
                 "    return torch.layer_norm(y + z, [64]).flatten(1)\n",
       .parameters =
           [] {
             return Parameters{
                 {"qkv", small({64, 192})}, {"up", small({64, 256})}, {"down", small({256, 64})}};
           },
       .lengths = {640, 1280}},
      {.name = "ReducedPrecision",
       .source = "def forward(self, x):\n"
                 "    y = x.view(1, 1, 16, 16)\n"
                 "    d = torch.conv2d(y.to(7), self.w.to(7)).to(6)\n"
                 "    b = torch.conv2d(y.to(15), self.w.to(15)).to(6)\n"
                 "    m = y.view(16, 16).to(15)\n"
                 "    h = y.view(16, 16).to(5)\n"
                 "    return (d + b).flatten(1).sum() + (m.matmul(m).to(6) + "
                 "h.matmul(h).to(6)).flatten().unsqueeze(0)\n",
       .parameters = [] { return Parameters{{"w", small({4, 1, 3, 3})}}; },
       .lengths = {256},
       .tolerance = 5e-2},
      {.name = "Pointwise",
       .source = "def forward(self, x):\n"
                 "    return torch.sigmoid(x) * torch.tanh(x) + torch.exp(-x * x) / (x.abs() + 1)\n",
       .lengths = {16, 16, 16, 16, 5000, 5000}},
      {.name = "TransformsAndFactors",
       .source = "def forward(self, x):\n"
                 "    m = x.view(16, 16)\n"
                 "    f = torch.fft_rfft(x).abs().sum()\n"
                 "    s = torch.linalg_svdvals(m).sum()\n"
                 "    i = torch.linalg_solve(m + torch.eye(16) * 20, m)\n"
                 "    return torch.sort(i.flatten())[0].unsqueeze(0) + f + s\n",
       .lengths = {256},
       .tolerance = 1e-2},
      {.name = "LargeAllocations",
       .source = "def forward(self, x):\n"
                 "    total = x.sum() * 0\n"
                 "    for i in range(4):\n"
                 "        total = total + (torch.ones([32, 1024, 1024]) * i).sum() / 1000000\n"
                 "    return total + x\n",
       .lengths = {16, 16}},
      {.name = "Quantized",
       .source = "def forward(self, x):\n"
                 "    q = torch.quantize_per_tensor(x.view(1, 1, 16, 16), 0.1, 10, 13)\n"
                 "    return torch.dequantize(torch.max_pool2d(q, [2, 2])).flatten(1)\n",
       .lengths = {256},
       .tolerance = 0.11},
  };
}

namespace onnx = testing::onnx;

std::string weight(const std::string& name, const at::Tensor& value) {
  return onnx::tensor(testing::plain(name, value));
}

std::string numbers(const std::string& name, const std::vector<std::int64_t>& values) {
  return weight(name, torch::tensor(values, at::kLong));
}

// FP32 x [1, n] → y, through these nodes.
std::string graph(const std::vector<std::string>& nodes, const std::vector<std::string>& weights) {
  return onnx::file({.inputs = {onnx::value("x", wire::Datatype::kFp32, {1, -1})},
                     .outputs = {onnx::value("y", wire::Datatype::kFp32, {-1, -1})},
                     .nodes = nodes,
                     .weights = weights});
}

std::vector<Kind> onnx_kinds() {
  torch::manual_seed(2);
  const auto node = [](const char* type, const std::vector<std::string>& inputs, const char* output,
                       const std::vector<std::string>& attributes = {}) {
    return onnx::node(type, inputs, {output}, attributes);
  };
  const std::string body = onnx::graph(
      {.inputs = {onnx::value("i", wire::Datatype::kInt64, {}), onnx::value("go", wire::Datatype::kBool, {}),
                  onnx::value("before", wire::Datatype::kFp32, {-1, -1})},
       .outputs = {onnx::value("goes", wire::Datatype::kBool, {}),
                   onnx::value("after", wire::Datatype::kFp32, {-1, -1})},
       .nodes = {node("Identity", {"go"}, "goes"), node("Add", {"before", "before"}, "after")}});
  return {
      {.name = "OnnxConvolutions",
       .lengths = {768, 2304, 6144, 3840, 768},
       .onnx = graph({node("Reshape", {"x", "images"}, "image"), node("Conv", {"image", "a"}, "p"),
                      node("Relu", {"p"}, "q"), node("Conv", {"q", "b"}, "r"), node("Relu", {"r"}, "s"),
                      node("GlobalAveragePool", {"s"}, "t"), node("Flatten", {"t"}, "y")},
                     {numbers("images", {-1, 3, 16, 16}), weight("a", small({32, 3, 3, 3})),
                      weight("b", small({64, 32, 3, 3}))})},
      {.name = "OnnxAttention",
       .lengths = {4096, 8192, 16384},
       .onnx = graph({node("Reshape", {"x", "rows"}, "q"), node("Transpose", {"q"}, "k"),
                      node("MatMul", {"q", "k"}, "scores"), node("Softmax", {"scores"}, "p"),
                      node("MatMul", {"p", "q"}, "y")},
                     {numbers("rows", {-1, 32})})},
      {.name = "OnnxLongShortTermMemory",
       .lengths = {80, 160},
       .onnx = graph({node("Reshape", {"x", "steps"}, "s"),
                      node("LSTM", {"s", "w", "r"}, "h", {onnx::integer("hidden_size", 24)}),
                      node("Reshape", {"h", "flat"}, "y")},
                     {numbers("steps", {-1, 1, 8}), numbers("flat", {1, -1}), weight("w", small({1, 96, 8})),
                      weight("r", small({1, 96, 24}))})},
      {.name = "OnnxReducedPrecision",
       .lengths = {256},
       .tolerance = 5e-2,
       .onnx =
           graph({node("Reshape", {"x", "square"}, "m"), node("Cast", {"m"}, "h", {onnx::integer("to", 10)}),
                  node("MatMul", {"h", "h"}, "hh"), node("Cast", {"hh"}, "y", {onnx::integer("to", 1)})},
                 {numbers("square", {16, 16})})},
      {.name = "OnnxQuantized",
       .lengths = {256},
       .tolerance = 0.2,
       .onnx =
           graph({node("Reshape", {"x", "square"}, "m"), node("QuantizeLinear", {"m", "scale", "zero"}, "q"),
                  node("MatMulInteger", {"q", "q", "zero", "zero"}, "i"),
                  node("Cast", {"i"}, "y", {onnx::integer("to", 1)})},
                 {numbers("square", {16, 16}), weight("scale", torch::tensor(0.1F)),
                  weight("zero", torch::tensor(128, at::kByte))})},
      {.name = "OnnxLoop",
       .lengths = {16, 5000},
       .onnx = graph({onnx::node("Loop", {"five", "go", "x"}, {"y"}, {onnx::graph_attribute("body", body)})},
                     {weight("five", torch::tensor(std::int64_t{5})), weight("go", torch::tensor(true))})},
      {.name = "OnnxLargeAllocations",
       .lengths = {16, 16},
       .onnx = graph(
           {node("Expand", {"one", "large"}, "l"), node("ReduceMean", {"l"}, "m"),
            node("Reshape", {"m", "flat"}, "n"), node("Add", {"x", "n"}, "y")},
           {weight("one", torch::ones({1, 1})), numbers("large", {16384, 4096}), numbers("flat", {1, 1})})},
  };
}

class ModelsInSandbox : public ::testing::TestWithParam<Kind> {
 protected:
  // In `threads` threads, and each length several times: LibTorch optimises at the second and third.
  static void expect_the_same_answers(int threads) {
    const Kind& kind = GetParam();
    torch::manual_seed(1);
    const std::string file = kind.onnx.empty() ? model_file(kind.source, kind.parameters()) : kind.onnx;
    auto outside = Model::load(testing::bytes(file), kind.format()).value();
    EngineProcess engine({"--threads=" + std::to_string(threads), "serve"});
    engine.load(file, json::object(), true);
    const auto [verdict, document] = engine.verdict();
    ASSERT_EQ(verdict, wire::Kind::kLoaded) << document;
    EXPECT_EQ(document.at("proof").at("runtime").at("threads"), threads);
    for (const std::int64_t length : kind.lengths) {
      const at::Tensor x = torch::rand({1, length}) * 2 - 1;
      const std::vector<float> values(x.data_ptr<float>(), x.data_ptr<float>() + length);
      const auto expected = outside.run({x});
      ASSERT_TRUE(expected) << expected.error().reason;
      for (int again = 0; again < 4; ++again) {
        std::vector<float> answer;
        ASSERT_EQ(engine.infer(values, &answer), wire::Status::kOk) << engine.last;
        EXPECT_TRUE(torch::allclose(torch::tensor(answer), expected->tensors[0].flatten(), kind.tolerance,
                                    kind.tolerance));
      }
    }
    engine.close();
    EXPECT_EQ(engine.end(), 0);
  }
};

TEST_P(ModelsInSandbox, AnswerInTwoThreads) {
  expect_the_same_answers(2);
}

TEST_P(ModelsInSandbox, AnswerInFourThreads) {
  expect_the_same_answers(4);
}

INSTANTIATE_TEST_SUITE_P(Kinds, ModelsInSandbox, ::testing::ValuesIn(kinds()),
                         [](const auto& kind) { return std::string(kind.param.name); });
INSTANTIATE_TEST_SUITE_P(OnnxKinds, ModelsInSandbox, ::testing::ValuesIn(onnx_kinds()),
                         [](const auto& kind) { return std::string(kind.param.name); });

// What the sandbox must not turn into a crash.

class Servant {
 public:
  explicit Servant(const std::string& source) : engine({"--threads=2", "serve"}) {
    engine.load(model_file(source), json::object(), true);
    EXPECT_EQ(engine.verdict().first, wire::Kind::kLoaded);
  }
  wire::Status infer(float value) {
    float ignored = 0;
    return engine.infer(value, &ignored);
  }
  EngineProcess engine;
};

TEST(InSandbox, AModelThatThrowsIsAnErrorAndServesOn) {
  Servant servant("def forward(self, x):\n    assert bool(x[0, 0] < 5), 'too large'\n    return x.view(1)\n");
  for (int again = 0; again < 4; ++again) {
    EXPECT_EQ(servant.infer(7), wire::Status::kModelError);
    EXPECT_EQ(servant.infer(1), wire::Status::kOk);
  }
}

// Knows `fork`, which Python's front end calls torch.jit.fork.
struct WithFork : torch::jit::NativeResolver {
  std::shared_ptr<torch::jit::SugaredValue> resolveValue(const std::string& name,
                                                         torch::jit::GraphFunction& function,
                                                         const torch::jit::SourceRange& where) override {
    if (name == "fork") return torch::jit::SpecialFormValue::create(torch::jit::prim::fork);
    return NativeResolver::resolveValue(name, function, where);
  }
};

TEST(InSandbox, TheModelsOwnForksRunInTheThreadThatIsThere) {
  torch::jit::Module module("test");
  module.register_attribute("training", c10::BoolType::get(), true);
  module.define(
      "def branch(self, x):\n    return x * 3\n"
      "def forward(self, x):\n    return torch.wait(fork(self.branch, x))\n",
      std::make_shared<WithFork>());
  std::ostringstream file;
  module.save(file);
  EngineProcess engine({"--threads=2", "serve"});
  engine.load(file.str(), json::object(), true);
  ASSERT_EQ(engine.verdict().first, wire::Kind::kLoaded);
  for (int again = 0; again < 4; ++again) {
    float answer = 0;
    EXPECT_EQ(engine.infer(2, &answer), wire::Status::kOk);
    EXPECT_EQ(answer, 6);
  }
}

TEST(InSandbox, RandomNumbersAreThere) {
  Servant servant(
      "def forward(self, x):\n"
      "    return torch.dropout(torch.rand_like(x) + x, 0.5, False) + torch.randn([1, 1]) + torch.normal(x, "
      "x.abs())\n");
  EXPECT_EQ(servant.infer(1), wire::Status::kOk);
}

}  // namespace
}  // namespace pilotlight::engine
