# pilotlight_library(NAME SOURCES... DEPS...): a static library of one folder, built if a program or a test needs it.
function(pilotlight_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC EXCLUDE_FROM_ALL ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC ${ARG_DEPS})
endfunction()

# pilotlight_test(NAME [SANDBOXED] [BUSY] [PCH target] SOURCES... DEPS...): one GoogleTest program of one folder; its tests are
# found at ctest time, so that each has its own line and its own time-out.
# PCH: whose precompiled headers it has; test_pch if nothing is said, `none` for one with compile options of its own.
# SANDBOXED: all its tests are of the engine's sandbox, which forbids system calls that the sanitizers make. So a build
# can be without these tests, or have them alone: then only the target `sandboxed` builds them.
# BUSY: for minutes, a fifth of them in the C library's allocator; it gets a quicker one.
set(PILOTLIGHT_TESTS "all" CACHE STRING "Which tests there are: all, sandboxed, or the others")
if(NOT PILOTLIGHT_TESTS MATCHES "^(all|sandboxed|others)$")
  message(FATAL_ERROR "PILOTLIGHT_TESTS is all, sandboxed or others, not '${PILOTLIGHT_TESTS}'")
endif()
if(BUILD_TESTING)
  find_package(GTest REQUIRED)
  include(GoogleTest)
  add_custom_target(sandboxed)
  # What nearly every test includes, read once.
  add_library(test_pch OBJECT EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/cmake/test_pch.cpp)
  target_link_libraries(test_pch PUBLIC GTest::gmock)
  target_precompile_headers(test_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/test_pch.h)
endif()
function(pilotlight_test name)
  cmake_parse_arguments(ARG "SANDBOXED;BUSY" "PCH" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  if(CMAKE_UNITY_BUILD)
    target_compile_options(${name} PRIVATE -Wno-shadow)  # of what another test has named; `dev` compiles each by itself
  endif()
  if(NOT ARG_PCH)
    set(ARG_PCH test_pch)
  endif()
  if(NOT ARG_PCH STREQUAL none)
    target_precompile_headers(${name} REUSE_FROM ${ARG_PCH})
  endif()
  if(ARG_BUSY AND NOT PILOTLIGHT_SANITIZE)
    target_link_libraries(${name} PRIVATE jemalloc)
  endif()
  if(ARG_SANDBOXED)
    set(kind sandboxed)
    add_dependencies(sandboxed ${name})
  else()
    set(kind others)
  endif()
  if(PILOTLIGHT_TESTS STREQUAL sandboxed OR NOT PILOTLIGHT_TESTS MATCHES "^(all|${kind})$")
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
  endif()
  if(NOT PILOTLIGHT_TESTS MATCHES "^(all|${kind})$")
    return()
  endif()
  # LibTorch alone takes seconds to link on a busy machine.
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 120 PROPERTIES TIMEOUT 120)
endfunction()

# pilotlight_fuzzer(NAME SOURCES... DEPS...): one fuzzer of one parser, beside it as x_fuzz.cpp. Only in the preset
# `fuzz`; the target `fuzzers` is all of them, and what they need: not LibTorch.
option(PILOTLIGHT_FUZZ "Build the fuzzers (with Clang)" OFF)
if(PILOTLIGHT_FUZZ)
  add_custom_target(fuzzers)
endif()
function(pilotlight_fuzzer name)
  if(NOT PILOTLIGHT_FUZZ)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} pilotlight_fuzz)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  add_dependencies(fuzzers ${name})
endfunction()
