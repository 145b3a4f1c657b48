#include "sidecar/engine/bundle/bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sidecar/engine/bundle/mapped_file.h"
#include "sidecar/engine/bundle/sha256.h"
#include "sidecar/engine/testing/archives.h"

namespace pilotlight::engine {
namespace {

using testing::ArchiveKind;
using testing::BundleText;
using testing::bytes;
using testing::Entry;
using ::testing::HasSubstr;
using testing::write_archive;

// Not a model, but it looks like one, which is all that is asked for here.
BundleText good() {
  return {.model = write_archive(ArchiveKind::kZip, {{.name = "m/code/x.py", .content = "x"}}),
          .contract =
              "  inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]\n"
              "  outputs: [{name: y, datatype: FP32, shape: [-1, 1]}]\n",
          .cases = {{.name = "one",
                     .inputs = {testing::floats("x", {1, 2}, {1, 2})},
                     .outputs = {testing::floats("y", {1, 1}, {3})}}},
          .golden = "  absoluteTolerance: 1.0e-3\n",
          .exporter = "  torch: 2.10\n  python: 3.13.5\n  packages: {numpy: 2.2.4}\n",
          .more = "futureField: {of: [a, newer, exporter]}\n"};
}

Fault fault_of(const std::string& file) {
  const auto bundle = open_bundle(bytes(file));
  if (bundle) return {};
  return bundle.error();
}

// The good bundle, with one text in its manifest replaced.
Fault with(const std::string& from, const std::string& to) {
  auto entries = testing::bundle_entries(good());
  std::string& yaml = entries.back().content;
  const auto at = yaml.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  yaml.replace(at, from.size(), to);
  return fault_of(write_archive(ArchiveKind::kUstar, entries));
}

TEST(Bundle, IsOpenedAndVerified) {
  const std::string file = testing::write_bundle(good());
  const auto bundle = open_bundle(bytes(file));
  ASSERT_TRUE(bundle) << bundle.error().message;
  ASSERT_TRUE(bundle->manifest);
  EXPECT_EQ(bundle->manifest->name, "test");
  EXPECT_EQ(bundle->manifest->contract.inputs[0].name, "x");
  EXPECT_EQ(bundle->manifest->absolute_tolerance, 1e-3);
  EXPECT_FALSE(bundle->manifest->relative_tolerance);
  EXPECT_EQ(bundle->manifest->exporter.torch, "2.10");
  EXPECT_EQ(bundle->manifest->exporter.python, "3.13.5");
  ASSERT_EQ(bundle->cases.size(), 1U);
  EXPECT_EQ(bundle->cases[0].inputs.at("x").shape, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(bundle->model.size(), good().model.size());
}

TEST(Bundle, BareTorchScriptIsTakenAsItIs) {
  const std::string file = good().model;
  const auto bundle = open_bundle(bytes(file));
  ASSERT_TRUE(bundle);
  EXPECT_FALSE(bundle->manifest);
  EXPECT_EQ(bundle->model.size(), file.size());
}

TEST(Bundle, WithoutManifestSaysHowToPack) {
  const auto fault =
      fault_of(write_archive(ArchiveKind::kUstar, {{.name = "digits/model.yaml", .content = "x"}}));
  EXPECT_EQ(fault.reason, "InvalidBundle");
  EXPECT_THAT(fault.message, HasSubstr("no model.yaml at its top"));
  EXPECT_THAT(fault.remedy, HasSubstr("tar -cf"));
}

TEST(Bundle, EveryMembersDigestIsChecked) {
  for (const std::size_t index : {0, 1, 2}) {
    auto entries = testing::bundle_entries(good());
    entries[index].content.back() ^= 1;
    const auto fault = fault_of(write_archive(ArchiveKind::kUstar, entries));
    EXPECT_EQ(fault.reason, "InvalidBundle");
    EXPECT_THAT(fault.message, HasSubstr("\"" + entries[index].name + "\" is sha256:"));
  }
}

TEST(Bundle, HoldsExactlyTheFilesThatItLists) {
  auto entries = testing::bundle_entries(good());
  entries.push_back({.name = "extra", .content = "x"});
  EXPECT_THAT(fault_of(write_archive(ArchiveKind::kUstar, entries)).message,
              HasSubstr("\"extra\", which model.yaml does not list"));
  entries.pop_back();
  entries.erase(entries.begin() + 1);
  EXPECT_THAT(fault_of(write_archive(ArchiveKind::kUstar, entries)).message,
              HasSubstr("which the archive does not hold"));
}

TEST(Bundle, ModelThatIsNoTorchScriptIsUnsupported) {
  BundleText text = good();
  text.model = write_archive(ArchiveKind::kZip, {{.name = "archive/data.pkl", .content = "x"}});
  const auto fault = fault_of(testing::write_bundle(text));
  EXPECT_EQ(fault.reason, "UnsupportedFormat");
  EXPECT_THAT(fault.message, HasSubstr("in the bundle, model.pt: "));
  EXPECT_THAT(fault.message, HasSubstr("checkpoint"));
}

struct Wrong {
  const char* name;
  const char* from;
  const char* to;
  const char* reason;
  const char* says;
};

class WrongManifest : public ::testing::TestWithParam<Wrong> {};

TEST_P(WrongManifest, IsRefusedByName) {
  const auto fault = with(GetParam().from, GetParam().to);
  EXPECT_EQ(fault.reason, GetParam().reason);
  EXPECT_THAT(fault.message, HasSubstr(GetParam().says));
  EXPECT_NE(fault.remedy, "");
}

const Wrong kWrong[] = {
    {"OtherVersion", "dev/v1\n", "dev/v2\n", "UnsupportedFormat",
     "\"bundle.pilotlight.dev/v2\"; this release reads"},
    {"NoVersion", "apiVersion: ", "apiversion: ", "UnsupportedFormat", "apiVersion"},
    {"OtherFormat", "format: TorchScript", "format: Keras", "UnsupportedFormat",
     "\"Keras\" is not TorchScript, ONNX or AOTInductor"},
    {"FormatThatItIsNot", "format: TorchScript", "format: ONNX", "InvalidBundle",
     "format: ONNX, but \"model.pt\" is TorchScript"},
    {"NoFormat", "format: TorchScript\n", "", "InvalidBundle", "format: must be a string"},
    {"NotYaml", "name: test", "name: [", "InvalidBundle", "model.yaml, line"},
    {"Anchor", "name: test", "name: &a test", "InvalidBundle", "anchors are not accepted"},
    {"UnknownModelField", "  file: model.pt\n", "  file: model.pt\n  sha: x\n", "InvalidBundle",
     "model: unknown field \"sha\""},
    {"UnknownGoldenField", "absoluteTolerance", "absTolerance", "InvalidBundle", "golden: unknown field"},
    {"UnknownContractField", "datatype: FP32, shape: [-1, 2]", "dtype: FP32, shape: [-1, 2]",
     "InvalidContract", "unknown field \"dtype\""},
    {"UnknownDatatype", "datatype: FP32, shape: [-1, 2]", "datatype: float32, shape: [-1, 2]",
     "InvalidContract", "\"float32\" is not one of"},
    {"NoContract", "contract:\n", "kontract:\n", "InvalidBundle", "contract: is missing"},
    {"NegativeTolerance", "1.0e-3", "-1", "InvalidBundle", "golden.absoluteTolerance: must be a number"},
    {"TextTolerance", "1.0e-3", "tight", "InvalidBundle", "golden.absoluteTolerance: must be a number"},
    {"CaseWithSlash", "[one]", "[../one]", "InvalidBundle", "is no case name"},
    {"CaseTwice", "[one]", "[one, one]", "InvalidBundle", "\"one\" is there twice"},
    {"CaseWithoutFiles", "[one]", "[one, two]", "InvalidBundle", "golden/two/inputs.safetensors"},
    {"OtherModelFile", "file: model.pt", "file: other.pt", "InvalidBundle", "does not hold \"other.pt\""},
    {"ShortDigest", "model.pt: sha256:", "model.pt: sha256:0", "InvalidBundle",
     "files: \"model.pt\" must have sha256:"},
    {"ManifestListsItself", "files:\n",
     "files:\n  model.yaml: sha256:0000000000000000000000000000000000000000000000000000000000000000\n",
     "InvalidBundle", "model.yaml"},
};
INSTANTIATE_TEST_SUITE_P(All, WrongManifest, ::testing::ValuesIn(kWrong),
                         [](const auto& each) { return each.param.name; });

TEST(Bundle, BrokenGoldenFileIsNamed) {
  auto entries = testing::bundle_entries(good());
  const std::string old = sha256_text(bytes(entries[1].content));
  entries[1].content = "not safetensors, but long enough to be looked at";
  std::string& yaml = entries.back().content;
  yaml.replace(yaml.find(old), old.size(), sha256_text(bytes(entries[1].content)));
  EXPECT_THAT(fault_of(write_archive(ArchiveKind::kUstar, entries)).message,
              HasSubstr("\"golden/one/inputs.safetensors\": a header of"));
}

TEST(Sha256, IsThatOfTheStandard) {
  EXPECT_EQ(sha256_text(bytes("abc")),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_text({}), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(MappedFile, MapsByDescriptorAndRefusesWhatIsNoFile) {
  const int fd = ::memfd_create("file", MFD_CLOEXEC);
  EXPECT_TRUE(MappedFile::map(fd)->bytes().empty());
  ASSERT_EQ(::write(fd, "abc", 3), 3);
  const auto file = MappedFile::map(fd);
  ::close(fd);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->bytes().size(), 3U);
  EXPECT_EQ(file->bytes()[2], std::byte{'c'});
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  EXPECT_FALSE(MappedFile::map(ends[0]));
  ::close(ends[0]);
  ::close(ends[1]);
  EXPECT_FALSE(MappedFile::map(-1));
}

}  // namespace
}  // namespace pilotlight::engine
