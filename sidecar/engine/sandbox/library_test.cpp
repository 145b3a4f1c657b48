// The one library that may be loaded in the sandbox: what can be done with it, and what cannot.

#include "sidecar/engine/sandbox/library.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <iterator>
#include <optional>

#include "sidecar/engine/sandbox/probe.h"
#include "sidecar/engine/sandbox/violation.h"

namespace pilotlight::engine::sandbox {
namespace {

using testing::Outcome;
using testing::returned;
using testing::violation;

// A real one, which answer() of which is 42.
std::string real_library() {
  std::ifstream file(PILOTLIGHT_LIBRARY, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool write(int library, const std::string& content) {
  return write_library(library, content.size(), [&](std::span<std::byte> to) {
    std::ranges::copy(std::as_bytes(std::span(content)), to.begin());
    return true;
  });
}

int errno_of(long result) {
  return result == -1 ? errno : 0;
}

class LibrarySandbox : public ::testing::Test {
 protected:
  Outcome attempt(const std::function<int()>& what) const {
    return testing::attempt(what, {.socket = -1, .library = library_.get()});
  }
  // In one that has just been filled.
  Outcome attempt_when_written(const std::function<int()>& what) {
    library_ = create_library().value();
    return attempt([&] { return write(library_.get(), "content") ? what() : kNotWritten; });
  }
  [[nodiscard]] std::string name() const { return library_name(library_.get()); }

  static constexpr int kNotWritten = 99;
  wire::UniqueFd library_ = create_library().value();
};

TEST_F(LibrarySandbox, IsLoadedAndRuns) {
  const std::string content = real_library();
  ASSERT_FALSE(content.empty());
  EXPECT_EQ(attempt([&] {
              if (!write(library_.get(), content)) return 1;
              std::optional<LibraryAccess> access(library_.get());
              void* loaded = ::dlopen(name().c_str(), RTLD_NOW | RTLD_LOCAL);
              access.reset();
              if (loaded == nullptr) return 2;
              const auto answer = reinterpret_cast<int (*)()>(::dlsym(loaded, "answer"));
              return answer == nullptr ? 3 : answer();
            }),
            returned(42));
}

TEST_F(LibrarySandbox, ItsConstructorsAreInsideAsWell) {
  const std::string content = real_library();
  EXPECT_EQ(attempt([&] {
              // Told by the environment, which its constructor reads.
              ::setenv("PILOTLIGHT_TEST_UNLINKS", "1", 1);
              if (!write(library_.get(), content)) return 1;
              const LibraryAccess access(library_.get());
              return ::dlopen(name().c_str(), RTLD_NOW) == nullptr ? 2 : 0;
            }),
            violation("unlink", "change the file system"));
}

TEST_F(LibrarySandbox, CanBeOpenedWhileThatIsGrantedAndByItsNameOnly) {
  EXPECT_EQ(attempt([&] { return errno_of(::open(name().c_str(), O_RDONLY)); }), returned(EACCES));
  EXPECT_EQ(attempt([&] {
              const LibraryAccess access(library_.get());
              return ::open(name().c_str(), O_RDONLY) == kOpenedLibrary ? 0 : 1;
            }),
            returned(0));
  EXPECT_EQ(attempt([&] {
              {
                const LibraryAccess access(library_.get());
              }
              return errno_of(::open(name().c_str(), O_RDONLY));
            }),
            returned(EACCES));
  EXPECT_EQ(attempt([&] {
              const LibraryAccess access(library_.get());
              return errno_of(::open("/etc/passwd", O_RDONLY));
            }),
            returned(EACCES));
  EXPECT_EQ(attempt([&] {
              const LibraryAccess access(library_.get());
              return errno_of(::open((name() + "/../0").c_str(), O_RDONLY));
            }),
            returned(EACCES));
  EXPECT_EQ(attempt([&] {
              const LibraryAccess access(library_.get());
              return errno_of(::open(name().c_str(), O_RDWR));
            }),
            violation("openat", "open a file for writing"));
}

TEST_F(LibrarySandbox, IsReadFromItsBeginningEachTime) {
  EXPECT_EQ(attempt_when_written([&] {
              const LibraryAccess access(library_.get());
              char first = 0;
              for (int i = 0; i < 2; ++i) {
                const int opened = ::open(name().c_str(), O_RDONLY);
                if (::read(opened, &first, 1) != 1 || first != 'c') return 2;
                ::close(opened);
              }
              return 0;
            }),
            returned(0));
}

TEST_F(LibrarySandbox, NeverChangesOnceItIsWritten) {
  EXPECT_EQ(attempt_when_written([&] { return write(library_.get(), "another") ? 1 : 0; }), returned(0));
  EXPECT_EQ(attempt_when_written([&] { return errno_of(::ftruncate(library_.get(), 1)); }), returned(EPERM));
  EXPECT_EQ(attempt_when_written([&] {
              const void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, library_.get(), 0);
              return page == MAP_FAILED ? errno : 0;
            }),
            returned(EPERM));
  const Outcome written = attempt_when_written([&] { return errno_of(::write(library_.get(), "x", 1)); });
  // Where standard output is no file, no file may be written to at all.
  EXPECT_TRUE(written == returned(EPERM) || written.signal == SIGXFSZ) << ::testing::PrintToString(written);
}

TEST_F(LibrarySandbox, CannotBeEmptyOrOfAnySize) {
  EXPECT_EQ(attempt([&] { return write_library(library_.get(), 0, [](auto) { return true; }) ? 1 : 0; }),
            returned(0));
  EXPECT_EQ(attempt([&] {
              return write_library(library_.get(), std::uint64_t{1} << 50, [](auto) { return true; }) ? 1 : 0;
            }),
            returned(0));
}

TEST_F(LibrarySandbox, NothingElseBecomesExecutableOrIsCut) {
  const std::string purpose = "map executable memory";
  const auto executable = [](int file) {
    return [file] {
      return ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0) == MAP_FAILED ? 1 : 0;
    };
  };
  const wire::UniqueFd other(::memfd_create("other", 0));
  EXPECT_EQ(attempt(executable(other.get())), violation("mmap", purpose));
  EXPECT_EQ(attempt(executable(library_.get())), violation("mmap", purpose));
  EXPECT_EQ(
      attempt([] { return ::mmap(nullptr, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ? 1 : 0; }),
      violation("mmap", purpose));
  EXPECT_EQ(attempt([&] { return errno_of(::ftruncate(other.get(), 1)); }),
            violation("ftruncate", "change the file system"));
  EXPECT_EQ(attempt([&] { return errno_of(::fcntl(other.get(), F_ADD_SEALS, F_SEAL_GROW)); }).call, "fcntl");
}

TEST_F(LibrarySandbox, NothingElseIsDuplicated) {
  const wire::UniqueFd other(::memfd_create("other", 0));
  EXPECT_EQ(attempt([&] { return errno_of(::fcntl(other.get(), F_DUPFD_CLOEXEC, kOpenedLibrary)); }).call,
            "fcntl");
  EXPECT_EQ(attempt([&] { return errno_of(::fcntl(library_.get(), F_DUPFD_CLOEXEC, 4)); }).call, "fcntl");
  EXPECT_EQ(attempt([&] { return errno_of(::fcntl(library_.get(), F_DUPFD, kOpenedLibrary)); }).call,
            "fcntl");
  EXPECT_EQ(attempt([&] { return errno_of(::dup2(other.get(), kOpenedLibrary)); }).exit, kViolationExit);
}

// An engine for other models has none.
TEST_F(LibrarySandbox, WithoutOneItsNameIsAFileLikeAnyOther) {
  EXPECT_EQ(testing::attempt([&] {
              const LibraryAccess access(library_.get());
              return errno_of(::open(name().c_str(), O_RDONLY));
            }),
            returned(EACCES));
}

TEST_F(LibrarySandbox, WhatCannotBeFilledIsNotSealed) {
  EXPECT_FALSE(write_library(library_.get(), 5, [](auto) { return false; }));
  EXPECT_EQ(::fcntl(library_.get(), F_GET_SEALS), 0);
}

}  // namespace
}  // namespace pilotlight::engine::sandbox
