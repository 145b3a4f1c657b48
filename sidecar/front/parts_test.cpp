// The front's smaller parts, each by itself.

#include <gmock/gmock.h>
#include <stdlib.h>

#include <cmath>
#include <cstring>
#include <format>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <numbers>

#include "sidecar/artifact/signature/signer_for_test.h"
#include "sidecar/front/arena_heap.h"
#include "sidecar/front/backoff.h"
#include "sidecar/front/config.h"
#include "sidecar/front/deadly_inputs.h"
#include "sidecar/front/documents.h"
#include "sidecar/front/json_output.h"
#include "sidecar/front/memory.h"
#include "sidecar/front/memory_guard.h"
#include "sidecar/front/patience.h"
#include "sidecar/front/routes.h"
#include "sidecar/front/sizes.h"
#include "sidecar/front/timers.h"

namespace pilotlight::front {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Patience.

wire::Contract contract_of(const char* shape) {
  const auto spec = [&](const char* name) {
    return json{{"name", name}, {"datatype", "FP32"}, {"shape", json::parse(shape)}};
  };
  return wire::contract_from_json({{"inputs", {spec("x")}}, {"outputs", {spec("y")}}}, true).value();
}

double patience(const char* shape, const char* warmup, std::int64_t rows) {
  return Patience(std::chrono::seconds(30), contract_of(shape), json::parse(warmup)).for_rows(rows).count();
}

TEST(Patience, IsTwentyTimesTheWarmRunOfAsManyRowsOrMore) {
  const char* warmup = R"([{"batchSize": 8, "warmMs": 400}, {"batchSize": 1, "warmMs": 100}])";
  EXPECT_DOUBLE_EQ(patience("[-1, 3]", warmup, 1), 2);
  EXPECT_DOUBLE_EQ(patience("[-1, 3]", warmup, 2), 8);
  EXPECT_DOUBLE_EQ(patience("[-1, 3]", warmup, 8), 8);
  EXPECT_DOUBLE_EQ(patience("[-1, 3]", warmup, 16), 16) << "twice the rows, twice the time";
  EXPECT_DOUBLE_EQ(patience("[-1, 3]", warmup, 1000), 30) << "the endpoint's timeout";
  EXPECT_DOUBLE_EQ(patience("[5, 3]", R"([{"batchSize": 1, "warmMs": 100}])", 1), 2);
}

TEST(Patience, IsAtLeastASecond) {
  EXPECT_DOUBLE_EQ(patience("[-1, 3]", R"([{"batchSize": 1, "warmMs": 0.1}])", 1), 1);
  EXPECT_DOUBLE_EQ(Patience(Patience::Seconds(0.2), contract_of("[-1]"),
                            json::parse(R"([{"batchSize": 1, "warmMs": 0.1}])"))
                       .for_rows(1)
                       .count(),
                   0.2)
      << "but never longer than a client waits";
}

TEST(Patience, IsTheEndpointsTimeoutWhereNothingComparableWasRun) {
  EXPECT_DOUBLE_EQ(patience("[-1, -1]", R"([{"batchSize": 1, "warmMs": 0.1}])", 1), 30);
  for (const char* warmup : {"null", "[]", "{}", "[1]", R"([{"batchSize": 0, "warmMs": 1}])",
                             R"([{"batchSize": 1}])", R"([{"batchSize": "1", "warmMs": "1"}])"}) {
    EXPECT_DOUBLE_EQ(patience("[-1, 3]", warmup, 1), 30) << warmup;
  }
  EXPECT_DOUBLE_EQ(Patience(std::chrono::seconds(30)).for_rows(1).count(), 30);
}

// DeadlyInputs.

class DeadlyInputsTest : public ::testing::Test {
 protected:
  Inputs inputs(float number) {
    auto block = heap_.allocate(sizeof number);
    std::memcpy(block->bytes().data(), &number, sizeof number);
    Inputs made;
    made.tensors.push_back({.datatype = wire::Datatype::kFp32,
                            .rank = 1,
                            .shape = {1},
                            .offset = block->offset(),
                            .bytes = sizeof number});
    made.blocks.push_back(*std::move(block));
    return made;
  }

