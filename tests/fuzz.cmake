# tests/fuzz/NAME.cpp is a libFuzzer target. Its first lines name the sources of
# Terrace that it needs, none of which may need CAF:
#   // sources: tiers/codec.cpp messages/errc.cpp
# They are compiled with clang apart from everything else, since only clang has
# libFuzzer. The ctest fuzz.NAME is a short run, tools/fuzz a long one.

file(GLOB fuzzers CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/*.cpp)
if(NOT fuzzers)
  return()
endif()

find_program(CLANGXX NAMES clang++-14 clang++-18 clang++)
set(fuzz_flags -std=c++20 -O1 -g -fno-omit-frame-pointer
    -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
    -I${CMAKE_SOURCE_DIR})
set(fuzz_dir ${CMAKE_BINARY_DIR}/fuzz)

# The compiler may be there without the runtime library of libFuzzer.
if(CLANGXX AND NOT EXISTS ${fuzz_dir}/probe)
  file(WRITE ${fuzz_dir}/probe.cpp
       "#include <cstddef>\n#include <cstdint>\n"
       "extern \"C\" int LLVMFuzzerTestOneInput(const std::uint8_t*, std::size_t) {\n"
       "  return 0;\n}\n")
  execute_process(COMMAND ${CLANGXX} ${fuzz_flags} ${fuzz_dir}/probe.cpp
                  -o ${fuzz_dir}/probe OUTPUT_QUIET ERROR_QUIET)
endif()
if(NOT EXISTS ${fuzz_dir}/probe)
  message(WARNING "No clang++ with libFuzzer here: the fuzz tests are left out. "
          "tools/setup installs it.")
  return()
endif()

# Compiles one source for fuzzing, once for all targets that need it.
function(terrace_fuzz_object source result)
  set(object ${fuzz_dir}/${source}.o)
  get_property(known GLOBAL PROPERTY TERRACE_FUZZ_OBJECTS)
  if(NOT object IN_LIST known)
    get_filename_component(folder ${object} DIRECTORY)
    file(MAKE_DIRECTORY ${folder})
    add_custom_command(OUTPUT ${object}
      COMMAND ${CLANGXX} ${fuzz_flags} -MD -MF ${object}.d
              -c ${CMAKE_SOURCE_DIR}/${source} -o ${object}
      DEPENDS ${CMAKE_SOURCE_DIR}/${source} DEPFILE ${object}.d
      COMMENT "Building fuzz object ${source}")
    set_property(GLOBAL APPEND PROPERTY TERRACE_FUZZ_OBJECTS ${object})
  endif()
  set(${result} ${object} PARENT_SCOPE)
endfunction()

add_custom_target(fuzz ALL)
foreach(fuzzer ${fuzzers})
  get_filename_component(name ${fuzzer} NAME_WE)
  file(STRINGS ${fuzzer} lines REGEX "^// sources: ")
  if(NOT lines)
    message(FATAL_ERROR "${fuzzer}: it must begin with `// sources: ...`")
  endif()
  list(TRANSFORM lines REPLACE "^// sources: " "")
  string(REPLACE " " ";" sources "${lines}")
  set(objects)
  foreach(source ${sources} tests/fuzz/${name}.cpp)
    terrace_fuzz_object(${source} object)
    list(APPEND objects ${object})
  endforeach()
  add_custom_command(OUTPUT ${fuzz_dir}/${name}
    COMMAND ${CLANGXX} ${fuzz_flags} ${objects} -o ${fuzz_dir}/${name}
            -Wl,--as-needed ${ZSTD_LINK_LIBRARIES} ${XXHASH_LINK_LIBRARIES}
            ${HIREDIS_LINK_LIBRARIES} ${LMDB_LINK_LIBRARIES}
    DEPENDS ${objects} COMMENT "Linking fuzz/${name}" VERBATIM)
  add_custom_target(fuzz-${name} DEPENDS ${fuzz_dir}/${name})
  add_dependencies(fuzz fuzz-${name})

  # A fixed seed: a test that passes today passes tomorrow. The seeds are passed
  # as files, because libFuzzer writes what it finds into a folder that it is
  # given.
  file(GLOB seeds CONFIGURE_DEPENDS
       ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${name}/*)
  if(seeds)
    list(JOIN seeds "," seeds)
    set(seeds -seed_inputs=${seeds})
  endif()
  add_test(NAME fuzz.${name}
           COMMAND ${fuzz_dir}/${name} -runs=200000 -max_len=4096 -seed=1
                   ${seeds})
  set_tests_properties(fuzz.${name} PROPERTIES TIMEOUT 300
    WORKING_DIRECTORY ${fuzz_dir})
endforeach()
