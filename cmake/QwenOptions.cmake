# Compile options for this project's own targets. Nothing here is global: a project that adds libqwen as a
# subdirectory keeps its own flags.
function(qwen_target_options target)
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
endfunction()
