#include "sidecar/engine/bundle/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sidecar/engine/testing/archives.h"

namespace pilotlight::engine {
namespace {

using std::string_literals::operator""s;
using testing::ArchiveKind;
using testing::bytes;
using ::testing::HasSubstr;
using testing::write_archive;

std::string zip_of(const std::vector<std::string>& names) {
  std::vector<testing::Entry> entries;
  for (const auto& name : names) entries.push_back({.name = name, .content = "x"});
  return write_archive(ArchiveKind::kZip, entries);
}

// Small as a file, and 256 MiB when it is unpacked.
std::string zip_bomb() {
  return write_archive(ArchiveKind::kDeflatedZip,
                       {{.name = "m/code/x.py", .content = std::string(256 << 20, ' ')}});
}

TEST(Format, KnowsBundlesAndTorchScript) {
  EXPECT_TRUE(is_bundle(bytes(write_archive(ArchiveKind::kUstar, {{.name = "a", .content = "x"}}))));
  EXPECT_EQ(
      detect_format(bytes(zip_of({"model/data.pkl", "model/code/__torch__.py", "model/version"}))).value(),
      ModelFormat::kTorchScript);
}

struct Other {
  const char* name;
  std::string content;
  const char* says;
  const char* remedy;
};

class OtherFormat : public ::testing::TestWithParam<Other> {};

TEST_P(OtherFormat, IsNamed) {
  const auto format = detect_format(bytes(GetParam().content));
  ASSERT_FALSE(format);
  EXPECT_EQ(format.error().reason, "UnsupportedFormat");
  EXPECT_THAT(format.error().message, HasSubstr(GetParam().says));
  EXPECT_THAT(format.error().remedy, HasSubstr(GetParam().remedy));
}

const Other kOthers[] = {
    {"Empty", "", "an empty file", "Check that the URI"},
    {"LoginPage", "\n <!DOCTYPE html><html>", "an HTML page", "credentials"},
    {"HtmlWithMark", "\xef\xbb\xbf<html>", "an HTML page", "credentials"},
    {"S3Error", "<?xml version=\"1.0\"?><Error><Code>AccessDenied", "an XML document", "credentials"},
    {"JsonError", "{\"error\": \"not found\"}", "a JSON document", "URI"},
    {"GzippedTar", write_archive(ArchiveKind::kGzippedTar, {{.name = "a", .content = "x"}}), "a gzip archive",
     "bundles are uncompressed"},
    {"Zstd", "\x28\xb5\x2f\xfd....", "a zstd archive", "uncompressed"},
    {"Xz",
     "\xfd"
     "7zXZ\0...."s,
     "an xz archive", "uncompressed"},
    {"Pickle", "\x80\x04\x95....", "a Python pickle", "torch.jit.script"},
    {"Checkpoint", zip_of({"archive/data.pkl", "archive/data/0", "archive/version"}), "a PyTorch checkpoint",
     "torch.jit.script"},
    {"ExportedProgram", zip_of({"m/archive_format", "m/data/aotinductor/model/x.so"}), "torch.export",
     "torch.jit.script"},
    {"OtherZip", zip_of({"word/document.xml"}), "a ZIP archive that PyTorch did not write",
     "torch.jit.script"},
    {"ZipWithANameTwice", zip_of({"m/code/x.py", "m/data.pkl", "m/data.pkl"}), "the same name twice", ""},
    {"ZipThatLeadsElsewhere", zip_of({"m/code/x.py", "m/../../x"}), "a name with \"..\"", ""},
    {"ZipBomb", zip_bomb(), "expand to far more than the file", ""},
    {"Keras", "\x89HDF\r\n\x1a\n", "an HDF5 file", "torch.jit.script"},
    {"Safetensors", testing::write_safetensors({testing::floats("w", {1}, {1})}), "safetensors",
     "torch.jit.script"},
    {"LfsPointer", "version https://git-lfs.github.com/spec/v1\noid sha256:", "a Git LFS pointer",
     "git lfs pull"},
    {"Noise", "\xde\xad\xbe\xef", "neither an archive nor any model format", "torch.jit.script"},
    {"DamagedZip", "PK\3\4" + std::string(100, '\xff'), "a ZIP archive that is damaged", "again"},
};
INSTANTIATE_TEST_SUITE_P(All, OtherFormat, ::testing::ValuesIn(kOthers),
                         [](const auto& each) { return each.param.name; });

TEST(Format, ABundleIsNoModel) {
  EXPECT_FALSE(detect_format(bytes(write_archive(ArchiveKind::kUstar, {}))));
}

}  // namespace
}  // namespace pilotlight::engine
