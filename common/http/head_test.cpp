#include "common/http/head.h"

#include <gtest/gtest.h>

namespace pilotlight::http {
namespace {

unsigned status_of(std::string_view head) {
  const auto scan = scan_head(head, Limits{});
  return scan.rejected ? scan.rejected->status : 0;
}

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

TEST(HeadScan, PassesAPlainRequestAndSaysWhereItEnds) {
  EXPECT_EQ(scan_head(kGet, {}).length, kGet.size());
  EXPECT_EQ(scan_head(std::string(kGet) + "next", {}).length, kGet.size());
  EXPECT_EQ(scan_head("GET / HTTP/1.0\r\n\r\n", {}).length, 18);
}

TEST(HeadScan, WaitsForMoreAtEveryCutOfAGoodHead) {
  for (std::size_t cut = 0; cut < kGet.size(); ++cut) {
    const auto scan = scan_head(kGet.substr(0, cut), {});
    EXPECT_FALSE(scan.rejected) << cut;
    EXPECT_EQ(scan.length, 0) << cut;
  }
}

struct Row {
  std::string_view name;
  std::string head;
  unsigned status;
};

class HeadScanRefuses : public testing::TestWithParam<Row> {};

TEST_P(HeadScanRefuses, WithTheRightStatus) {
  EXPECT_EQ(status_of(GetParam().head), GetParam().status);
}

const std::string kStart = "POST / HTTP/1.1\r\nHost: h\r\n";

INSTANTIATE_TEST_SUITE_P(
    Rows, HeadScanRefuses,
    testing::Values(
        Row{"BareLf", "GET / HTTP/1.1\nHost: h\n\n", 400},
        Row{"BareLfBeforeTheEmptyLine", "GET / HTTP/1.1\r\nHost: h\r\n\n", 400},
        Row{"LoneCrInAValue", "GET / HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n", 400},
        Row{"FoldedLine", "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n", 400},
        Row{"SpaceBeforeTheColon", "GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400},
        Row{"NoColon", "GET / HTTP/1.1\r\nHost: h\r\nabc\r\n\r\n", 400},
        Row{"EmptyName", "GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n", 400},
        Row{"NulInAValue", std::string("GET / HTTP/1.1\r\nHost: h\r\nA: b") + '\0' + "\r\n\r\n", 400},
        Row{"ControlCharacterInTheTarget", "GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        Row{"ThreeSpaces", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400}, Row{"NoVersion", "GET /\r\n\r\n", 400},
        Row{"NewerVersion", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505},
        Row{"LowercaseVersion", "GET / http/1.1\r\nHost: h\r\n\r\n", 400},
        Row{"NoHost", "GET / HTTP/1.1\r\n\r\n", 400},
        Row{"TwoHosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        Row{"NoContentLength", kStart + "\r\n", 400},
        Row{"TwoContentLengths", kStart + "Content-Length: 1\r\ncontent-length: 1\r\n\r\n", 400},
        Row{"ContentLengthList", kStart + "Content-Length: 1, 1\r\n\r\n", 400},
        Row{"ContentLengthSigned", kStart + "Content-Length: +1\r\n\r\n", 400},
        Row{"ContentLengthNegative", kStart + "Content-Length: -1\r\n\r\n", 400},
        Row{"ContentLengthHex", kStart + "Content-Length: 0x10\r\n\r\n", 400},
        Row{"ContentLengthEmpty", kStart + "Content-Length: \r\n\r\n", 400},
        Row{"ContentLengthBeyondAnyInteger", kStart + "Content-Length: 99999999999999999999\r\n\r\n", 400},
        Row{"LengthAndEncoding", kStart + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        Row{"Chunked", kStart + "Transfer-Encoding: chunked\r\n\r\n", 411},
        Row{"LongTarget", "GET /" + std::string(2048, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n", 414},
        Row{"EndlessTarget", "GET /" + std::string(3000, 'a'), 414},
        Row{"LongField", "GET / HTTP/1.1\r\nHost: h\r\nA: " + std::string(8200, 'a') + "\r\n\r\n", 431},
        Row{"EndlessField", "GET / HTTP/1.1\r\nHost: h\r\nA: " + std::string(8200, 'a'), 431},
        Row{"LongHead",
            "GET / HTTP/1.1\r\nHost: h\r\nA: " + std::string(8000, 'a') + "\r\nB: " + std::string(8000, 'a') +
                "\r\nC: " + std::string(1000, 'a') + "\r\n\r\n",
            431}),
    [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace pilotlight::http
