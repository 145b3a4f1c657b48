# pilotlight_library(NAME SOURCES... DEPS...): a static library of one folder.
function(pilotlight_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC ${ARG_DEPS})
endfunction()

# pilotlight_test(NAME SOURCES... DEPS...): one GoogleTest program of one folder; its tests are
# found at ctest time, so that each has its own line and its own time-out.
if(BUILD_TESTING)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
function(pilotlight_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main)
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