  std::vector<std::byte> memory_{1024};
  ArenaHeap heap_{memory_, 0, 1024};
  boost::asio::io_context io_;
  LoopTimers timers_{io_};
  DeadlyInputs deadly_{timers_};
};

TEST_F(DeadlyInputsTest, ThoseOfACrashAreRefusedAtOnceAndThoseOfAKilledEngineTheSecondTime) {
  deadly_.ended_with(inputs(1), EngineEnd::kCrashed);
  deadly_.ended_with(inputs(2), EngineEnd::kKilled);
  EXPECT_TRUE(deadly_.refuses(inputs(1)));
  EXPECT_FALSE(deadly_.refuses(inputs(2)));
  deadly_.ended_with(inputs(2), EngineEnd::kKilled);
  EXPECT_TRUE(deadly_.refuses(inputs(2)));
  EXPECT_FALSE(deadly_.refuses(inputs(3)));
}

TEST_F(DeadlyInputsTest, WhatWasAnsweredSinceTheKillIsNotToBlameForTheNext) {
  deadly_.ended_with(inputs(1), EngineEnd::kKilled);
  deadly_.answered(inputs(1));
  deadly_.ended_with(inputs(1), EngineEnd::kKilled);
  EXPECT_FALSE(deadly_.refuses(inputs(1)));
  deadly_.answered(inputs(2));
  deadly_.ended_with(inputs(1), EngineEnd::kKilled);
  EXPECT_TRUE(deadly_.refuses(inputs(1))) << "another input's answer says nothing";
}

TEST_F(DeadlyInputsTest, ACrashIsNotForgottenForAnAnswer) {
  deadly_.ended_with(inputs(1), EngineEnd::kCrashed);
  deadly_.answered(inputs(1));
  EXPECT_TRUE(deadly_.refuses(inputs(1)));
}

// ArenaHeap.

class ArenaHeapTest : public ::testing::Test {
 protected:
  std::vector<std::byte> memory_{1024};
  ArenaHeap heap_{memory_, 128, 640};
};

TEST_F(ArenaHeapTest, HandsOutAlignedPiecesInsideItsRange) {
  const auto a = heap_.allocate(1);
  const auto b = heap_.allocate(100);
  EXPECT_EQ(a->offset(), 128);
  EXPECT_EQ(b->offset(), 192);
  EXPECT_EQ(b->bytes().size(), 100);
  EXPECT_EQ(b->bytes().data(), memory_.data() + 192);
}

TEST_F(ArenaHeapTest, HasNoRoomForMoreThanThereIs) {
  EXPECT_FALSE(heap_.allocate(641));
  EXPECT_FALSE(heap_.allocate(std::numeric_limits<std::uint64_t>::max()));
  const auto all = heap_.allocate(640);
  EXPECT_TRUE(all);
  EXPECT_FALSE(heap_.allocate(0));
}

TEST_F(ArenaHeapTest, JoinsWhatIsGivenBackInAnyOrder) {
  for (const auto& order :
       {std::array{0, 1, 2}, std::array{2, 1, 0}, std::array{1, 0, 2}, std::array{0, 2, 1}}) {
    std::array<std::optional<ArenaHeap::Block>, 3> blocks{heap_.allocate(200), heap_.allocate(200),
                                                          heap_.allocate(100)};
    for (const int index : order) blocks[static_cast<std::size_t>(index)].reset();
    EXPECT_TRUE(heap_.allocate(640));
  }
}

// Backoff.

TEST(BackoffTest, DoublesUpToItsMostAndBeginsAgain) {
  Backoff backoff(std::chrono::seconds(1), std::chrono::seconds(5), 7);
  for (const double most : {1.0, 2.0, 4.0, 5.0, 5.0}) {
    const auto delay = backoff.next().count();
    EXPECT_LE(delay, most);
    EXPECT_GE(delay, most * 0.75);
  }
  backoff.reset();
  EXPECT_LE(backoff.next().count(), 1);
}

// Config.

std::string environment(const char* name) {
  if (std::strcmp(name, "POD_UID") == 0) return "uid-1";
  if (std::strcmp(name, "PILOTLIGHT_DIGEST") == 0) return "";
  return {};
}

constexpr const char* kConfig = R"({"apiVersion": "sidecar.pilotlight.dev/v1alpha1",
 "name": "digits", "namespace": "default", "revision": "digits-5f6c9d7b8f",
 "model": {"uri": "https://models.example/digits/v3.tar"}, "unknown": 1,
 "contract": {"inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 8, 8]}],
              "outputs": [{"name": "logits", "datatype": "FP32", "shape": [-1, 10]}]},
 "validation": {"absoluteTolerance": 1e-4, "timeoutSeconds": 12.5},
 "endpoint": {"maxRequestBytes": 1000, "timeoutSeconds": 3}})";

