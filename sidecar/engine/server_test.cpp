#include "sidecar/engine/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <torch/torch.h>

#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "sidecar/engine/tensors.h"
#include "sidecar/engine/testing/archives.h"
#include "sidecar/engine/testing/models.h"
#include "sidecar/engine/testing/scripted_device.h"
#include "sidecar/wire/datatype.h"
#include "sidecar/wire/packet.h"

namespace pilotlight::engine {
namespace {

using ::testing::ElementsAre;
using testing::model_of;
using wire::Status;

constexpr std::uint64_t kOutputs = 4096;

wire::Contract contract(const std::string& inputs, const std::string& outputs) {
  const auto document = nlohmann::json::parse(R"({"inputs": )" + inputs + R"(, "outputs": )" + outputs + "}");
  return wire::contract_from_json(document, false).value();
}

const wire::Contract& rows_of_two() {
  static const wire::Contract kRows = contract(R"([{"name": "x", "datatype": "FP32", "shape": [-1, 2]}])",
                                               R"([{"name": "y", "datatype": "FP32", "shape": [-1, 2]}])");
  return kRows;
}

// The front's side: writes inputs into the arena and reads outputs out of it.
class Caller {
 public:
  Caller(Model model, wire::Contract contract, wire::NonFinite non_finite = wire::NonFinite::kPass,
         Bundle bundle = {})
      : server_(std::move(model), std::move(contract),
                wire::Arena::map(wire::UniqueFd(::dup(arena_.fd()))).value(), std::move(bundle),
                {.non_finite = non_finite}) {}

  wire::Infer request(const std::vector<at::Tensor>& inputs) {
    wire::Infer infer{};
    infer.kind = wire::Kind::kInfer;
    infer.id = 7;
    infer.output_offset = kOutputs;
    infer.output_bytes = arena_.size() - kOutputs;
    std::uint64_t next = 0;
    for (const at::Tensor& input : inputs) {
      wire::Tensor& tensor = infer.tensors[infer.tensor_count++];
      tensor.datatype = datatype_of(input.scalar_type()).value();
      tensor.rank = static_cast<std::uint32_t>(input.dim());
      std::ranges::copy(input.sizes(), tensor.shape);
      tensor.offset = next;
      tensor.bytes = input.nbytes();
      copy_out(input, arena_.bytes().data() + next);
      next += tensor.bytes;
    }
    return infer;
  }

  wire::ParsedResult call(const std::vector<at::Tensor>& inputs) { return server_.answer(request(inputs)); }

  at::Tensor output(const wire::ParsedResult& answer, std::size_t index) {
    const wire::Tensor& tensor = answer.result.tensors[index];
    EXPECT_TRUE(wire::check_tensor(tensor, kOutputs, arena_.size() - kOutputs));
    return copy_in(tensor.datatype, wire::shape_of(tensor), arena_.bytes().data() + tensor.offset);
  }

  Server& server() { return server_; }
  wire::Arena& arena() { return arena_; }

