// Compiled models that attack, against the whole sidecar. They are machine code, so what they try is tried
// for real: a library whose constructor, or whose answer, does as it is ordered. That they are signed by
// somebody who is known is what makes them run at all; it does not make them trusted.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sidecar/engine/attacks/real_front.h"
#include "sidecar/engine/attacks/victim.h"
#include "sidecar/engine/testing/aoti.h"

namespace pilotlight::engine {
namespace {

namespace aoti = testing::aoti;
using nlohmann::json;
using testing::compiled_entries;
using testing::CompiledText;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::numbers;
using testing::RealFront;
using Signed = RealFront::Limits::Signed;

RealFront::Limits consented() {
  return {.format = wire::ModelFormat::kAotInductor, .is_signed = Signed::kByWhoIsKnown};
}

class AotiAttack : public testing::Victim {
 protected:
  // The attack is found before the model serves; returns what the status says of it.
  json refusal(const std::string& model, const std::string& reason,
               const RealFront::Limits& limits = consented()) const {
    const RealFront front(model, limits);
    const auto now = front.await_phase("Failed");
    EXPECT_EQ(now["failure"]["class"], "Revision");
    EXPECT_EQ(now["failure"]["reason"], reason) << now["failure"];
    EXPECT_EQ(front.infer({3}).status, 503);
    EXPECT_THAT(now.dump(), Not(HasSubstr(folder_.string())));
    expect_no_harm();
    return now["failure"];
  }
  void expect_violation(const std::string& order, const std::string& message) const {
    EXPECT_EQ(refusal(aoti::bundle(order), "SandboxViolation")["message"], message) << order;
  }
  // The attack ends the engine, the request is answered, the status names the call, and it serves again.
  void expect_ended(const std::string& order, const std::string& message) const {
    const RealFront front(aoti::bundle(order), consented());
    front.await_phase("Ready");
    EXPECT_EQ(front.infer({1}).status, 503) << order;
    const auto now = front.await(
        [](const json& s) { return s["ready"] == true && s["engine"]["restarts"] == 1; }, "started again");
    EXPECT_EQ(now["engine"]["lastExit"], message);
    EXPECT_THAT(numbers(front.infer({3})), ElementsAre(6));
    expect_no_harm();
  }
  // What is in no package of torch's.
  static std::string with(testing::Entry entry) {
    auto entries = compiled_entries({.library = aoti::library()});
    entries.push_back(std::move(entry));
    return aoti::bundle_of(testing::write_archive(testing::ArchiveKind::kZip, entries));
  }
};

TEST_F(AotiAttack, AnHonestOneIsProvenAndServes) {
  const RealFront front(aoti::bundle(), consented());
  const auto now = front.await_phase("Ready");
  EXPECT_EQ(now["proof"]["format"], "AOTInductor");
  EXPECT_EQ(now["proof"]["level"], "Answers");
  EXPECT_EQ(now["proof"]["sandbox"][0], "seccomp");
  EXPECT_FALSE(now["proof"]["signature"]["keyId"].get<std::string>().empty());
  EXPECT_THAT(numbers(front.infer({3, 4})), ElementsAre(6, 8));
}

// As those with large weights do, to map them.
TEST_F(AotiAttack, ALibraryMayOpenItsOwnFileWhileItIsBeingLoadedAndNotAfterwards) {
  const RealFront loading(aoti::bundle("create self -"), consented());
  loading.await_phase("Ready");
  EXPECT_THAT(numbers(loading.infer({3})), ElementsAre(6));
  const RealFront serving(aoti::bundle("one self -"), consented());
  serving.await_phase("Ready");
  EXPECT_THAT(numbers(serving.infer({1})), ElementsAre(2));
}

// Consent.

TEST_F(AotiAttack, MachineCodeThatNobodyAskedForIsNotRun) {
  const std::string attack = aoti::bundle("load unlink " + victim());
  EXPECT_THAT(refusal(attack, "UnsupportedFormat", {})["message"].get<std::string>(),
              HasSubstr("machine code"));
  // A signature alone is no demand for it, nor is the demand for another format.
  refusal(attack, "UnsupportedFormat", {.is_signed = Signed::kByWhoIsKnown});
  refusal(attack, "UnsupportedFormat",
          {.format = wire::ModelFormat::kTorchScript, .is_signed = Signed::kByWhoIsKnown});
}

TEST_F(AotiAttack, MachineCodeOfNobodyOrSomebodyElseIsNotRun) {
  const std::string attack = aoti::bundle("load unlink " + victim());
  auto limits = consented();
  limits.is_signed = Signed::kNotAsked;
  refusal(attack, "SignatureMissing", limits);
  limits.is_signed = Signed::kByNobody;
  refusal(attack, "SignatureMissing", limits);
  limits.is_signed = Signed::kBySomebodyElse;
  refusal(attack, "SignatureInvalid", limits);
}

TEST_F(AotiAttack, AnotherFormatThanTheOneThatWasAskedForIsRefused) {
  const std::string said = refusal("PK\3\4", "UnsupportedFormat")["message"];
  EXPECT_THAT(said, HasSubstr("damaged"));
  EXPECT_THAT(
      refusal(testing::write_archive(testing::ArchiveKind::kZip, {{.name = "m/code/x.py", .content = "x"},
                                                                  {.name = "m/data.pkl", .content = "x"}}),
              "UnsupportedFormat")["message"]
          .get<std::string>(),
      HasSubstr("the model is TorchScript, but model.format says AOTInductor"));
}

// While it is being loaded: its constructors, and LibTorch's first call.

TEST_F(AotiAttack, WritingOrDeletingAFileWhileBeingLoadedFailsTheRevision) {
  expect_violation("load write " + new_file(), "the model tried to open a file for writing (openat)");
  expect_violation("load unlink " + victim(), "the model tried to change the file system (unlink)");
  expect_violation("create unlink " + victim(), "the model tried to change the file system (unlink)");
}

TEST_F(AotiAttack, SocketsAndProcessesWhileBeingLoadedFailTheRevision) {
  expect_violation("load socket -", "the model tried to use the network (socket)");
  expect_violation("load fork -", "the model tried to start a process (clone)");
  expect_violation("load exec /bin/true", "the model tried to start a program (execve)");
}

TEST_F(AotiAttack, ReadingAFileWhileBeingLoadedComesToNothing) {
  for (const std::string& file : {victim(), std::string("/etc/passwd"), std::string("/proc/self/environ")}) {
    const RealFront front(aoti::bundle("load read " + file), consented());
    front.await_phase("Ready");
    EXPECT_THAT(numbers(front.infer({3})), ElementsAre(6)) << file;  // it answers otherwise once it has read
  }
}

TEST_F(AotiAttack, ALoopOrACrashWhileBeingLoadedIsEnded) {
  auto limits = consented();
  limits.check = std::chrono::seconds(4);
  refusal(aoti::bundle("load loop -"), "CheckTimeout", limits);
  refusal(aoti::bundle("load crash -"), "CrashedInCheck");
}

// In a request.

TEST_F(AotiAttack, WritingOrDeletingAFileInARequestEndsTheEngine) {
  expect_ended("one write " + new_file(), "the model tried to open a file for writing (openat)");
  expect_ended("one unlink " + victim(), "the model tried to change the file system (unlink)");
}

TEST_F(AotiAttack, ReadingAFileInARequestComesToNothing) {
  const RealFront front(aoti::bundle("one read " + victim()), consented());
  front.await_phase("Ready");
  EXPECT_THAT(numbers(front.infer({1})), ElementsAre(2));
  EXPECT_EQ(front.status()["engine"]["restarts"], 0);
}

TEST_F(AotiAttack, ALoopInARequestIsEndedByTheFrontsClock) {
  auto limits = consented();
  limits.request = std::chrono::seconds(2);
  const RealFront front(aoti::bundle("one loop -"), limits);
  front.await_phase("Ready");
  EXPECT_EQ(front.infer({1}).status, 503);
  const auto now = front.await(
      [](const json& s) { return s["ready"] == true && s["engine"]["restarts"] == 1; }, "started again");
  EXPECT_EQ(now["engine"]["lastExit"], "an inference did not end within 2 s");
}

TEST_F(AotiAttack, AskingForMoreThanThereIsFailsTheRequest) {
  const RealFront front(aoti::bundle("one much -"), consented());
  front.await_phase("Ready");
  EXPECT_EQ(front.infer({1}).status, 503);
  EXPECT_THAT(numbers(front.infer({3})), ElementsAre(6));
  EXPECT_EQ(front.status()["engine"]["restarts"], 0);
}

TEST_F(AotiAttack, SizesThatItWasNotCompiledForDoNotReachIt) {
  const std::string one_column = R"({"inputs": [{"name": "x", "datatype": "FP32", "shape": ["batch", 1]}],)"
                                 R"( "sizes": {"batch": [1, 8]}})";
  const RealFront front(aoti::bundle("one crash -", {.inputs = one_column}), consented());
  front.await_phase("Ready");
  EXPECT_EQ(front.infer({1, 2}).status, 500);  // by the contract, it could have any number of columns
  EXPECT_THAT(numbers(front.infer({3})), ElementsAre(6));
  EXPECT_EQ(front.status()["engine"]["restarts"], 0);
}

// Packages.

TEST_F(AotiAttack, ABuildCommandIsNotRun) {
  auto entries = compiled_entries({});
  std::erase_if(entries, [](const testing::Entry& entry) { return entry.name.ends_with(".so"); });
  const std::string command = R"({"compiler": "touch )" + new_file() + R"(;", "cflags": []})";
  for (const char* name : {"x_compile_flags.json", "x_linker_flags.json", "x.o"}) {
    entries.push_back({.name = std::string("data/aotinductor/model/") + name, .content = command});
  }
  const auto failure = refusal(aoti::bundle_of(testing::write_archive(testing::ArchiveKind::kZip, entries)),
                               "UnsupportedFormat");
  EXPECT_THAT(failure["message"].get<std::string>(), HasSubstr("nothing is ever compiled here"));
}

TEST_F(AotiAttack, PackagesThatTorchDoesNotWriteAreRefused) {
  const auto message = [this](const std::string& model) {
    return refusal(model, "UnsupportedFormat")["message"].get<std::string>();
  };
  EXPECT_THAT(message(with({.name = "data/aotinductor/model/other.so", .content = aoti::library()})),
              HasSubstr("2 libraries"));
  EXPECT_THAT(message(with({.name = "data/aotinductor/model/../../../x.so", .content = "x"})),
              HasSubstr("a name with \"..\""));
  EXPECT_THAT(message(with({.name = "/data/aotinductor/model/x.so", .content = "x"})),
              HasSubstr("an absolute name"));
  EXPECT_THAT(message(with({.name = "data/aotinductor/model/model.so", .content = "x"})),
              HasSubstr("the same name twice"));
  EXPECT_THAT(message(aoti::bundle("", {.device = "cuda"})), HasSubstr("compiled for the device \"cuda\""));
  EXPECT_THAT(message(testing::write_compiled({.library = aoti::library()})),
              HasSubstr("a bare AOTInductor"));
  EXPECT_THAT(message(aoti::bundle_of(testing::write_compiled({.library = aoti::library()}), "2.5.1")),
              HasSubstr("compiled with torch 2.5.1; this runtime is 2.6.0"));
}

TEST_F(AotiAttack, ALibraryThatIsCutOffFailsTheRevision) {
  const std::string whole = aoti::library();
  for (const std::size_t size : {2000, 100}) {  // what comes last is for debuggers
    const auto failure =
        refusal(aoti::bundle_of(testing::write_compiled({.library = whole.substr(0, size)})), "LoadFailed");
    EXPECT_THAT(failure["message"].get<std::string>(), HasSubstr("cut off"));
  }
}

// It would be an illegal instruction. Another node may have it, so it is waited for.
TEST_F(AotiAttack, InstructionsThatThisProcessorLacksAreToldAndNotRun) {
#if defined(__x86_64__)
  const char* foreign = "ASIMD";
#else
  const char* foreign = "AVX2";
#endif
  const RealFront front(aoti::bundle("load unlink " + victim(), {.instructions = foreign}), consented());
  const auto now = front.await_phase("Retrying");
  EXPECT_EQ(now["failure"]["class"], "World");
  EXPECT_EQ(now["failure"]["reason"], "UnsupportedProcessor");
  EXPECT_THAT(now["failure"]["message"].get<std::string>(), HasSubstr(foreign));
  EXPECT_THAT(now["failure"]["remedy"].get<std::string>(), HasSubstr("nodeSelector"));
  expect_no_harm();
}

}  // namespace
}  // namespace pilotlight::engine