TEST(ConfigTest, ReadsWhatTheOperatorWrites) {
  const auto config = parse_config(kConfig, environment);
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->identity.name, "digits");
  EXPECT_EQ(config->identity.pod_uid, "uid-1");
  EXPECT_EQ(config->uri, "https://models.example/digits/v3.tar");
  EXPECT_EQ(config->validation_timeout.count(), 12.5);
  EXPECT_EQ(config->endpoint_timeout.count(), 3);
  EXPECT_EQ(config->max_request_bytes, 1000);
  EXPECT_EQ(config->load.absolute_tolerance, 1e-4);
  EXPECT_EQ(config->load.contract->inputs[0].name, "image");
  EXPECT_FALSE(config->load.pinned);
  EXPECT_FALSE(config->invalid);
}

TEST(ConfigTest, HasADefaultForAllThatTheUserLeftOut) {
  const auto config =
      parse_config(R"({"name":"n","namespace":"s","revision":"r","model":{"uri":"u"}})", environment);
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->recheck_interval.count(), 600);
  EXPECT_EQ(config->endpoint_timeout.count(), 30);
  EXPECT_EQ(config->max_request_bytes, 16 * 1024 * 1024);
  EXPECT_EQ(config->max_model_bytes, 20ULL << 30);
}

TEST(ConfigTest, OnlyARecheckMayBeEveryNothing) {
  const auto interval = [](const char* value) {
    const auto config =
        parse_config(std::format(R"({{"name":"n","namespace":"s","revision":"r","model":{{"uri":"u"}},
                        "validation":{{"recheckIntervalSeconds":{}}}}})",
                                 value),
                     environment);
    return config ? std::format("{}", config->recheck_interval.count()) : config.error();
  };
  EXPECT_EQ(interval("0"), "0");
  EXPECT_EQ(interval("90"), "90");
  for (const char* bad : {"-1", "\"0\"", "1e9"}) {
    EXPECT_THAT(interval(bad), HasSubstr("validation.recheckIntervalSeconds is not a positive number"))
        << bad;
  }
}

TEST(ConfigTest, TakesThePinFromTheEnvironment) {
  const auto pin = "sha256:" + std::string(64, 'a');
  const auto pinned = [&](const char* name) {
    return std::strcmp(name, "PILOTLIGHT_DIGEST") == 0 ? pin : std::string();
  };
  const auto config = parse_config(kConfig, pinned);
  EXPECT_EQ(config->pinned, pin);
  EXPECT_TRUE(config->load.pinned);
}

TEST(ConfigTest, NamesTheFieldThatIsWrong) {
  const auto message = [](std::string_view text) {
    const auto config = parse_config(text, environment);
    return config ? std::string("accepted") : config.error();
  };
  EXPECT_THAT(message("{"), HasSubstr("not a JSON object"));
  EXPECT_THAT(message("{}"), HasSubstr("name is missing"));
  EXPECT_THAT(message(R"({"name":"n","namespace":"s","revision":"r"})"), HasSubstr("model.uri is missing"));
  EXPECT_THAT(message(R"({"name":"n","namespace":"s","revision":"r","model":{"uri":"u","digest":"x"}})"),
              HasSubstr("model.digest is not"));
  EXPECT_THAT(
      message(
          R"({"name":"n","namespace":"s","revision":"r","model":{"uri":"u"},"endpoint":{"timeoutSeconds":0}})"),
      HasSubstr("endpoint.timeoutSeconds"));
}

