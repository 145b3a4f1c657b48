#include "sidecar/front/split/document.h"

#include <gmock/gmock.h>

#include <format>
#include <nlohmann/json.hpp>

namespace pilotlight::front {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

const std::string kA = "sha256:" + std::string(64, 'a');
const std::string kB = "sha256:" + std::string(64, 'b');

json peer(const std::string& uid, const std::string& ip = "10.0.0.7") {
  return {{"podUID", uid}, {"ip", ip}, {"revision", "r2"}, {"certificate", kA}};
}

json good() {
  return {{"weight", 12.5},
          {"salt", "attempt-1"},
          {"stableIsFull", true},
          {"expiresAt", "2026-11-26T02:05:00Z"},
          {"peers", {peer("p1"), peer("p2", "fd00::7")}},
          {"callers", {kB, kA}}};
}

std::string why(const std::function<void(json&)>& change, bool loopback = false) {
  auto body = good();
  change(body);
  const auto split = parse_split(body, "r1", loopback);
  return split ? "accepted" : split.error();
}

std::string of_address(const std::string& ip, bool loopback = false) {
  return why([&](json& b) { b["peers"][0]["ip"] = ip; }, loopback);
}

TEST(SplitDocument, IsReadWithItsDefaults) {
  const auto split = parse_split(good(), "r1", false);
  ASSERT_TRUE(split) << split.error();
  EXPECT_EQ(split->hundredths, 1250);
  EXPECT_EQ(split->salt, "attempt-1");
  EXPECT_EQ(split->sticky_header, "");
  EXPECT_EQ(split->id, "");
  EXPECT_EQ(split->segment, "");
  EXPECT_EQ(split->latency_threshold.count(), 0);
  EXPECT_FALSE(split->mirror);
  EXPECT_TRUE(split->fallback);
  EXPECT_EQ(split->hold_bytes, 1024 * 1024);
  EXPECT_EQ(split->hop_timeout.count(), 5);
  EXPECT_FALSE(split->allow_revision_header);
  EXPECT_TRUE(split->stable_is_full);
  EXPECT_EQ(split->revision, "r2");
  ASSERT_EQ(split->peers.size(), 2);
  EXPECT_EQ(split->peers[1].ip.to_string(), "fd00::7");
  EXPECT_EQ(fingerprint_text(split->peers[0].certificate), kA);
  EXPECT_EQ(fingerprint_text(split->callers[0]), kA) << "in order";
}

TEST(SplitDocument, IsReadWithAllThatItMaySay) {
  auto body = good();
  body["sticky"] = {{"header", "x-session-id"}};
  body["fallback"] = "Off";
  body["holdBytes"] = 0U;
  body["hopTimeoutSeconds"] = 0.25;
  body["allowRevisionHeader"] = true;
  body["id"] = "digits, step 2 of 4";
  body["segment"] = std::string(128, 's');
  body["latencyThresholdSeconds"] = 0.02;
  body["later"] = {1, 2};
  const auto split = parse_split(body, "r1", false);
  ASSERT_TRUE(split) << split.error();
  EXPECT_EQ(split->sticky_header, "x-session-id");
  EXPECT_FALSE(split->fallback);
  EXPECT_EQ(split->hold_bytes, 0);
  EXPECT_EQ(split->hop_timeout.count(), 0.25);
  EXPECT_TRUE(split->allow_revision_header);
  EXPECT_EQ(split->id, "digits, step 2 of 4");
  EXPECT_EQ(split->segment, std::string(128, 's'));
  EXPECT_EQ(split->latency_threshold.count(), 0.02);
}

TEST(SplitDocument, NeedsNeitherPeersNorCallers) {
  auto body = good();
  body.erase("peers");
  body.erase("callers");
  const auto split = parse_split(body, "r1", false);
  ASSERT_TRUE(split) << split.error();
  EXPECT_EQ(split->revision, "");
}

TEST(SplitDocument, AWeightHasTwoDecimalsAtMost) {
  for (const auto& [weight, hundredths] : std::vector<std::pair<double, unsigned>>{
           {0, 0}, {100, 10'000}, {0.01, 1}, {0.29, 29}, {33.33, 3333}, {99.99, 9999}}) {
    auto body = good();
    body["weight"] = weight;
    EXPECT_EQ(parse_split(body, "r1", false)->hundredths, hundredths);
  }
  for (const json& weight : {json(), json(-0.01), json(100.01), json(0.001), json("5"), json(true)}) {
    EXPECT_THAT(why([&](json& b) { b["weight"] = weight; }),
                HasSubstr("weight is not a number from 0 to 100"));
  }
}

TEST(SplitDocument, AMirrorHasAShareAndTolerances) {
  auto body = good();
  body["mirror"] = {{"percent", 0.25}};
  auto split = parse_split(body, "r1", false);
  ASSERT_TRUE(split) << split.error();
  EXPECT_EQ(split->mirror->hundredths, 25);
  EXPECT_EQ(split->mirror->tolerance, (Tolerance{.absolute = 1e-4, .relative = 1e-4}));
  body["mirror"] = {{"percent", 100}, {"absoluteTolerance", 0}, {"relativeTolerance", 0.5}};
  split = parse_split(body, "r1", false);
  ASSERT_TRUE(split) << split.error();
  EXPECT_EQ(split->mirror->hundredths, 10'000);
  EXPECT_EQ(split->mirror->tolerance, (Tolerance{.absolute = 0, .relative = 0.5}));
}

TEST(SplitDocument, AMirrorThatIsWrongIsRefused) {
  const auto of = [](json mirror) { return why([&](json& b) { b["mirror"] = std::move(mirror); }); };
  EXPECT_EQ(of(20), "mirror is not an object");
  for (const json& percent : {json(), json(-1), json(100.01), json(0.001), json("5")}) {
    EXPECT_THAT(of({{"percent", percent}}), HasSubstr("mirror.percent is not a number from 0 to 100"));
  }
  for (const char* name : {"absoluteTolerance", "relativeTolerance"}) {
    for (const json& tolerance : {json(-1e-9), json("0"), json(true)}) {
      EXPECT_EQ(of({{"percent", 1}, {name, tolerance}}),
                std::format("mirror.{} is not a number from 0", name));
    }
  }
  EXPECT_THAT(why([](json& b) {
                b["mirror"] = {{"percent", 1}};
                b["fallback"] = "Off";
              }),
              HasSubstr("mirror needs the fallback Local"));
}

TEST(SplitDocument, APeerIsAnAddressOfAnotherPodAndNoName) {
  EXPECT_EQ(of_address("192.168.3.4"), "accepted");
  EXPECT_EQ(of_address("2001:db8::1"), "accepted");
  EXPECT_THAT(of_address("candidate.default.svc"),
              HasSubstr("peers[0].ip \"candidate.default.svc\" is not an IP"));
  EXPECT_THAT(of_address("10.0.0.7:9"), HasSubstr("is not an IP address"));
  EXPECT_THAT(of_address("127.0.0.1"), HasSubstr("is a loopback address"));
  EXPECT_THAT(of_address("127.8.8.8"), HasSubstr("is a loopback address"));
  EXPECT_THAT(of_address("::1"), HasSubstr("is a loopback address"));
  EXPECT_THAT(of_address("0.0.0.0"), HasSubstr("of no host"));
  EXPECT_THAT(of_address("0.1.2.3"), HasSubstr("of no host"));
  EXPECT_THAT(of_address("::"), HasSubstr("of no host"));
  EXPECT_THAT(of_address("169.254.169.254"), HasSubstr("is a link-local address"));
  EXPECT_THAT(of_address("fe80::1"), HasSubstr("is a link-local address"));
  EXPECT_THAT(of_address("224.0.0.1"), HasSubstr("is a multicast address"));
  EXPECT_THAT(of_address("ff02::1"), HasSubstr("is a multicast address"));
  EXPECT_THAT(of_address("255.255.255.255"), HasSubstr("broadcast"));
  EXPECT_THAT(of_address("240.0.0.1"), HasSubstr("reserved"));
  EXPECT_THAT(of_address("::ffff:127.0.0.1"), HasSubstr("is an IPv4 address"));
  EXPECT_THAT(of_address("::ffff:10.0.0.7"), HasSubstr("is an IPv4 address"));
  EXPECT_THAT(of_address("::127.0.0.1"), HasSubstr("is an IPv4 address"));
}

TEST(SplitDocument, OnlyTestsMayNameLoopback) {
  EXPECT_EQ(of_address("127.0.0.1", true), "accepted");
  EXPECT_EQ(of_address("::1", true), "accepted");
  EXPECT_THAT(of_address("169.254.1.1", true), HasSubstr("is a link-local address"));
}

TEST(SplitDocument, PeersAreOfOneCandidateAndEachOnce) {
  EXPECT_THAT(why([](json& b) { b["peers"][0]["revision"] = "r1"; }),
              HasSubstr("peers[0].revision is this pod's own"));
  EXPECT_THAT(why([](json& b) { b["peers"][1]["revision"] = "r3"; }),
              HasSubstr("peers[1].revision is not that of the other peers"));
  EXPECT_THAT(why([](json& b) { b["peers"][1]["podUID"] = "p1"; }), HasSubstr("has the pod p1 twice"));
  EXPECT_THAT(why([](json& b) { b["peers"][1] = 7; }), HasSubstr("peers[1] is not an object"));
  EXPECT_THAT(why([](json& b) { b["peers"] = "p"; }), HasSubstr("peers is not a list"));
  for (const char* field : {"podUID", "ip", "revision", "certificate"}) {
    EXPECT_THAT(why([&](json& b) { b["peers"][0].erase(field); }),
                HasSubstr(std::string("peers[0].") + field + " is "));
  }
}

TEST(SplitDocument, FingerprintsAreWholeAndInLowerCase) {
  for (const auto& text :
       {std::string("aa"), "sha256:" + std::string(64, 'A'), "sha256:" + std::string(63, 'a'),
        "sha512:" + std::string(64, 'a'), "sha256:" + std::string(65, 'a')}) {
    EXPECT_THAT(why([&](json& b) { b["peers"][0]["certificate"] = text; }), HasSubstr("is not sha256:<64"));
    EXPECT_THAT(why([&](json& b) { b["callers"][1] = text; }), HasSubstr("callers[1] is not sha256:<64"));
  }
  EXPECT_THAT(why([&](json& b) { b["callers"][0] = 7; }), HasSubstr("callers[0] is not sha256:<64"));
}

TEST(SplitDocument, ListsHaveBounds) {
  EXPECT_THAT(why([](json& b) { b["callers"] = json(kMostCallers + 1, kA); }),
              HasSubstr("513 entries; at most 512"));
  EXPECT_EQ(why([](json& b) { b["callers"] = json(kMostCallers, kA); }), "accepted");
  EXPECT_THAT(why([](json& b) { b["peers"] = json(kMostPeers + 1, peer("p")); }),
              HasSubstr("129 entries; at most 128"));
}

TEST(SplitDocument, WhatItDoesNotSayPlainlyIsRefused) {
  EXPECT_THAT(why([](json& b) { b.erase("salt"); }), HasSubstr("salt is not a text"));
  EXPECT_THAT(why([](json& b) { b["salt"] = ""; }), HasSubstr("salt is not 1 to 128"));
  EXPECT_THAT(why([](json& b) { b["salt"] = std::string(129, 's'); }), HasSubstr("salt is not 1 to 128"));
  EXPECT_THAT(why([](json& b) { b.erase("stableIsFull"); }), HasSubstr("stableIsFull is not true or false"));
  EXPECT_THAT(why([](json& b) { b["allowRevisionHeader"] = 1; }),
              HasSubstr("allowRevisionHeader is not true"));
  EXPECT_THAT(why([](json& b) { b.erase("expiresAt"); }), HasSubstr("expiresAt is not an RFC 3339 time"));
  EXPECT_THAT(why([](json& b) { b["expiresAt"] = 1; }), HasSubstr("expiresAt is not an RFC 3339 time"));
  EXPECT_THAT(why([](json& b) { b["fallback"] = "Remote"; }), HasSubstr("fallback is not Local or Off"));
  EXPECT_THAT(why([](json& b) { b["sticky"] = "h"; }), HasSubstr("sticky is not an object"));
  EXPECT_THAT(why([](json& b) { b["sticky"] = {{"header", "a b"}}; }),
              HasSubstr("sticky.header is not 1 to"));
  EXPECT_THAT(why([](json& b) { b["sticky"] = {{"header", "X-Pilotlight-Session"}}; }),
              HasSubstr("may not set"));
  EXPECT_THAT(why([](json& b) { b["holdBytes"] = kMostHoldBytes + 1; }), HasSubstr("holdBytes is not"));
  EXPECT_THAT(why([](json& b) { b["holdBytes"] = -1; }), HasSubstr("holdBytes is not"));
  for (const json& value : {json(0), json(-1), json(301), json("5")}) {
    EXPECT_THAT(why([&](json& b) { b["hopTimeoutSeconds"] = value; }), HasSubstr("hopTimeoutSeconds is not"));
  }
  for (const json& value : {json(0), json(-1), json(0.09), json(3601), json("5"), json(true)}) {
    EXPECT_EQ(why([&](json& b) { b["probeSeconds"] = value; }),
              "probeSeconds is not a number of seconds from 0.1 to 3600");
  }
  EXPECT_EQ(why([](json& b) { b["probeSeconds"] = 0.1; }), "accepted");
  for (const char* name : {"id", "segment"}) {
    for (const json& word : {json(std::string(129, 'x')), json(1), json::array()}) {
      EXPECT_EQ(why([&](json& b) { b[name] = word; }),
                std::format("{} is not a text of at most 128 bytes", name));
    }
    EXPECT_EQ(why([&](json& b) { b[name] = ""; }), "accepted");
  }
  for (const json& value : {json(0), json(-1), json("5"), json(true)}) {
    EXPECT_EQ(why([&](json& b) { b["latencyThresholdSeconds"] = value; }),
              "latencyThresholdSeconds is not a number of seconds above 0");
  }
  EXPECT_FALSE(parse_split(json::array(), "r1", false));
}

}  // namespace
}  // namespace pilotlight::front
