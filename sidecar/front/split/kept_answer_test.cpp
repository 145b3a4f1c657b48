#include "sidecar/front/split/kept_answer.h"

#include <gmock/gmock.h>

#include <array>
#include <format>

#include "sidecar/front/answer.h"
#include "sidecar/front/split/agreement.h"

namespace pilotlight::front {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::array<float, 4> kNumbers{1, 2, 3, 4};
const std::array<std::int64_t, 2> kShape{2, 2};

std::vector<OutputTensor> two_outputs() {
  return {{.name = "y",
           .datatype = wire::Datatype::kFp32,
           .shape = kShape,
           .bytes = std::as_bytes(std::span(kNumbers))},
          {.name = "n",
           .datatype = wire::Datatype::kInt64,
           .shape = std::span(kShape).first(1),
           .bytes = std::as_bytes(std::span(kShape))}};
}

http::Response response(std::string_view head, std::string_view binary) {
  return {.body = std::string(head) + std::string(binary),
          .fields = {{std::string(kJsonLength), std::to_string(head.size())}}};
}

std::string why(http::Response answer) {
  const auto read = KeptAnswer::read(std::move(answer));
  return read ? "read" : read.error();
}

TEST(KeptAnswer, IsWhatAFrontAnswersInBinary) {
  const auto outputs = two_outputs();
  const InferRequest request{.id = {}, .inputs = {}, .outputs = {}, .binary_default = true};
  const auto read = KeptAnswer::read(infer_answer(request, {.outputs = outputs}, "digits", "r2"));
  ASSERT_TRUE(read) << read.error();
  const auto got = read->outputs();
  ASSERT_EQ(got.size(), 2);
  EXPECT_EQ(got[0].name, "y");
  EXPECT_EQ(got[0].datatype, wire::Datatype::kFp32);
  EXPECT_THAT(got[0].shape, ElementsAre(2, 2));
  EXPECT_EQ(got[1].name, "n");
  EXPECT_TRUE(compare(outputs, got, {.absolute = 0, .relative = 0}).agreed);
}

TEST(KeptAnswer, OutlivesWhatItIsACopyOf) {
  auto numbers = kNumbers;
  std::vector<OutputTensor> outputs = two_outputs();
  outputs[0].bytes = std::as_bytes(std::span(numbers));
  const auto kept = KeptAnswer::copy_of(outputs);
  numbers.fill(0);
  EXPECT_TRUE(compare(two_outputs(), kept.outputs(), {.absolute = 0, .relative = 0}).agreed);
}

TEST(KeptAnswer, NothingInItIsBelieved) {
  const auto output = [](std::string_view rest) {
    return std::format(R"({{"outputs":[{{"name":"y","datatype":"FP32",{}}}]}})", rest);
  };
  const std::string good = output(R"("shape":[1,3])");
  const std::string bytes(12, '\0');
  EXPECT_EQ(why(response(good, bytes)), "read");
  EXPECT_EQ(why(response(R"({"outputs":[]})", "")), "read");
  const auto not_binary = HasSubstr("not JSON with binary tensors");
  EXPECT_THAT(why({.body = good}), not_binary);
  for (const char* length : {"", "x", "-1", "1x", "1000"}) {
    EXPECT_THAT(why({.body = good, .fields = {{std::string(kJsonLength), length}}}), not_binary) << length;
  }
  EXPECT_THAT(why(response(output(R"("shape":[1,3])") + std::string(70'000, ' '), bytes)), not_binary);
  for (const char* document : {"", "{", "[]", "7", R"({"outputs":{}})", R"({"error":"no"})"}) {
    EXPECT_THAT(why(response(document, bytes)), HasSubstr("no list of outputs")) << document;
  }
  std::string many = "0";
  for (int i = 0; i < 64; ++i) many += ",0";
  EXPECT_THAT(why(response(std::format(R"({{"outputs":[{}]}})", many), "")), HasSubstr("no list of outputs"));
  for (const char* shape :
       {R"("shape":3)", R"("shape":[-1])", R"("shape":[1.5])", R"("shape":["3"])",
        R"("shape":[18446744073709551615])", R"("shape":[1,1,1,1,1,1,1,1,3])", R"("x":0)"}) {
    EXPECT_THAT(why(response(output(shape), bytes)), HasSubstr("without name, datatype or shape")) << shape;
  }
  for (const char* head : {R"({"outputs":[{"name":1,"datatype":"FP32","shape":[3]}]})",
                           R"({"outputs":[{"name":"y","datatype":"FP31","shape":[3]}]})",
                           R"({"outputs":[{"name":"y","datatype":7,"shape":[3]}]})", R"({"outputs":[7]})"}) {
    EXPECT_THAT(why(response(head, bytes)), HasSubstr("without name, datatype or shape")) << head;
  }
  EXPECT_THAT(why(response(good, bytes.substr(1))), HasSubstr("bytes are not there"));
  EXPECT_THAT(why(response(output(R"("shape":[4611686018427387904,4])"), bytes)),
              HasSubstr("bytes are not there"));
  EXPECT_THAT(why(response(good, bytes + "x")), HasSubstr("something follows"));
}

}  // namespace
}  // namespace pilotlight::front
