#include "sidecar/engine/signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sidecar/engine/testing/models.h"

namespace pilotlight::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::load_source;

Signature signature_of(const std::string& source) {
  auto model = load_source(source);
  EXPECT_TRUE(model) << model.error().message;
  return model ? model->signature() : Signature{};
}

Fault signature_fault_of(const std::string& source) {
  const auto model = load_source(source);
  return model ? Fault{} : model.error();
}

TEST(SignatureOf, ForwardNamesItsTensors) {
  const auto signature = signature_of("def forward(self, image, mask):\n    return image * mask\n");
  EXPECT_THAT(signature.required, ElementsAre("image", "mask"));
  EXPECT_EQ(signature.most, 2U);
  EXPECT_TRUE(signature.names_outputs);
  EXPECT_EQ(signature.outputs, 1U);
}

TEST(SignatureOf, ForwardMayHaveOptionalArguments) {
  const auto signature = signature_of(
      "def forward(self, x, mask: Optional[Tensor]=None, scale: float=1.0):\n    return x * scale\n");
  EXPECT_THAT(signature.required, ElementsAre("x"));
  EXPECT_EQ(signature.most, 2U);
}

TEST(SignatureOf, ForwardReturnsTensorsOfAnyNumber) {
  EXPECT_EQ(signature_of("def forward(self, x):\n    return (x, x, x)\n").outputs, 3U);
  EXPECT_FALSE(signature_of("def forward(self, x):\n    return [x]\n").names_outputs);
  EXPECT_FALSE(signature_of("def forward(self, x):\n    return {'a': x}\n").names_outputs);
}

TEST(SignatureOf, ArgumentsThatAreNoTensorsAreNamedWithTheirType) {
  const auto fault = signature_fault_of("def forward(self, x, scale: float):\n    return x * scale\n");
  EXPECT_EQ(fault.reason, "UnsupportedSignature");
  EXPECT_THAT(fault.message, HasSubstr("argument \"scale\" is of type float"));
  EXPECT_THAT(signature_fault_of("def forward(self, xs: List[Tensor]):\n    return xs[0]\n").message,
              HasSubstr("\"xs\" is of type List[Tensor]"));
  EXPECT_THAT(signature_fault_of("def forward(self, x: Tuple[Tensor, Tensor]):\n    return x[0]\n").message,
              HasSubstr("\"x\" is of type Tuple[Tensor, Tensor]"));
  EXPECT_THAT(signature_fault_of("def forward(self, name: str):\n    return torch.ones([1])\n").message,
              HasSubstr("\"name\" is of type str"));
}

TEST(SignatureOf, ReturnsThatAreNoTensorsAreNamed) {
  EXPECT_THAT(signature_fault_of("def forward(self, x):\n    return 1.5\n").message,
              HasSubstr("returns float"));
  EXPECT_THAT(signature_fault_of("def forward(self, x):\n    return (x, 1)\n").message,
              HasSubstr("returns Tuple[Tensor, int]"));
  EXPECT_EQ(signature_fault_of("def forward(self, x):\n    return {1: x}\n").reason, "UnsupportedSignature");
  EXPECT_EQ(signature_fault_of("def forward(self):\n    return torch.ones([1])\n").message,
            "forward takes no tensors");
}

TEST(SignatureOf, ModulesWithoutForwardAreRefused) {
  EXPECT_EQ(signature_fault_of("def predict(self, x):\n    return x\n").message,
            "the module has no forward method");
}

TEST(OpenContract, NamesWhatTheSchemaNames) {
  const auto one = open_contract(signature_of("def forward(self, x, y):\n    return (x, y)\n"));
  ASSERT_EQ(one.inputs.size(), 2U);
  EXPECT_EQ(one.inputs[1].name, "y");
  EXPECT_FALSE(one.inputs[1].datatype);
  EXPECT_FALSE(one.inputs[1].shape);
  ASSERT_EQ(one.outputs.size(), 2U);
  EXPECT_EQ(one.outputs[1].name, "output_1");
  EXPECT_TRUE(open_contract(signature_of("def forward(self, x):\n    return {'a': x}\n")).outputs.empty());
}

TEST(CheckSignature, CountsInputsAndOutputs) {
  const auto signature = signature_of("def forward(self, x, y):\n    return (x, y)\n");
  wire::Contract contract = open_contract(signature);
  EXPECT_TRUE(check_signature(signature, contract));
  contract.inputs.pop_back();
  EXPECT_THAT(check_signature(signature, contract).error().message,
              HasSubstr("the contract has 1 inputs; forward takes 2 (x, y)"));
  contract = open_contract(signature);
  contract.outputs.pop_back();
  EXPECT_THAT(check_signature(signature, contract).error().message,
              HasSubstr("the contract has 1 outputs; forward returns 2"));
}

}  // namespace
}  // namespace pilotlight::engine
