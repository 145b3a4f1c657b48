#include "sidecar/engine/bundle/elf_file.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "sidecar/engine/testing/archives.h"
#include "sidecar/engine/testing/elf.h"

namespace pilotlight::engine {
namespace {

using testing::bytes;
using ::testing::HasSubstr;

std::string elf_error_of(const std::string& file) {
  const auto read = read_elf(bytes(file));
  return read ? "" : read.error();
}

TEST(ElfFile, ALibraryOfThisProcessorIsKnown) {
  EXPECT_TRUE(read_elf(bytes(testing::elf({}))).value().for_this_processor);
  EXPECT_FALSE(read_elf(bytes(testing::elf({.machine = EM_S390}))).value().for_this_processor);
}

TEST(ElfFile, WhatIsNoLibraryIsTold) {
  EXPECT_THAT(elf_error_of(""), HasSubstr("does not begin as an ELF file does"));
  EXPECT_THAT(elf_error_of(std::string(100, 'x')), HasSubstr("does not begin as an ELF file does"));
  EXPECT_THAT(elf_error_of(testing::elf({.kind = ET_EXEC})), HasSubstr("no shared library"));
  EXPECT_THAT(elf_error_of(testing::elf({.bits = ELFCLASS32})), HasSubstr("no shared library"));
}

TEST(ElfFile, ASegmentThatIsNotInTheFileIsTold) {
  const std::string whole = testing::elf({});
  for (std::size_t size = sizeof(Elf64_Ehdr); size < whole.size(); size += 8) {
    EXPECT_THAT(elf_error_of(whole.substr(0, size)), HasSubstr("cut off")) << size;
  }
  EXPECT_THAT(elf_error_of(testing::elf({.segment_bytes = UINT64_MAX})), HasSubstr("cut off"));
  EXPECT_THAT(elf_error_of(testing::elf({.segments_at = UINT64_MAX - 8})), HasSubstr("cut off"));
  EXPECT_THAT(elf_error_of(testing::elf({.segments = 1000})), HasSubstr("too many segments"));
}

}  // namespace
}  // namespace pilotlight::engine
