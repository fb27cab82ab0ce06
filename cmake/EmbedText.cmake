# Writes text files into a C++ source, as an array of (file name, content).
#   cmake -DOUTPUT=builtin_tasks.cpp "-DFILES=a.yaml;b.yaml" -P EmbedText.cmake
set(entries "")
foreach(path IN LISTS FILES)
  get_filename_component(name "${path}" NAME)
  file(READ "${path}" content)
  string(APPEND entries "    {\"${name}\", R\"~~~(${content})~~~\"},\n")
endforeach()
file(WRITE "${OUTPUT}"
  "// Made by cmake/EmbedText.cmake from libqwen/tasks/builtin. Do not edit.\n"
  "#include \"tasks/builtin_tasks.h\"\n\n"
  "namespace qwen::tasks {\nnamespace {\nconstexpr BuiltinTask kTasks[] = {\n${entries}};\n}  // namespace\n\n"
  "std::span<const BuiltinTask> builtin_tasks() noexcept {\n  return kTasks;\n}\n}  // namespace qwen::tasks\n")
