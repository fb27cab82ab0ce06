# Cross-compiling for aarch64 with Debian's g++-aarch64-linux-gnu; programs run under qemu-user. QWEN_SYSROOT names a
# folder with the target's libraries and headers (scripts/aarch64.sh fills one).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES QWEN_SYSROOT)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

# Only what the libraries are for comes from the folder; the C library is the compiler's own.
set(CMAKE_FIND_ROOT_PATH ${QWEN_SYSROOT} /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} "${QWEN_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${QWEN_SYSROOT}/usr/share/pkgconfig")
set(ENV{PKG_CONFIG_SYSROOT_DIR} "${QWEN_SYSROOT}")
set(ENV{PKG_CONFIG_ALLOW_SYSTEM_CFLAGS} 0)
set(target_libraries "${QWEN_SYSROOT}/usr/lib/aarch64-linux-gnu:${QWEN_SYSROOT}/lib/aarch64-linux-gnu")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-Wl,-rpath-link,${target_libraries}")

set(CMAKE_CROSSCOMPILING_EMULATOR
    "qemu-aarch64-static;-L;/usr/aarch64-linux-gnu;-E;LD_LIBRARY_PATH=${target_libraries}")
