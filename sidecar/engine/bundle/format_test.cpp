#include "sidecar/engine/bundle/format.h"

#include <archive_entry.h>
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

constexpr std::string_view kLocal = "PK\3\4";
constexpr std::string_view kCentral = "PK\1\2";

// The ZIP with some bytes written over what is there, so far behind the first of these marks.
std::string patched(std::string zip, std::string_view mark, std::size_t behind, std::string_view bytes) {
  const auto at = zip.find(mark);
  if (at == std::string::npos) throw std::runtime_error("no such part of a ZIP");
  return zip.replace(at + behind, bytes.size(), bytes);
}

std::string good_zip() {
  return zip_of({"m/code/x.py", "m/data.pkl", "m/version"});
}

std::string encrypted_zip() {
  return patched(patched(good_zip(), kLocal, 6, "\1"), kCentral, 8, "\1");
}

constexpr std::string_view kTwoGigabytes = "\xff\xff\xff\x7f";
constexpr std::string_view kInZip64 = "\xff\xff\xff\xff";

std::string zip_with_a_link() {
  return write_archive(ArchiveKind::kZip,
                       {{.name = "m/code/x.py", .content = "x"},
                        {.name = "m/data.pkl", .content = "", .change = [](archive_entry* entry) {
                           archive_entry_set_filetype(entry, AE_IFLNK);
                           archive_entry_set_symlink(entry, "/etc/passwd");
                         }}});
}

std::string zip_of_many() {
  std::vector<std::string> names = {"m/code/x.py"};
  for (int i = 0; i < 1 << 16; ++i) names.push_back("m/" + std::to_string(i));
  return zip_of(names);
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

TEST(Format, KnowsMachineCode) {
  for (const char* top : {"", "model/"}) {
    const std::string folder = top + std::string("data/aotinductor/model/");
    EXPECT_EQ(detect_format(bytes(zip_of({top + std::string("archive_format"), folder + "x.so"}))).value(),
              ModelFormat::kAotInductor);
  }
}

struct Other {
  const char* name;
  std::string content;
  const char* says;
  const char* remedy;
  std::string (*make)() =
      nullptr;  // the content, if that takes long: every run of any test here makes the table
};

class OtherFormat : public ::testing::TestWithParam<Other> {};

TEST_P(OtherFormat, IsNamed) {
  const std::string content = GetParam().make ? GetParam().make() : GetParam().content;
  const auto format = detect_format(bytes(content));
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
    {"ExportedProgram", zip_of({"m/archive_format", "m/models/model.json"}), "torch.export.save",
     "compiled, as AOTInductor"},
    {"OlderExportedProgram", zip_of({"version", "serialized_exported_program.json"}), "torch.export.save",
     "compiled, as AOTInductor"},
    {"OtherZip", zip_of({"word/document.xml"}), "a ZIP archive that PyTorch did not write",
     "torch.jit.script"},
    {"ZipWithANameTwice", zip_of({"m/code/x.py", "m/data.pkl", "m/data.pkl"}), "the same name twice", ""},
    {"ZipThatLeadsElsewhere", zip_of({"m/code/x.py", "m/../../x"}), "a name with \"..\"", ""},
    {"ZipWithAnAbsoluteName", zip_of({"m/code/x.py", "/etc/passwd"}), "an absolute name", ""},
    {"ZipWithALink", zip_with_a_link(), "an entry that is no file", ""},
    {"ZipThatIsEncrypted", encrypted_zip(), "encrypted entries", ""},
    {"ZipOfMany", "", "more than 65536 entries", "", zip_of_many},
    {"ZipWithTwoSizesForAnEntry", patched(good_zip(), kCentral, 24, kTwoGigabytes),
     "expand to far more than the file", ""},
    {"ZipThatLiesAboutASize",
     patched(patched(good_zip(), kCentral, 24, kTwoGigabytes), kLocal, 22, kTwoGigabytes),
     "expand to far more than the file", ""},
    {"ZipThatSaysToHaveZip64Sizes",
     patched(patched(good_zip(), kCentral, 24, kInZip64), kLocal, 22, kInZip64),
     "expand to far more than the file", ""},
    {"ZipWhoseEntryIsElsewhere", patched(good_zip(), kCentral, 42, "\x20"), "a ZIP archive that is damaged",
     "again"},
    {"ZipWithAnotherNameInItsDirectory", patched(good_zip(), kCentral, 46, "m/code/y.py"),
     "other names in its directory", ""},
    {"ZipWithAnotherNameAtItsEntry", patched(good_zip(), kLocal, 30, "m/code/y.py"),
     "other names in its directory", ""},
    {"ZipBomb", "", "expand to far more than the file", "", zip_bomb},
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