TEST(ConfigTest, AContractThatContradictsItselfIsTheRevisionsFault) {
  const auto config = parse_config(
      R"({"name":"n","namespace":"s","revision":"r","model":{"uri":"u"},"contract":{"inputs":[],"outputs":[]}})",
      environment);
  ASSERT_TRUE(config) << config.error();
  ASSERT_TRUE(config->invalid);
  EXPECT_EQ(config->invalid->reason, "InvalidContract");
}

std::expected<Config, std::string> with_signature(const nlohmann::json& signature) {
  auto document = nlohmann::json::parse(kConfig);
  document["model"]["signature"] = signature;
  return parse_config(document.dump(), environment);
}

TEST(ConfigTest, ReadsWhoseSignatureIsDemanded) {
  const signature::testing::Signer one("Ed25519");
  const signature::testing::Signer two("P-256");
  auto config = with_signature({{"publicKeys", {one.public_pem(), two.public_pem()}}});
  ASSERT_TRUE(config) << config.error();
  ASSERT_TRUE(config->signature);
  EXPECT_TRUE(config->signature->required) << "the strictest policy is the default";
  EXPECT_EQ(config->signature->uri, "https://models.example/digits/v3.tar.sig");
  EXPECT_EQ(config->signature->keys[1].id(), two.public_key().id());
  EXPECT_FALSE(config->invalid);

  config = with_signature(
      {{"policy", "Warn"}, {"publicKeys", {one.public_pem()}}, {"uri", "https://models.example/s"}});
  EXPECT_FALSE(config->signature->required);
  EXPECT_EQ(config->signature->uri, "https://models.example/s");
  EXPECT_FALSE(with_signature({{"policy", "Off"}})->signature);
  EXPECT_FALSE(parse_config(kConfig, environment)->signature);
}

TEST(Config, TheFormatThatTheModelMustHave) {
  EXPECT_FALSE(parse_config(kConfig, environment)->load.format);
  const auto with_format = [](const char* format) {
    auto document = nlohmann::json::parse(kConfig);
    document["model"]["format"] = format;
    return parse_config(document.dump(), environment).value();
  };
  EXPECT_EQ(with_format("ONNX").load.format, wire::ModelFormat::kOnnx);
  EXPECT_FALSE(engine_settings(with_format("ONNX")).machine_code);
  EXPECT_TRUE(engine_settings(with_format("AOTInductor")).machine_code);
  const auto unknown = with_format("Keras");
  ASSERT_TRUE(unknown.invalid);
  EXPECT_THAT(unknown.invalid->message, HasSubstr("model.format: must be TorchScript, ONNX or AOTInductor"));
}

TEST(Documents, ThePlatformIsNamedAsOtherServersNameIt) {
  const auto platform = [](const nlohmann::json& proof) {
    const Identity identity{.name = "m", .namespace_ = "n", .revision = "r", .pod_uid = ""};
    return nlohmann::json::parse(model_document(identity, wire::Contract(), proof)).at("platform");
  };
  EXPECT_EQ(platform({{"format", "TorchScript"}}), "pytorch_torchscript");
  EXPECT_EQ(platform({{"format", "ONNX"}}), "onnxruntime_onnx");
  EXPECT_EQ(platform({{"format", "AOTInductor"}}), "pytorch_aotinductor");
  EXPECT_EQ(platform(nlohmann::json::object()), "pytorch_torchscript");
  EXPECT_EQ(platform({{"format", 7}}), "pytorch_torchscript");
}

TEST(ConfigTest, ADemandThatCannotBeReadIsNeverTakenForNone) {
  const auto message = [](const nlohmann::json& signature) {
    const auto config = with_signature(signature);
    return config ? std::string("accepted") : config.error();
  };
  EXPECT_THAT(message(7), HasSubstr("model.signature is not an object"));
  EXPECT_THAT(message({{"policy", "Maybe"}}), HasSubstr("model.signature.policy is not"));
  EXPECT_THAT(message({{"policy", nullptr}}), HasSubstr("model.signature.policy is not"));
  EXPECT_THAT(message({{"policy", "Require"}}), HasSubstr("publicKeys is not a list"));
  EXPECT_THAT(message({{"publicKeys", nlohmann::json::array()}}), HasSubstr("publicKeys is not a list"));
  EXPECT_THAT(message({{"publicKeys", {7}}}), HasSubstr("publicKeys is not a list of texts"));
}

