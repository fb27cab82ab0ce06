# Compile options for this project's own targets. Nothing here is global: a project that adds libqwen as a
# subdirectory keeps its own flags. `level` is the optimization (-O1, -O2) in Release builds and in builds without a build type,
# such as a FetchContent of a project that sets none.
function(qwen_target_options target level)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  # -ffp-contract=off: a*b+c is fused only where the source says fma, so that every ISA level sums alike.
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Wno-sign-conversion -ffp-contract=off)
  if(QWEN_BUILD_FUZZ)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)  # coverage for the fuzzer
  endif()
  if(QWEN_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${QWEN_SANITIZE} -fno-omit-frame-pointer
                                             -fno-sanitize-recover=all)
    target_link_options(${target} PRIVATE -fsanitize=${QWEN_SANITIZE})
  endif()
  if(NOT (level STREQUAL "-O3" AND CMAKE_BUILD_TYPE STREQUAL "Release"))  # CMake adds that one
    target_compile_options(${target} PRIVATE $<$<OR:$<CONFIG:Release>,$<STREQUAL:$<CONFIG>,>>:${level}>)
  endif()
endfunction()

# Precompiled headers, without ccache, which does better without them.
function(qwen_precompile target)
  if(QWEN_PRECOMPILED_HEADERS AND NOT CMAKE_CXX_COMPILER_LAUNCHER AND NOT QWEN_SANITIZE AND NOT QWEN_BUILD_FUZZ)
    target_precompile_headers(${target} PRIVATE ${ARGN})
  endif()
endfunction()

# Only files with an ISA level in their name are built for more than the base machine. They are always optimized: at -O0 the linker
# might pick such a file's copy of an inline function for the whole program.
function(qwen_isa_sources folder)
  set(levels_x86 avx2 avxvnni avx512)
  set(levels_arm neon dotprod i8mm)
  set(flags_avx2 -mavx2 -mfma -mf16c)
  set(flags_avxvnni ${flags_avx2} -mavxvnni)
  set(flags_avx512 ${flags_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vbmi -mavx512vnni
                   -mprefer-vector-width=512)
  # GCC's first scheduling pass would hold more of a tile in flight than there are registers.
  set(flags_neon $<$<CXX_COMPILER_ID:GNU>:-fno-schedule-insns>)
  set(flags_dotprod ${flags_neon} -march=armv8.2-a+dotprod)
  set(flags_i8mm ${flags_neon} -march=armv8.2-a+dotprod+i8mm)
  set(levels)
  # Fuzzers test parsers: instrumented kernels would only cost minutes of compile time.
  if(QWEN_BUILD_FUZZ)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    set(levels ${levels_x86})
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    set(levels ${levels_arm})
  endif()
  foreach(isa ${levels_x86} ${levels_arm})
    file(GLOB files CONFIGURE_DEPENDS ${folder}/*_${isa}.cpp)
    if(isa IN_LIST levels)
      set_source_files_properties(${files} PROPERTIES SKIP_PRECOMPILE_HEADERS ON
        # GCC 12 warns about its own intrinsics headers.
        COMPILE_OPTIONS "-O3;$<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized;-Wno-maybe-uninitialized>;${flags_${isa}}")
    else()
      set_source_files_properties(${files} PROPERTIES HEADER_FILE_ONLY ON)
    endif()
  endforeach()
  if(NOT levels)
    set_source_files_properties(${folder}/dispatch.cpp PROPERTIES COMPILE_DEFINITIONS QWEN_PORTABLE_KERNELS)
  endif()
endfunction()

# Programs find a shared libqwen beside them, wherever the two were installed to.
function(qwen_install_program target)
  if(NOT QWEN_INSTALL)
    return()
  endif()
  if(BUILD_SHARED_LIBS)
    file(RELATIVE_PATH to_libraries /${CMAKE_INSTALL_BINDIR} /${CMAKE_INSTALL_LIBDIR})
    set_target_properties(${target} PROPERTIES INSTALL_RPATH "$ORIGIN/${to_libraries}")
  endif()
  install(TARGETS ${target} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT tools)
endfunction()

# Completion scripts and a man page, which the program writes itself.
function(qwen_install_completion target)
  if(NOT QWEN_INSTALL OR CMAKE_CROSSCOMPILING)
    return()
  endif()
  set(folder ${CMAKE_BINARY_DIR}/completion)
  file(MAKE_DIRECTORY ${folder})
  set(files)
  foreach(pair bash:${target} zsh:_${target} fish:${target}.fish man:${target}.1)
    string(REPLACE ":" ";" pair ${pair})
    list(GET pair 0 kind)
    list(GET pair 1 name)
    add_custom_command(OUTPUT ${folder}/${name} DEPENDS ${target} VERBATIM
                       COMMAND sh -c "LC_ALL=C.UTF-8 \"$0\" --completion ${kind} > \"$1\"" $<TARGET_FILE:${target}> ${folder}/${name})
    list(APPEND files ${folder}/${name})
  endforeach()
  add_custom_target(${target}-completion ALL DEPENDS ${files})
  set(share ${CMAKE_INSTALL_DATAROOTDIR})
  install(FILES ${folder}/${target} DESTINATION ${share}/bash-completion/completions COMPONENT tools)
  install(FILES ${folder}/_${target} DESTINATION ${share}/zsh/site-functions COMPONENT tools)
  install(FILES ${folder}/${target}.fish DESTINATION ${share}/fish/vendor_completions.d COMPONENT tools)
  install(FILES ${folder}/${target}.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT tools)
endfunction()