 private:
  wire::Arena arena_ = wire::Arena::create(64 * 1024).value();
  Server server_;
};

Status status_of(const std::string& source, const wire::Contract& of, const at::Tensor& input,
                 wire::NonFinite non_finite = wire::NonFinite::kPass) {
  Caller caller(model_of(source), of, non_finite);
  const auto answer = caller.call({input});
  EXPECT_EQ(answer.result.tensor_count == 0, answer.result.status != Status::kOk);
  return answer.result.status;
}

TEST(Serving, AnswersWithWhatTheModelComputes) {
  Caller caller(model_of("def forward(self, x):\n    return x * 2\n"), rows_of_two());
  const at::Tensor input = torch::rand({3, 2});
  const auto answer = caller.call({input});
  ASSERT_EQ(answer.result.status, Status::kOk);
  EXPECT_EQ(answer.result.id, 7U);
  EXPECT_GT(answer.result.compute_ns, 0U);
  ASSERT_EQ(answer.result.tensor_count, 1U);
  EXPECT_TRUE(caller.output(answer, 0).equal(input * 2));
}

TEST(Serving, GivesNoAnswerOnceTheDeviceHasFailed) {
  testing::ScriptedDevice device;
  device.fails_at = 2;
  const auto file = testing::model_file("def forward(self, x):\n    return x * 2\n");
  Caller caller(Model::load(testing::bytes(file), ModelFormat::kTorchScript, {.device = &device}).value(),
                rows_of_two());
  const at::Tensor input = torch::rand({3, 2});
  EXPECT_EQ(caller.call({input}).result.status, Status::kOk);
  EXPECT_THROW(caller.call({input}), DeviceFailed);
}

TEST(Serving, CarriesEveryDatatypeUnchanged) {
  for (const wire::Datatype type : wire::all_datatypes()) {
    const std::string name(wire::datatype_name(type));
    const std::string spec = R"([{"name": "t", "datatype": ")" + name + R"(", "shape": [2]}])";
    Caller caller(model_of("def forward(self, x):\n    return x.clone()\n"), contract(spec, spec));
    const at::Tensor input = torch::tensor({1, 0}, at::kInt).to(scalar_type(type));
    const auto answer = caller.call({input});
    ASSERT_EQ(answer.result.status, Status::kOk) << name;
    EXPECT_TRUE(caller.output(answer, 0).equal(input)) << name;
  }
}

TEST(Serving, WritesOutputsRowMajorWhateverTheirStrides) {
  Caller caller(model_of("def forward(self, x):\n    return (x.t(), x.expand([2, 2, 2]), x[:, 1:2])\n"),
                contract(R"([{"name": "x", "datatype": "FP32", "shape": [2, 2]}])",
                         R"([{"name": "a"}, {"name": "b"}, {"name": "c"}])"));
  const at::Tensor input = torch::rand({2, 2});
  const auto answer = caller.call({input});
  ASSERT_EQ(answer.result.tensor_count, 3U);
  EXPECT_TRUE(caller.output(answer, 0).equal(input.t()));
  EXPECT_TRUE(caller.output(answer, 1).equal(input.expand({2, 2, 2})));
  EXPECT_TRUE(caller.output(answer, 2).equal(input.slice(1, 1, 2)));
}

TEST(Serving, AModelThatKeepsItsInputNeverSeesTheNextCallers) {
  Caller caller(
      model_of("def forward(self, x):\n    old = self.kept.clone()\n    self.kept = x\n    return old\n",
               {{"kept", torch::zeros({1, 2})}}),
      rows_of_two());
  caller.call({torch::full({1, 2}, 5.0F)});
  std::memset(caller.arena().bytes().data(), 0xff, kOutputs);
  const auto answer = caller.call({torch::full({1, 2}, 6.0F)});
  ASSERT_EQ(answer.result.status, Status::kOk);
  EXPECT_TRUE(caller.output(answer, 0).equal(torch::full({1, 2}, 5.0F)));
}

TEST(Serving, AModelThatThrowsIsAModelError) {
  EXPECT_EQ(status_of("def forward(self, x):\n    return x.view([7])\n", rows_of_two(), torch::ones({1, 2})),
            Status::kModelError);
  EXPECT_EQ(status_of("def forward(self, x):\n    assert 1 == 2, 'no'\n    return x\n", rows_of_two(),
                      torch::ones({1, 2})),
            Status::kModelError);
}

TEST(Serving, RunningOutOfMemoryIsToldApart) {
  EXPECT_EQ(status_of("def forward(self, x):\n    return torch.zeros([1000000, 1000000, 100])\n",
                      rows_of_two(), torch::ones({1, 2})),
            Status::kOutOfMemory);
}

TEST(Serving, OutputsThatDoNotFitAreTooLarge) {
  Caller caller(model_of("def forward(self, x):\n    return x * 2\n"), rows_of_two());
  wire::Infer infer = caller.request({torch::ones({2, 2})});
  infer.output_bytes = 15;
  EXPECT_EQ(caller.server().answer(infer).result.status, Status::kOutputTooLarge);
  infer.output_bytes = 16;
  EXPECT_EQ(caller.server().answer(infer).result.status, Status::kOk);
}

TEST(Serving, OutputsThatBreakTheContractAreNotPassedOn) {
  const at::Tensor input = torch::ones({2, 2});
  const auto broken = [&](const std::string& source) { return status_of(source, rows_of_two(), input); };
  EXPECT_EQ(broken("def forward(self, x):\n    return x.to(7)\n"), Status::kContractBroken);
  EXPECT_EQ(broken("def forward(self, x):\n    return x[:, :1]\n"), Status::kContractBroken);
  EXPECT_EQ(broken("def forward(self, x):\n    return x[:1]\n"), Status::kContractBroken);
  EXPECT_EQ(broken("def forward(self, x):\n    return (x, x)\n"), Status::kContractBroken);
  EXPECT_EQ(broken("def forward(self, x):\n    return x.to_sparse()\n"), Status::kContractBroken);
  EXPECT_EQ(broken("def forward(self, x):\n    return torch.complex(x, x)\n"), Status::kContractBroken);
}

TEST(Serving, NaNPassesUnlessItIsToBeRefused) {
  const std::string source = "def forward(self, x):\n    return torch.log(-x)\n";
  EXPECT_EQ(status_of(source, rows_of_two(), torch::ones({1, 2})), Status::kOk);
  EXPECT_EQ(status_of(source, rows_of_two(), torch::ones({1, 2}), wire::NonFinite::kRefuse),
            Status::kNonFinite);
  EXPECT_EQ(status_of("def forward(self, x):\n    return x\n", rows_of_two(), torch::ones({1, 2}),
                      wire::NonFinite::kRefuse),
            Status::kOk);
}

TEST(Serving, ABareModelsDictionaryBringsItsNames) {
  Caller caller(model_of("def forward(self, x):\n    return {'boxes': x, 'scores': x + 1}\n"),
                contract(R"([{"name": "x"}])", "[]"));
  const auto answer = caller.call({torch::ones({2})});
  ASSERT_EQ(answer.result.status, Status::kOk);
  EXPECT_THAT(answer.names, ElementsAre("boxes", "scores"));
  EXPECT_TRUE(caller.output(answer, 1).equal(torch::full({2}, 2.0F)));
}

TEST(Serving, DescriptorsThatLieAreRefusedAndTheEngineLives) {
  Caller caller(model_of("def forward(self, x):\n    return x * 2\n"), rows_of_two());
  const auto with = [&caller](const auto& change) {
    wire::Infer infer = caller.request({torch::ones({1, 2})});
    change(infer);
    return caller.server().answer(infer).result.status;
  };
  EXPECT_EQ(with([](wire::Infer&) {}), Status::kOk);
  EXPECT_EQ(with([](wire::Infer& i) { i.tensors[0].offset = 64 * 1024; }), Status::kModelError);
  EXPECT_EQ(with([](wire::Infer& i) { i.tensors[0].offset = std::numeric_limits<std::uint64_t>::max() - 3; }),
            Status::kModelError);
  EXPECT_EQ(with([](wire::Infer& i) { i.tensors[0].bytes = 1 << 20; }), Status::kModelError);
  EXPECT_EQ(with([](wire::Infer& i) { i.tensors[0].shape[0] = 1LL << 40; }), Status::kModelError);
  EXPECT_EQ(with([](wire::Infer& i) { i.tensors[0].datatype = wire::Datatype::kInt32; }),
            Status::kModelError);
  EXPECT_EQ(with([](wire::Infer& i) { i.tensor_count = 0; }), Status::kModelError);
  EXPECT_EQ(with([](wire::Infer& i) { i.output_offset = 1 << 20; }), Status::kModelError);
  EXPECT_EQ(with([](wire::Infer& i) { i.output_bytes = std::numeric_limits<std::uint64_t>::max(); }),
            Status::kModelError);
}

TEST(Serving, EndsWhenTheFrontClosesItsEnd) {
  Caller caller(model_of("def forward(self, x):\n    return x * 2\n"), rows_of_two());
  auto pair = wire::socket_pair().value();
  ASSERT_TRUE(wire::send_packet(pair.first.get(), wire::infer_bytes(caller.request({torch::ones({1, 2})}))));
  ::shutdown(pair.first.get(), SHUT_WR);
  EXPECT_EQ(caller.server().run(pair.second.get()), Server::End::kClosed);
  std::vector<std::byte> buffer(wire::kMaxPacketBytes);
  const auto received = wire::receive_packet(pair.first.get(), buffer);
  ASSERT_TRUE(received);
  const auto answer = wire::parse_result(std::span(buffer).first(received->bytes));
  ASSERT_TRUE(answer) << answer.error();
  EXPECT_EQ(answer->result.status, Status::kOk);
}

TEST(Serving, EndsWhenTheFrontSpeaksNonsense) {
  Caller caller(model_of("def forward(self, x):\n    return x * 2\n"), rows_of_two());
  auto pair = wire::socket_pair().value();
  ASSERT_TRUE(wire::send_json(pair.first.get(), wire::Kind::kLoad, nlohmann::json::object()));
  EXPECT_EQ(caller.server().run(pair.second.get()), Server::End::kBroken);
}

}  // namespace
}  // namespace pilotlight::engine
