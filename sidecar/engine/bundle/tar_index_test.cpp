#include "sidecar/engine/bundle/tar_index.h"

#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sidecar/engine/testing/archives.h"

namespace pilotlight::engine {
namespace {

using testing::ArchiveKind;
using testing::bytes;
using testing::Entry;
using ::testing::HasSubstr;
using testing::write_archive;

std::string text(std::span<const std::byte> data) {
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

std::string error_of(const std::string& archive) {
  const auto members = index_tar(bytes(archive));
  if (members) return "";
  EXPECT_EQ(members.error().reason, "InvalidBundle");
  EXPECT_NE(members.error().remedy, "");
  return members.error().message;
}

std::string error_of(const Entry& entry, ArchiveKind kind = ArchiveKind::kPax) {
  return error_of(write_archive(kind, {{.name = "first", .content = "x"}, entry}));
}

class EveryTar : public ::testing::TestWithParam<ArchiveKind> {};

TEST_P(EveryTar, IsIndexedInPlace) {
  const std::string long_name = "golden/" + std::string(90, 'n') + "/" + std::string(90, 'm');
  const std::string archive = write_archive(
      GetParam(), {{.name = "model.yaml", .content = "a: 1\n"},
                   {.name = "golden",
                    .content = "",
                    .change = [](archive_entry* e) { archive_entry_set_filetype(e, AE_IFDIR); }},
                   {.name = "./golden/empty", .content = ""},
                   {.name = long_name, .content = std::string(100'000, 'z')},
                   {.name = "last", .content = "end"}});
  const auto members = index_tar(bytes(archive));
  ASSERT_TRUE(members) << members.error().message;
  ASSERT_EQ(members->size(), 4U);
  EXPECT_EQ(text(members->at("model.yaml")), "a: 1\n");
  EXPECT_EQ(text(members->at("golden/empty")), "");
  EXPECT_EQ(text(members->at(long_name)), std::string(100'000, 'z'));
  EXPECT_EQ(text(members->at("last")), "end");
  const auto* data = reinterpret_cast<const char*>(members->at("last").data());
  EXPECT_TRUE(data > archive.data() && data < archive.data() + archive.size());
}
INSTANTIATE_TEST_SUITE_P(Kinds, EveryTar,
                         ::testing::Values(ArchiveKind::kUstar, ArchiveKind::kPax, ArchiveKind::kGnuTar));

// Of the first header, as tar computes it.
void mend_checksum(std::string& archive) {
  archive.replace(148, 8, "        ");
  unsigned sum = 0;
  for (std::size_t i = 0; i < 512; ++i) sum += static_cast<unsigned char>(archive[i]);
  std::array<char, 9> octal{};
  std::snprintf(octal.data(), octal.size(), "%06o", sum);
  archive.replace(148, 7, std::string(octal.data(), 7));
}

TEST(Tar, RefusesLinksAndSpecialFiles) {
  EXPECT_THAT(error_of({.name = "link",
                        .content = "",
                        .change =
                            [](archive_entry* e) {
                              archive_entry_set_filetype(e, AE_IFLNK);
                              archive_entry_set_symlink(e, "/etc/passwd");
                            }}),
              HasSubstr("\"link\" is a symbolic link"));
  EXPECT_THAT(error_of({.name = "link",
                        .content = "",
                        .change = [](archive_entry* e) { archive_entry_set_hardlink(e, "first"); }}),
              HasSubstr("\"link\" is a hard link"));
  EXPECT_THAT(error_of({.name = "dev",
                        .content = "",
                        .change = [](archive_entry* e) { archive_entry_set_filetype(e, AE_IFCHR); }}),
              HasSubstr("\"dev\" is a device or another special file"));
  EXPECT_THAT(error_of({.name = "pipe",
                        .content = "",
                        .change = [](archive_entry* e) { archive_entry_set_filetype(e, AE_IFIFO); }}),
              HasSubstr("special file"));
}

TEST(Tar, RefusesSparseFiles) {
  EXPECT_THAT(error_of({.name = "holes",
                        .content = std::string(8192, 'x'),
                        .change = [](archive_entry* e) { archive_entry_sparse_add_entry(e, 4096, 512); }}),
              HasSubstr("\"holes\" is a sparse file"));
}

TEST(Tar, RefusesAMemberWhoseSizeIsNotThatOfWhatIsStored) {
  // As a sparse file of which 7 bytes are stored: read in place, a larger one would run into the next member.
  for (const std::string size : {"1024", "0006", "0000"}) {
    std::string archive = write_archive(
        ArchiveKind::kUstar, {{.name = "attributes", .content = "28 GNU.sparse.realsize=" + size + "\n"},
                              {.name = "a", .content = "content"},
                              {.name = "b", .content = std::string(2000, 'b')}});
    archive[156] = 'x';
    mend_checksum(archive);
    EXPECT_THAT(error_of(archive), HasSubstr("bytes is cut off, or sparse")) << size;
  }
}

TEST(Tar, RefusesNamesThatLeadElsewhere) {
  EXPECT_THAT(error_of({.name = "/etc/passwd", .content = "x"}), HasSubstr("absolute name"));
  EXPECT_THAT(error_of({.name = "../up", .content = "x"}), HasSubstr("has \"..\" in it"));
  EXPECT_THAT(error_of({.name = "a/../../up", .content = "x"}), HasSubstr("has \"..\" in it"));
  EXPECT_THAT(error_of({.name = ".//etc/passwd", .content = "x"}), HasSubstr("absolute name"));
  EXPECT_THAT(error_of({.name = "a//b", .content = "x"}), HasSubstr("a//b"));
  EXPECT_THAT(error_of({.name = "a\nb", .content = "x"}), HasSubstr("control characters"));
  EXPECT_EQ(error_of({.name = "a..b/..c", .content = "x"}), "");
}

TEST(Tar, RefusesTheSameNameTwice) {
  EXPECT_THAT(error_of({.name = "first", .content = "y"}), HasSubstr("\"first\" is there twice"));
  EXPECT_THAT(error_of({.name = "./first", .content = "y"}), HasSubstr("\"first\" is there twice"));
}

TEST(Tar, RefusesTooManyMembers) {
  std::vector<Entry> entries(kMaxMembers);
  for (std::size_t i = 0; i < entries.size(); ++i) entries[i].name = "m" + std::to_string(i);
  EXPECT_EQ(error_of(write_archive(ArchiveKind::kUstar, entries)), "");
  entries.push_back({.name = "one", .content = ""});
  EXPECT_THAT(error_of(write_archive(ArchiveKind::kUstar, entries)), HasSubstr("more than 1024 members"));
}

TEST(Tar, CutOffAnywhereIsRefusedOrHoldsOnlyWholeMembers) {
  const std::string archive = write_archive(
      ArchiveKind::kUstar, {{.name = "a", .content = std::string(700, 'a')}, {.name = "b", .content = "bb"}});
  for (std::size_t size = 513; size < 2 * 512 + 700; size += 37) {
    EXPECT_NE(error_of(archive.substr(0, size)), "") << size;
  }
  EXPECT_NE(error_of(archive.substr(0, 3 * 512 + 513)), "");
}

TEST(Tar, WithAHeaderThatPromisesMoreThanThereIsIsRefused) {
  std::string archive = write_archive(ArchiveKind::kUstar, {{.name = "a", .content = "aaaa"}});
  archive.replace(124, 11, "77777777777");  // 8 GiB
  mend_checksum(archive);
  EXPECT_THAT(error_of(archive), HasSubstr("is cut off"));
}

}  // namespace
}  // namespace pilotlight::engine
