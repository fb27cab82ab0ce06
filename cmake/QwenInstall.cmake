# cmake --install: the component "development" is the library with its headers, "tools" the programs. CPack makes a
# Debian package of the tools.
include(CMakePackageConfigHelpers)

install(TARGETS qwen EXPORT qwen
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT development)
install(DIRECTORY include/qwen DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
        FILES_MATCHING PATTERN "*.h")
install(FILES LICENSE THIRD_PARTY.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT development)

# find_package(qwen CONFIG)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/qwen)
install(EXPORT qwen NAMESPACE qwen:: FILE qwenTargets.cmake DESTINATION ${package_folder} COMPONENT development)
get_target_property(QWEN_LIBRARY_TYPE qwen TYPE)
configure_package_config_file(cmake/qwenConfig.cmake.in qwenConfig.cmake INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(qwenConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/qwenConfig.cmake ${PROJECT_BINARY_DIR}/qwenConfigVersion.cmake
        DESTINATION ${package_folder} COMPONENT development)

# pkg-config qwen. Paths start from the file itself, so that the tree can be moved and packed.
file(RELATIVE_PATH QWEN_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" QWEN_PC_PREFIX "${QWEN_PC_PREFIX}")
configure_file(cmake/qwen.pc.in qwen.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/qwen.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

# cpack -G DEB
set(CPACK_PACKAGE_NAME qwen-tools)
set(CPACK_PACKAGE_VENDOR "libqwen contributors")
set(CPACK_PACKAGE_CONTACT "libqwen contributors <libqwen@users.noreply.github.com>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}: chat, classification, quantization, HTTP server")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL tools)
if(BUILD_SHARED_LIBS)
  list(APPEND CPACK_COMPONENTS_ALL runtime)
endif()
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# The license, where Debian expects it.
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/qwen-tools RENAME copyright COMPONENT tools)
install(FILES THIRD_PARTY.md DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/qwen-tools COMPONENT tools)
include(CPack)
