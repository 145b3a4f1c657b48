#include "common/dsse/dsse.h"

#include <gtest/gtest.h>

#include <array>
#include <nlohmann/json.hpp>

namespace pilotlight::dsse {
namespace {

using nlohmann::json;

// The example of DSSE's protocol.md.
TEST(Dsse, SignsTypeAndPayloadWithTheirLengths) {
  EXPECT_EQ(PreAuthenticationEncoding("http://example.com/HelloWorld", "hello world"),
            "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
  EXPECT_EQ(PreAuthenticationEncoding("", ""), "DSSEv1 0  0 ");
}

TEST(Dsse, AnEnvelopeHoldsThePayloadAndEachSignatureInBase64) {
  const std::array<std::string, 2> signatures{"a", std::string("\xff\x00\xfe", 3)};
  EXPECT_EQ(json::parse(Envelope("t/x", "hello world", signatures)),
            json::parse(R"({"payloadType": "t/x", "payload": "aGVsbG8gd29ybGQ=",
                            "signatures": [{"sig": "YQ=="}, {"sig": "/wD+"}]})"));
  EXPECT_EQ(json::parse(Envelope("t", "p", signatures, "hint"))["signatures"][1]["keyid"], "hint");
}

}  // namespace
}  // namespace pilotlight::dsse