TEST(ConfigTest, AKeyThatIsNotTakenIsTheRevisionsFaultAndIsNamed) {
  const signature::testing::Signer good;
  const auto config =
      with_signature({{"publicKeys", {good.public_pem(), signature::testing::Signer("RSA").public_pem()}}});
  ASSERT_TRUE(config) << config.error();
  ASSERT_TRUE(config->invalid);
  EXPECT_EQ(config->invalid->reason, "InvalidPublicKey");
  EXPECT_EQ(config->invalid->message,
            "spec.model.signature.publicKeys[1] is a key for RSA; taken are Ed25519 and ECDSA P-256");
}

TEST(ConfigTest, ALaptopsModelIsNamedAfterItsFile) {
  EXPECT_EQ(laptop_config("some/digits.tar").identity.name, "digits");
  EXPECT_EQ(laptop_config("https://h/my model.tar?sig=x").identity.name, "my-model");
  EXPECT_EQ(laptop_config("bundle/").identity.name, "model");
}

// Routes.

TEST(SizesTest, AnEngineGetsWhatTheContainerHasLeft) {
  constexpr std::uint64_t kMiB = 1024 * 1024;
  const Config config;  // 16 MiB requests, so an arena of 64 + 2·32 MiB
  EXPECT_EQ(arena_bytes(config), 128 * kMiB);
  EXPECT_EQ(engine_data_bytes(config, CgroupMemory{.held = 0, .limit = 4096 * kMiB}),
            (4096 - 64 - 128) * kMiB);
}

TEST(SizesTest, AnEngineOfASmallContainerGetsMostOfIt) {
  EXPECT_EQ(engine_data_bytes({}, CgroupMemory{.held = 0, .limit = 400}), 300);
}

TEST(SizesTest, WhereTheContainerHasNoLimitTheEngineHasNone) {
  EXPECT_EQ(engine_data_bytes({}, std::nullopt), 0);
}

TEST(RoutesTest, KnowTheirPaths) {
  const auto route = [](std::string_view path) { return route_of(path, "m", "1"); };
  EXPECT_EQ(route("/"), Route::kIndex);
  EXPECT_EQ(route("/predict"), Route::kPredict);
  EXPECT_EQ(route("/v2"), Route::kServer);
  EXPECT_EQ(route("/v2/health/live"), Route::kServerLive);
  EXPECT_EQ(route("/v2/models/m"), Route::kModel);
  EXPECT_EQ(route("/v2/models/m/versions/1"), Route::kModel);
  EXPECT_EQ(route("/v2/models/m/versions/1/infer"), Route::kInfer);
  EXPECT_EQ(route("/v2/models/m/ready"), Route::kModelReady);
  EXPECT_EQ(route("/v2/models/m/versions/2/infer"), Route::kOtherModel);
  EXPECT_EQ(route("/v2/models/n/infer"), Route::kOtherModel);
  EXPECT_EQ(route("/v2/models/m/load"), Route::kUnknown);
  EXPECT_EQ(route("/v2/repository/index"), Route::kUnknown);
}

// Numbers in JSON.

