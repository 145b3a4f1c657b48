# Warnings are errors everywhere: a warning that stays is one that nobody reads.
add_compile_options(-Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers)
option(PILOTLIGHT_WERROR "Treat warnings as errors" ON)
if(PILOTLIGHT_WERROR)
  add_compile_options(-Werror)
endif()

set(PILOTLIGHT_SANITIZE "" CACHE STRING "Sanitizers, e.g. address,undefined or thread")
if(PILOTLIGHT_SANITIZE)
  add_compile_options(-fsanitize=${PILOTLIGHT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${PILOTLIGHT_SANITIZE})
  # Its on-demand reader tells what was read out of order, which is undefined and does not show otherwise.
  add_compile_definitions(SIMDJSON_DEVELOPMENT_CHECKS=1)
  # The sanitizers' own code hides from GCC what the standard library has initialised.
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()

# Several sources are compiled as one then, and to GCC all but the first look like headers, which should not have
# types of their own.
if(CMAKE_UNITY_BUILD)
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
endif()

find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
  # Clang writes into a precompiled header when each file in it was last changed: no two checkouts would share one.
  add_compile_options("$<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>")
endif()

# Every path in the repository is included from its root: #include "operator/plan/plan.h".
include_directories(${CMAKE_SOURCE_DIR})

option(BUILD_TESTING "Build the tests, too" ON)
