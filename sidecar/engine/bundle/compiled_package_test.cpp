#include "sidecar/engine/bundle/compiled_package.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sidecar/engine/testing/archives.h"
#include "sidecar/engine/testing/compiled.h"

namespace pilotlight::engine {
namespace {

using testing::ArchiveKind;
using testing::bytes;
using testing::compiled_entries;
using testing::CompiledText;
using testing::Entry;
using ::testing::HasSubstr;
using testing::write_archive;

Fault package_fault_of(const std::vector<Entry>& entries) {
  const std::string file = write_archive(ArchiveKind::kZip, entries);
  const auto package = read_package(bytes(file));
  return package ? Fault{} : package.error();
}

std::vector<Entry> without(const std::string& end) {
  auto entries = compiled_entries({});
  std::erase_if(entries, [&](const Entry& entry) { return entry.name.ends_with(end); });
  return entries;
}

std::vector<Entry> entries_with(Entry more) {
  auto entries = compiled_entries({});
  entries.push_back(std::move(more));
  return entries;
}

TEST(CompiledPackage, ItsLibraryIsFoundAndUnpacked) {
  for (const auto kind : {ArchiveKind::kZip, ArchiveKind::kDeflatedZip}) {
    for (const char* top : {"", "model/"}) {
      const std::string library(100'000, 'l');
      const std::string file =
          write_archive(kind, compiled_entries({.library = library, .instructions = "AVX512", .top = top}));
      const auto package = read_package(bytes(file));
      ASSERT_TRUE(package) << package.error().message;
      EXPECT_EQ(package->library, top + std::string("data/aotinductor/model/model.so"));
      EXPECT_EQ(package->instructions, "AVX512");
      ASSERT_EQ(package->inputs.size(), 1U);
      EXPECT_EQ(package->inputs[0].name, "x");
      std::string unpacked(package->library_bytes, '\0');
      EXPECT_TRUE(unpack_library(bytes(file), *package, std::as_writable_bytes(std::span(unpacked))));
      EXPECT_EQ(unpacked, library);
      std::string shorter(package->library_bytes - 1, '\0');
      EXPECT_FALSE(unpack_library(bytes(file), *package, std::as_writable_bytes(std::span(shorter))));
    }
  }
}

TEST(CompiledPackage, SourcesAreNotCompiled) {
  auto entries = without(".so");
  entries.push_back({.name = "data/aotinductor/model/x_compile_flags.json", .content = "{}"});
  const auto fault = package_fault_of(entries);
  EXPECT_EQ(fault.reason, "UnsupportedFormat");
  EXPECT_THAT(fault.message, HasSubstr("sources to be compiled (x_compile_flags.json)"));
  EXPECT_THAT(fault.message, HasSubstr("nothing is ever compiled here"));
  EXPECT_THAT(fault.remedy, HasSubstr("package_cpp_only"));
}

TEST(CompiledPackage, OneLibraryAndNoOther) {
  EXPECT_THAT(package_fault_of(without(".so")).message, HasSubstr("holds no compiled library"));
  EXPECT_THAT(
      package_fault_of(entries_with({.name = "data/aotinductor/other/other.so", .content = "x"})).message,
      HasSubstr("holds 2 libraries"));
  // What lies elsewhere is none.
  EXPECT_EQ(package_fault_of(entries_with({.name = "extra/other.so", .content = "x"})).message, "");
  EXPECT_EQ(package_fault_of(entries_with({.name = "data/aotinductor/other.so", .content = "x"})).message,
            "");
}

TEST(CompiledPackage, OperatorsThatAreInterpretedAreNamed) {
  EXPECT_THAT(
      package_fault_of(entries_with({.name = "data/aotinductor/model/model.json", .content = "{}"})).message,
      HasSubstr("operators that are not compiled into it (model.json)"));
}

TEST(CompiledPackage, WhatItsMetadataMustSay) {
  const auto message = [](const CompiledText& text) {
    return package_fault_of(compiled_entries(text)).message;
  };
  EXPECT_THAT(message({.device = "cuda"}), HasSubstr("compiled for the device \"cuda\""));
  EXPECT_THAT(message({.instructions = ""}), HasSubstr("AOTI_CPU_ISA"));
  EXPECT_THAT(message({.inputs = ""}), HasSubstr("PILOTLIGHT_INPUTS"));
  EXPECT_THAT(message({.inputs = "{}"}), HasSubstr("PILOTLIGHT_INPUTS, inputs must be a list"));
  EXPECT_THAT(package_fault_of(without("_metadata.json")).message, HasSubstr("0 files of metadata"));
  EXPECT_THAT(
      package_fault_of(entries_with({.name = "data/aotinductor/model/a_metadata.json", .content = "{}"}))
          .message,
      HasSubstr("2 files of metadata"));
  auto entries = without("_metadata.json");
  entries.push_back({.name = "data/aotinductor/model/m_metadata.json", .content = "[1]"});
  EXPECT_THAT(package_fault_of(entries).message, HasSubstr("no JSON object"));
  entries.back().content = std::string((1 << 20) + 1, ' ');
  EXPECT_THAT(package_fault_of(entries).message, HasSubstr("metadata of more than 1 MiB"));
}

TEST(CompiledPackage, WhatIsCutOffIsDamaged) {
  const std::string whole = write_archive(ArchiveKind::kZip, compiled_entries({}));
  const std::size_t end = whole.find("PK\5\6");  // of the directory
  for (const std::size_t size : {std::size_t{1}, end / 2, end - 1}) {
    const auto package = read_package(bytes(whole).first(size));
    ASSERT_FALSE(package) << size << " of " << whole.size();
    EXPECT_THAT(package.error().message, HasSubstr("damaged"));
  }
}

}  // namespace
}  // namespace pilotlight::engine