template <class T>
std::span<const std::byte> bytes(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

TEST(JsonOutputTest, WritesTheShortestNumberThatReadsBackTheSame) {
  std::string out;
  append_flat(out, wire::Datatype::kFp32, bytes(std::vector<float>{0.1F, 1e-40F, -3.0F, 16777217.0F}));
  append_flat(out, wire::Datatype::kFp64, bytes(std::vector<double>{0.1, std::numbers::pi}));
  append_flat(out, wire::Datatype::kInt64, bytes(std::vector<std::int64_t>{INT64_MIN, 7}));
  append_flat(out, wire::Datatype::kBool, bytes(std::vector<std::uint8_t>{0, 1, 2}));
  EXPECT_EQ(out, "[0.1,1e-40,-3,16777216][0.1,3.141592653589793][-9223372036854775808,7][false,true,true]");
}

TEST(JsonOutputTest, WritesNullForWhatJsonCannotSay) {
  std::string out;
  append_flat(out, wire::Datatype::kFp32, bytes(std::vector<float>{NAN, INFINITY, -INFINITY}));
  EXPECT_EQ(out, "[null,null,null]");
}

TEST(JsonOutputTest, NestsByShape) {
  std::string out;
  const std::vector<std::int32_t> values{1, 2, 3, 4, 5, 6};
  append_nested(out, wire::Datatype::kInt32, std::vector<std::int64_t>{3, 1, 2}, bytes(values));
  append_nested(out, wire::Datatype::kInt32, {}, bytes(values));
  append_nested(out, wire::Datatype::kInt32, std::vector<std::int64_t>{0, 2}, {});
  EXPECT_EQ(out, "[[[1,2]],[[3,4]],[[5,6]]]1[]");
}

TEST(JsonOutputTest, WritesHalfPrecision) {
  std::string out;
  append_flat(out, wire::Datatype::kFp16, bytes(std::vector<std::uint16_t>{0x3c00, 0x2e66, 0x7c00}));
  append_flat(out, wire::Datatype::kBf16, bytes(std::vector<std::uint16_t>{0x3f80, 0xc000}));
  EXPECT_EQ(out, "[1,0.1,null][1,-2]");
}

TEST(DocumentsTest, AnExampleIsOneInstanceOfZerosUnlessItIsLong) {
  wire::Contract contract;
  contract.inputs = {{.name = "x", .datatype = wire::Datatype::kFp32, .shape = {{-1, 2, 2}}, .labels = {}}};
  EXPECT_EQ(example_instance(contract), "[[0,0],[0,0]]");
  contract.inputs[0].shape = {{-1, 3, 224, 224}};
  EXPECT_EQ(example_instance(contract), "");
}

// Memory of the container.

class CgroupTest : public ::testing::Test {
 protected:
  CgroupTest() {
    auto name = (std::filesystem::temp_directory_path() / "cgroup-test-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
  }
  ~CgroupTest() override { std::filesystem::remove_all(root_); }
  void write(const std::filesystem::path& name, std::string_view text) const {
    std::filesystem::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }
  std::filesystem::path root_;
};

TEST_F(CgroupTest, OfVersion2CountsWhatCannotBeTakenBack) {
  write("memory.max", "1000\n");
  write("memory.stat", "anon 500\nfile 9000\nshmem 30\nslab_unreclaimable 4\n");
  const auto memory = read_cgroup_memory(root_);
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->held, 534);
  EXPECT_EQ(memory->limit, 1000);
}

TEST_F(CgroupTest, OfVersion1IsRead) {
  write("memory/memory.limit_in_bytes", "1000\n");
  write("memory/memory.stat", "cache 1\ntotal_rss 500\ntotal_shmem 30\n");
  EXPECT_EQ(read_cgroup_memory(root_)->held, 530);
}

TEST_F(CgroupTest, WithoutALimitIsNothing) {
  EXPECT_FALSE(read_cgroup_memory(root_));
  write("memory.max", "max\n");
  EXPECT_FALSE(read_cgroup_memory(root_));
  write("memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_FALSE(read_cgroup_memory(root_));
}

// What outlives the front.

TEST_F(CgroupTest, AVerdictIsRecalledByItsOwnPodOnly) {
  const Memory memory(root_, {}, "uid/r/pin");
  EXPECT_FALSE(memory.recall());
  memory.remember({.phase = Phase::kChecking,
                   .checked = "sha256:aa",
                   .final_failure = wire::Failure{.reason = "GoldenMismatch", .message = "m"},
                   .attempt = 3});
  const auto verdict = memory.recall();
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->phase, Phase::kChecking);
  EXPECT_EQ(verdict->checked, "sha256:aa");
  EXPECT_EQ(verdict->final_failure->reason, "GoldenMismatch");
  EXPECT_EQ(verdict->attempt, 3);
  EXPECT_FALSE(Memory(root_, {}, "uid/r/other").recall());
  write("verdict.json", "{\"key\":");
  EXPECT_FALSE(memory.recall()) << "half a verdict is none";
}

}  // namespace
}  // namespace pilotlight::front
