# Compiles the page of qwen-serve into the program: the files of tools/qwen-serve/web as they are, and three libraries
# from Debian's packages. tools/qwen-serve/web_files.h is what the program sees of it.
function(qwen_web_library variable package)
  find_file(${variable} NAMES ${ARGN} PATHS /usr/share/javascript NO_CMAKE_FIND_ROOT_PATH)
  if(NOT ${variable})
    message(FATAL_ERROR "The page of qwen-serve needs ${ARGN}, which is not in /usr/share: "
                        "apt-get install ${package} (or give -D${variable}=FILE, or -DQWEN_BUILD_TOOLS=OFF)")
  endif()
endfunction()

function(qwen_embed_web target)
  qwen_web_library(QWEN_MARKED_JS libjs-marked marked/marked.umd.min.js)
  qwen_web_library(QWEN_HIGHLIGHT_JS libjs-highlight.js highlight.js/highlight.min.js)
  qwen_web_library(QWEN_KATEX_JS "libjs-katex fonts-katex" katex/katex.min.js)
  set(web ${PROJECT_SOURCE_DIR}/tools/qwen-serve/web)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/web)
  file(GLOB page_files CONFIGURE_DEPENDS ${web}/*)
  set(script ${PROJECT_SOURCE_DIR}/cmake/EmbedWeb.cmake)
  set(inputs ${page_files} ${QWEN_MARKED_JS} ${QWEN_HIGHLIGHT_JS} ${QWEN_KATEX_JS})
  add_custom_command(OUTPUT ${out}/web_files.cpp ${out}/web_files.S VERBATIM
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} "-DPAGE=${page_files}" -DMARKED=${QWEN_MARKED_JS}
            -DHIGHLIGHT=${QWEN_HIGHLIGHT_JS}
            -DKATEX=${QWEN_KATEX_JS} -P ${script}
    DEPENDS ${inputs} ${script})
  set_source_files_properties(${out}/web_files.S PROPERTIES OBJECT_DEPENDS "${inputs}")
  target_sources(${target} PRIVATE ${out}/web_files.cpp ${out}/web_files.S)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tools/qwen-serve)
endfunction()
