# pilotlight_library(NAME SOURCES... DEPS...): a static library of one folder.
function(pilotlight_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC ${ARG_DEPS})
endfunction()

# pilotlight_test(NAME SOURCES... DEPS...): one GoogleTest program of one folder; its tests are
# found at ctest time, so that each has its own line and its own time-out.
find_package(GTest REQUIRED)
include(GoogleTest)
function(pilotlight_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  # LibTorch alone takes seconds to link on a busy machine.
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 120 PROPERTIES TIMEOUT 120)
endfunction()
